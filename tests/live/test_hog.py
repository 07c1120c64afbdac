#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Contracted threads that loop for ever at the highest priority, one pinned to every CPU.

For QOS_HOG_SECONDS (default 60): a shell starts, timers fire and RCU goes on, on every CPU.
"""

import ctypes
import os
import subprocess
import time
import unittest

from contracts import PERIODIC, PYTHON, contract
from instance import Instance, main, until

SYS_MEMBARRIER = 324
MEMBARRIER_CMD_GLOBAL = 1


def rcu_grace_period_s():
    """How long a whole RCU grace period takes now; membarrier(2) waits for one."""
    libc = ctypes.CDLL(None, use_errno=True)
    begin = time.monotonic()
    if libc.syscall(SYS_MEMBARRIER, MEMBARRIER_CMD_GLOBAL, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "membarrier")
    return time.monotonic() - begin


def shell_s(cpu):
    """How long an ordinary shell takes to start and end on this CPU."""
    begin = time.monotonic()
    subprocess.run(["taskset", "-c", str(cpu), "/bin/sh", "-c", "true"], check=True, timeout=30)
    return time.monotonic() - begin


def timer_late_s(cpu):
    """How late an ordinary thread wakes from 10 ms of sleep on this CPU."""
    os.sched_setaffinity(0, {cpu})
    begin = time.monotonic()
    time.sleep(0.01)
    return time.monotonic() - begin - 0.01


def stalls():
    done = subprocess.run(["dmesg"], capture_output=True, text=True, check=False)
    return done.stdout.count("rcu_preempt detected") + done.stdout.count("self-detected stall")


class Hog(unittest.TestCase):
    """Nothing starves for long."""

    def test_hog(self):
        seconds = float(os.environ.get("QOS_HOG_SECONDS", "60"))
        cpus = sorted(os.sched_getaffinity(0))
        stalled = stalls()
        worst = {"shell": 0.0, "timer": 0.0, "rcu": 0.0}
        with Instance() as qosd:
            for cpu in cpus:
                qosd.write(f"hog-{cpu}", contract(f"hog-{cpu}", f"  cpus: {cpu}\n",
                                                  period="10ms", runtime="5ms",
                                                  top="accept: best-effort\n"))
            qosd.start()
            for cpu in cpus:
                qosd.run(PYTHON, PERIODIC, f"hog-{cpu}", "10", "1", "spin")
            # By its count, not by its policy: who looks runs only while the hog is demoted.
            for cpu in cpus:
                until("the hog overruns", lambda c=cpu:
                      qosd.stream(f"hog-{c}")["stats"]["overruns"] > 0)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                for cpu in cpus:
                    worst["shell"] = max(worst["shell"], shell_s(cpu))
                    worst["timer"] = max(worst["timer"], timer_late_s(cpu))
                worst["rcu"] = max(worst["rcu"], rcu_grace_period_s())
            os.sched_setaffinity(0, set(cpus))
            print("worst:", {k: f"{v * 1e3:.1f} ms" for k, v in worst.items()})
            stats = [qosd.stream(f"hog-{c}")["stats"] for c in cpus]
        for stat in stats:
            self.assertGreater(stat["overruns"], seconds * 20)
        self.assertLess(worst["shell"], 2.0)
        self.assertLess(worst["timer"], 0.5)
        self.assertLess(worst["rcu"], 2.0)
        self.assertEqual(stalls(), stalled)


main()
