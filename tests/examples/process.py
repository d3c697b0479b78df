# process.py - parent and child: names, pids, exit codes
import os
import sys
from multiprocessing import Pipe, Process, current_process


def greet(log, name):
    log.send(f"child {current_process().name}: hello {name}")
    sys.exit(3)


if __name__ == "__main__":
    read, log = Pipe()
    process = Process(target=greet, args=(log, "ada"), name="greeter")
    process.start()
    print(f"parent started {process.name}")
    process.join()
    print(f"a pid of its own: {process.pid != os.getpid()}")
    print(f"exit code: {process.exitcode}")
    print(read.recv())
