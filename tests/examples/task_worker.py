# task_worker.py - takes tasks from the master's queue, puts results into another
import sys
import time
from multiprocessing.managers import BaseManager


class QueueManager(BaseManager):
    pass


QueueManager.register("get_task_queue")
QueueManager.register("get_result_queue")

if __name__ == "__main__":
    port, authkey_file = int(sys.argv[1]), sys.argv[2]
    manager = QueueManager(("127.0.0.1", port), open(authkey_file, "rb").read())
    manager.connect()
    tasks, results = manager.get_task_queue(), manager.get_result_queue()
    try:
        while True:
            number = tasks.get()
            print(f"run task {number}", flush=True)
            time.sleep(0.02)
            results.put((number, number * number))
    except (EOFError, ConnectionError):
        print("no more tasks")
