# shared.py - a dict and a list that parent and child write
from multiprocessing import Manager, Process


def fill(facts, numbers):
    facts["one"] = 1
    facts["two"] = 2
    numbers.reverse()


if __name__ == "__main__":
    with Manager() as manager:
        facts, numbers = manager.dict(), manager.list(range(5))
        filler = Process(target=fill, args=(facts, numbers))
        filler.start()
        filler.join()
        for key, value in facts.items():
            print(f"{key}: {value}")
        print(*numbers)
