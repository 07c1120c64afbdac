# SPDX-License-Identifier: GPL-2.0-only
"""The machine before and after: what must be the same, and children that never outlive the demo."""

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
NICE = os.getpriority(os.PRIO_PROCESS, 0)
SIGNALS = (signal.SIGINT, signal.SIGTERM)
LIBC = ctypes.CDLL(None, use_errno=True)
SYSCTLS = ("kernel/sched_rt_runtime_us", "kernel/sched_rt_period_us", "kernel/task_delayacct",
           "kernel/bpf_stats_enabled")


def read(path):
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as source:
        return source.read()
    return ""


def threads():
    """{(tid, start time): (policy, priority, CPUs)} of all threads of user space."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if not read(f"/proc/{pid}/cmdline"):
            continue  # a kernel thread, or gone
        with contextlib.suppress(OSError, IndexError):
            for tid in os.listdir(f"/proc/{pid}/task"):
                fields = read(f"/proc/{pid}/task/{tid}/stat").rpartition(")")[2].split()
                cpus = tuple(sorted(os.sched_getaffinity(int(tid))))
                found[int(tid), fields[19]] = (fields[38], fields[37], cpus)
    return found


def cycling(pid, times=10):
    """How many threads of a process went to sleep that often."""
    found = 0
    for tid in os.listdir(f"/proc/{pid}/task"):
        status = read(f"/proc/{pid}/task/{tid}/status")
        slept = re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.M)
        found += bool(slept and int(slept.group(1)) >= times)
    return found


class Snapshot:
    """What the demo must not change: others' policies, mounts, sysctls."""

    def __init__(self):
        self.threads = threads()
        self.mounts = set(read("/proc/mounts").splitlines())
        self.sysctls = {name: read("/proc/sys/" + name) for name in SYSCTLS}

    def differences(self, directories):
        """Sentences; none if all is as it was. `directories` are those that the demo made."""
        now = Snapshot()
        for key, was in self.threads.items():
            if now.threads.get(key, was) != was:
                yield (f"thread {key[0]} ({read(f'/proc/{key[0]}/comm').strip()}): policy, "
                       f"priority, CPUs were {was}, are {now.threads[key]}")
        for line in now.mounts - self.mounts:
            if line.split()[1].startswith((*directories, "/sys/fs/bpf")):
                yield "mounted: " + line
        for directory in filter(os.path.exists, directories):
            yield "directory: " + directory
        for name, was in self.sysctls.items():
            if now.sysctls[name] != was:
                yield f"{name} was {was.strip()}, is {now.sysctls[name].strip()}"


@contextlib.contextmanager
def above(priority):
    """Runs the demo itself, and the tools that it asks, above what may starve them: under SCHED_FIFO,
    or with priority 0 only above the load. Children (below) do not inherit it; what is to answer must
    from its first instruction on, so RESET_ON_FORK would not do."""
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    if priority:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)
        os.setpriority(os.PRIO_PROCESS, 0, NICE)


@contextlib.contextmanager
def uninterrupted():
    """SIGINT and SIGTERM wait until the end of the block: what is begun here is finished."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_child():
    """Between fork and exec: the demo's end is the child's end, it hears all signals, and is scheduled
    like any program."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.setpriority(os.PRIO_PROCESS, 0, NICE)
    os.setpgid(0, 0)
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


class Children:
    """Programs in process groups of their own, so that ^C reaches only the demo, which then ends
    them in order; should the demo be killed, the kernel ends them. All stay in one session: the
    kernel's autogroups would else give a session of load no more than a session of one program."""

    def __init__(self):
        self.running = []

    def start(self, command, directory):
        # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
        with uninterrupted():
            child = subprocess.Popen(command, cwd=directory,
                                     preexec_fn=begin_child, stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.running.append(child)
        return child

    def end(self, child):
        """One of them, at once."""
        signal_group(child, signal.SIGKILL)
        child.wait(20)
        self.running.remove(child)

    def stop(self):
        """All of them at once, since one may keep another from running. rt-app has nothing to put
        in order, and may take long to hear a polite word; the others get some time."""
        for child in self.running:
            polite = os.path.basename(child.args[0]) != "rt-app"
            signal_group(child, signal.SIGTERM if polite else signal.SIGKILL)
        end = time.monotonic() + 3
        for child in self.running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.1, end - time.monotonic()))
        for child in self.running:
            signal_group(child, signal.SIGKILL)
        for child in self.running:
            child.wait(20)
            with contextlib.suppress(FileNotFoundError):  # cyclictest's, if it had to be killed
                os.unlink(f"/dev/shm/cyclictest{child.pid}")
        self.running = []


def signal_group(child, number):
    """To the whole group, as long as its leader was not waited for."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
