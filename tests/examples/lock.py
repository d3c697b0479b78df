# lock.py - several processes add to what all of them read and write
from multiprocessing import Lock, Process, Value

PROCESSES, TIMES = 4, 25


def add(lock, value):
    for _ in range(TIMES):
        with lock:
            value.value = value.value + 1


if __name__ == "__main__":
    lock, value = Lock(), Value("q", 0, lock=False)
    processes = [Process(target=add, args=(lock, value)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    print(f"balance: {value.value}")
