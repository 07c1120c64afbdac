# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of the module share: reporting, the module itself, contracts, programs to manage."""
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from genl import N, Netlink, Refused, TOP, HISTOGRAMS  # noqa: E402,F401

MS = 1000000
KO = os.path.join(TOP, "build", "kmod", os.environ.get("QOS_VM", "rt"), "qos_dwcs.ko")
WORKER, CHURN = "/tmp/qos-worker", "/tmp/qos-churn"
RESET_ON_FORK = 0x40000000


def expect(value, wanted, what=""):
    if value != wanted:
        raise AssertionError(f"{what}: {value!r} instead of {wanted!r}")


def until(condition, what, timeout=20):
    """Waits until it is true; returns its value."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout} s: {what}")


def load():
    subprocess.run(["insmod", KO], check=True)


def unload():
    subprocess.run(["rmmod", "qos_dwcs"], check=True)


def jobs_of_stdin():
    """What a bench asks of this closed guest, once it has the kernel's own modules."""
    told, *jobs = map(json.loads, sys.stdin)
    for path in told["modules"]:
        subprocess.run(["insmod", path], check=True)
    return jobs


def build_program(program, source):
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", program,
                    os.path.join(TOP, "tests", "vm", source)], check=True)


def build_worker():
    build_program(WORKER, "worker.c")


def stream(number, period=20, runtime=5, x=1, y=2, **more):
    return {"ID": number, "NAME": f"s{number}", "PERIOD": int(period * MS), "RUNTIME": int(runtime * MS),
            "X": x, "Y": y, **more}


def contract(nl, name, *streams, **more):
    nl.set("CONTRACT_SET", "CONTRACT", NAME=name, STREAM=list(streams), **more)


def stats(nl, number):
    return nl.get("STREAM_GET", "STREAM", ID=number)["STATS"]


def counters(nl, cpu=0):
    return nl.get("CPU_GET", "CPU", ID=cpu)["COUNTERS"]


def attach(nl, pid, number, cpu=0):
    nl.set("ATTACH", "THREAD", TID=pid, STREAM=number, CPU=cpu)


class Program:
    """A program that waits for a go, and is killed at the end whatever happens."""

    def __init__(self, *argv):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        start_new_session=True)
        self.pid = self.process.pid
        expect(self.process.stdout.readline(), "ready\n", argv)

    def go(self, line="x"):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask(self, line):
        self.go(line)
        return self.process.stdout.readline().strip()

    def stop(self):
        """Its last line."""
        self.process.terminate()
        return self.process.communicate()[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.communicate()


def worker(period_us, cost_us, *more):
    return Program(WORKER, str(int(period_us)), str(int(cost_us)), "-w", *map(str, more))


def puppet():
    return Program(sys.executable, "-u", os.path.join(TOP, "tests", "vm", "puppet.py"))


def policy(pid):
    """(policy, priority, reset on fork)"""
    number = os.sched_getscheduler(pid)
    return (number & ~RESET_ON_FORK, os.sched_getparam(pid).sched_priority, bool(number & RESET_ON_FORK))


@contextlib.contextmanager
def module(load=load, unload=unload):  # pylint: disable=redefined-outer-name
    load()
    try:
        yield Netlink()
    finally:
        unload()


FIFO, OTHER, RR, BATCH = os.SCHED_FIFO, os.SCHED_OTHER, os.SCHED_RR, os.SCHED_BATCH
BAND = (38, 39, 40)
URGENT = 48  # one short mandatory stream of a CPU
ALL = os.sched_getaffinity(0)


def in_band(pid):
    number, priority, reset = policy(pid)
    return number == FIFO and priority in BAND and reset


def refused(words, call, *args, **values):
    try:
        call(*args, **values)
    except Refused as refusal:
        if words not in refusal.text:
            raise AssertionError(f"{refusal} does not say {words!r}") from refusal
        return
    raise AssertionError(f"not refused: {words}")


def events(nl, kind, timeout=20):
    """The first event of that kind."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        for cmd, fields in nl.heard(0.5):
            if cmd == N["CMD_EVENT"] and fields["KIND"] == N["EVENT_" + kind]:
                return fields
    raise AssertionError(f"no event {kind}")


def listener(group="events"):
    nl = Netlink()
    nl.join(group)
    return nl


def attempt(test):
    """None, or what went wrong."""
    try:
        test()
        return None
    except Exception as error:  # pylint: disable=broad-except
        where = traceback.extract_tb(error.__traceback__)
        lines = " < ".join(f"{os.path.basename(f.filename)}:{f.lineno}" for f in reversed(where[1:]))
        subprocess.run(["rmmod", "qos_dwcs"], check=False, stderr=subprocess.DEVNULL)
        return f"{type(error).__name__}: {error} ({lines})"


def chosen(names):
    """Of a module's globals(): the tests that the command line names by a part, all if it names none."""
    tests = [test for name, test in names.items() if name.startswith("test_")
             and (not sys.argv[1:] or any(word in name for word in sys.argv[1:]))]
    if not tests:
        sys.exit(f"no test has one of these in its name: {' '.join(sys.argv[1:])}")
    return tests


def run(tests, twice=True, story=False):
    """In an emulated machine the host may stop the clock's owner for longer than any period: what fails
    and judges time (`twice`) is tried once more, and said. A `story` ends where one fails."""
    passed = failed = 0
    for test in tests:
        name = test.__name__.replace("test_", "", 1)
        problem = attempt(test)
        if problem and twice:
            print(f"again   {name}: {problem}", flush=True)
            problem = attempt(test)
        print(f"FAILED  {name}: {problem}" if problem else f"ok      {name}", flush=True)
        passed += not problem
        failed += bool(problem)
        if problem and story:
            break
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0
