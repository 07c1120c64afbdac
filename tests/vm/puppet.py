# SPDX-License-Identifier: GPL-2.0-only
"""A program that does what it is told, one line a command, and answers each with a line."""
import os
import sys
import time


def fork():
    child = os.fork()
    if child == 0:
        time.sleep(1000)
    return child


def grandchildren(n):
    """Forks, and the child at once forks again, before anybody can have looked at it."""
    pids = []
    for _ in range(int(n)):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            grandchild = os.fork()
            if grandchild == 0:
                time.sleep(1000)
            os.write(write, f"{grandchild} ".encode())
            time.sleep(1000)
        pids += [child, int(os.read(read, 32))]
    return " ".join(map(str, pids))


def burn(seconds):
    end = time.thread_time() + float(seconds)
    while time.thread_time() < end:
        pass
    return "done"


def sched(number, priority):
    os.sched_setscheduler(0, int(number), os.sched_param(int(priority)))
    return "done"


def naps(n, seconds):
    for _ in range(int(n)):
        time.sleep(float(seconds))
    return "done"


def spin():
    while True:
        pass


def exec_self():
    os.execv(sys.executable, [sys.executable, "-u", __file__])


def leave():
    sys.exit(0)


COMMANDS = {f.__name__: f for f in (fork, grandchildren, burn, sched, naps, spin, exec_self, leave)}

print("ready")
for line in iter(sys.stdin.readline, ""):
    name, *arguments = line.split()
    print(COMMANDS[name](*arguments))
