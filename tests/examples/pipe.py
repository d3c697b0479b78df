# pipe.py - two programs talk: both ways, and one way to the end
from multiprocessing import Pipe, Process


def answer(end, log):
    message = end.recv()
    end.send("fine, thanks")
    log.send(f"child heard: {message}")


def count(end):
    for digit in "123":
        end.send(digit)
    end.close()


if __name__ == "__main__":
    ours, theirs = Pipe()
    read, log = Pipe(duplex=False)
    child = Process(target=answer, args=(theirs, log))
    child.start()
    ours.send("how are you?")
    print(f"parent heard: {ours.recv()}")
    print(read.recv())
    child.join()

    ours, theirs = Pipe(duplex=False)
    child = Process(target=count, args=(theirs,))
    child.start()
    theirs.close()
    try:
        while True:
            print(f"received {ours.recv()}")
    except EOFError:
        print("end of file")
    child.join()
