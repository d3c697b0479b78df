# terminate.py - terminate and is_alive
import time
from multiprocessing import Process

if __name__ == "__main__":
    process = Process(target=time.sleep, args=(1000,))
    process.start()
    print(f"started: alive {process.is_alive()}")
    process.terminate()
    process.join()
    print(f"terminated: alive {process.is_alive()}")
    print(f"exit code: {process.exitcode}")
