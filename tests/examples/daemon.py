# daemon.py - a daemonic process ends with the program that started it
import os
import subprocess
import sys
import time
from multiprocessing import Process

if __name__ == "__main__" and len(sys.argv) > 1:
    process = Process(target=time.sleep, args=(1000,), daemon=True)
    process.start()
    print(process.daemon, process.pid)
elif __name__ == "__main__":
    said = subprocess.run([sys.executable, __file__, "parent"], capture_output=True, text=True)
    daemon, pid = said.stdout.split()
    print(f"daemon: {daemon}")
    print(f"gone with its parent: {not os.path.exists(f'/proc/{pid}')}")
