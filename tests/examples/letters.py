# letters.py - a queue between two programs: one writes, one reads
from multiprocessing import Process, Queue


def write_letters(queue):
    for letter in "ABC":
        queue.put(letter)
    queue.put(None)


if __name__ == "__main__":
    queue = Queue()
    writer = Process(target=write_letters, args=(queue,))
    writer.start()
    while (item := queue.get()) is not None:
        print(f"got {item}")
    print("no more")
    writer.join()
