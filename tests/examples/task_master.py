# task_master.py - puts tasks into a queue that other machines take them from
import queue
import sys
from multiprocessing.managers import BaseManager

TASKS = 40
task_queue, result_queue = queue.Queue(), queue.Queue()


class QueueManager(BaseManager):
    pass


def get_task_queue():
    return task_queue


def get_result_queue():
    return result_queue


QueueManager.register("get_task_queue", callable=get_task_queue)
QueueManager.register("get_result_queue", callable=get_result_queue)

if __name__ == "__main__":
    port, authkey_file = int(sys.argv[1]), sys.argv[2]
    manager = QueueManager(("127.0.0.1", port), open(authkey_file, "rb").read())
    manager.start()
    tasks, results = manager.get_task_queue(), manager.get_result_queue()
    for number in range(TASKS):
        tasks.put(number)
    squares = dict(results.get() for _ in range(TASKS))
    for number in range(TASKS):
        print(f"{number} * {number} = {squares[number]}")
    manager.shutdown()
