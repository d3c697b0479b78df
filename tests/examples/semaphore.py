# semaphore.py - at most two at a time
from multiprocessing import Manager, Pool

VISITORS = 6


def visit(arguments):
    door, lock, inside = arguments
    with door:
        with lock:
            inside.value += 1
            now = inside.value
        with lock:
            inside.value -= 1
    return now


if __name__ == "__main__":
    with Manager() as manager, Pool(4) as pool:
        door, lock, inside = manager.Semaphore(2), manager.Lock(), manager.Value("q", 0)
        results = pool.map(visit, [(door, lock, inside)] * VISITORS)
        never = all(now <= 2 for now in results)
        print(f"{VISITORS} visitors, never more than two at a time: {never}")
