# SPDX-License-Identifier: GPL-2.0-only
"""What the stress looks at and moves about: every thread's scheduling, stuck tasks, control groups, and
loading without a process for each time.
"""
import contextlib
import ctypes
import os
import time

# pylint: disable=missing-function-docstring
from lab_test import KO, expect, policy

CGROUPS = "/sys/fs/cgroup"
SYS_FINIT_MODULE, SYS_DELETE_MODULE = 313, 176  # x86_64
PF_KTHREAD = 0x200000

LIBC = ctypes.CDLL(None, use_errno=True)


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(str(text))


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


# --- the module, as insmod and rmmod do ---

def load():
    fd = os.open(KO, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if LIBC.syscall(SYS_FINIT_MODULE, fd, b"", 0):
            raise OSError(ctypes.get_errno(), "finit_module")
    finally:
        os.close(fd)


def unload(timeout=60):
    """A dump that is under way holds the module; the next try finds it done."""
    end = time.monotonic() + timeout
    while LIBC.syscall(SYS_DELETE_MODULE, b"qos_dwcs", os.O_NONBLOCK):
        if ctypes.get_errno() != 11 or time.monotonic() > end:
            raise OSError(ctypes.get_errno(), "delete_module")
        time.sleep(0.01)


# --- every thread of the machine ---

def threads():
    """(tid, fields of its stat from the state on)"""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            for tid in os.listdir(f"/proc/{pid}/task"):
                with contextlib.suppress(OSError):
                    yield int(tid), read(f"/proc/{pid}/task/{tid}/stat").rpartition(")")[2].split()


def scheduling():
    """(tid, start time) -> all that decides when and where it runs. The kernel changes its own threads'
    nice values and CPUs as it likes."""
    world = {}
    for tid, stat in threads():
        with contextlib.suppress(OSError):
            mine = None if int(stat[6]) & PF_KTHREAD else (os.sched_getaffinity(tid), int(stat[16]))
            world[tid, stat[19]] = (policy(tid), mine)
    return world


def name_of(tid):
    try:
        return read(f"/proc/{tid}/comm").strip()
    except OSError:
        return "?"


def check_all_restored(before, timeout=10):
    """Nobody who was there before is scheduled differently now."""
    end = time.monotonic() + timeout
    while True:
        after = scheduling()
        changed = [f"{name_of(k[0])} ({k[0]}): {before[k]} -> {after[k]}"
                   for k in before if k in after and after[k] != before[k]]
        if not changed:
            return
        if time.monotonic() > end:
            raise AssertionError("; ".join(changed))
        time.sleep(0.5)


def progress(tid):
    with contextlib.suppress(OSError):
        return [line for line in read(f"/proc/{tid}/status").splitlines() if "ctxt_switches" in line]
    return None


def check_nobody_stuck():
    """No thread stays in an uninterruptible sleep for seconds."""
    sleepers = {tid: progress(tid) for tid, stat in threads() if stat[0] == "D"}
    if not sleepers:
        return
    time.sleep(5)
    stuck = [f"{name_of(tid)} ({tid}) at {read(f'/proc/{tid}/wchan')}" for tid, stat in threads()
             if stat[0] == "D" and sleepers.get(tid) == progress(tid)]
    expect(stuck, [], "stuck")


# --- control groups ---

class Groups:
    """Two groups, in which a family lives, so that its threads are listed by one read."""

    def __init__(self, **second):
        """`second`: files of the second group, with _ for the dot."""
        self.paths = [f"{CGROUPS}/qos-{name}" for name in "ab"]
        self.second = second

    def __enter__(self):
        write(f"{CGROUPS}/cgroup.subtree_control", "+cpu +cpuset +pids")
        for path in self.paths:
            os.makedirs(path, exist_ok=True)
            write(f"{path}/pids.max", 80)
        for name, value in self.second.items():
            write(f"{self.paths[1]}/{name.replace('_', '.', 1)}", value)
        return self

    def __exit__(self, *_):
        for path in self.paths:
            write(f"{path}/cgroup.freeze", 0)
            write(f"{path}/cgroup.kill", 1)
        end = time.monotonic() + 60
        while time.monotonic() < end and self.tids():
            time.sleep(0.1)
        for path in self.paths:
            os.rmdir(path)

    def tids(self):
        return [int(t) for path in self.paths for t in read(f"{path}/cgroup.threads").split()]

    def move(self, pid, to):
        with contextlib.suppress(OSError):  # it may have ended
            write(f"{self.paths[to]}/cgroup.procs", pid)

    def freeze(self, which, state):
        write(f"{self.paths[which]}/cgroup.freeze", state)
