# subclass.py - a subclass of Process with run()
from multiprocessing import Pipe, Process


class Runner(Process):
    def __init__(self, argument, log):
        super().__init__()
        self.argument, self.log = argument, log

    def run(self):
        self.log.send(f"run with {self.argument}")


if __name__ == "__main__":
    read, log = Pipe()
    runner = Runner("an argument", log)
    runner.start()
    print(read.recv())
    runner.join()
    print(f"exit code: {runner.exitcode}")
