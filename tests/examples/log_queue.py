# log_queue.py - many processes log into a queue, one writes the log
from multiprocessing import Process, Queue

WORKERS, LINES = 3, 4


def work(log, name):
    for number in range(1, LINES + 1):
        log.put((name, f"step {number}"))


def write_log(log):
    records = list(iter(log.get, None))
    for name, text in sorted(records, key=lambda record: record[0]):
        print(f"{name}: {text}")


if __name__ == "__main__":
    log = Queue()
    writer = Process(target=write_log, args=(log,))
    writer.start()
    workers = [Process(target=work, args=(log, f"worker {i}")) for i in range(1, WORKERS + 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    log.put(None)
    writer.join()
