# join.py - join with and without time-out
from multiprocessing import Event, Process


def wait_for_event(event):
    event.wait()


if __name__ == "__main__":
    event = Event()
    process = Process(target=wait_for_event, args=(event,))
    process.start()
    process.join(0.2)
    print(f"after join(0.2): alive {process.is_alive()}")
    event.set()
    process.join()
    print(f"after join(): alive {process.is_alive()}")
