# command_server.py - runs commands for many clients at once; output of any size
import subprocess
import threading
from multiprocessing import Process
from multiprocessing.connection import Client, Listener
from multiprocessing.pool import ThreadPool

COMMANDS = ["echo hello", "seq 1000000", "echo oops >&2; exit 3", "kill -TERM $$",
            "cat /nowhere/at/all"]


def serve(connection):
    done = subprocess.run(["sh", "-c", connection.recv()], capture_output=True)
    connection.send((done.returncode, done.stdout, done.stderr))


def server(listener):
    while True:
        threading.Thread(target=serve, args=(listener.accept(),)).start()


def ask(address, command):
    with Client(address, authkey=b"secret") as connection:
        connection.send(command)
        return connection.recv()


if __name__ == "__main__":
    with Listener(family="AF_UNIX", backlog=16, authkey=b"secret") as listener:
        process = Process(target=server, args=(listener,), daemon=True)
        process.start()
        with ThreadPool(len(COMMANDS)) as clients:
            answers = clients.starmap(ask, [(listener.address, command) for command in COMMANDS])
        process.terminate()
    for command, (code, out, err) in zip(COMMANDS, answers):
        print(f"{command}: exit code {code}, {len(out)} bytes of output")
        print(f"  last line: {out.decode().splitlines()[-1] if out else ''}")
        print(f"  errors: {err.decode().strip()}")
