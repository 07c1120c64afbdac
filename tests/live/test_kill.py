#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""SIGKILL at any moment, while contracts and programs come and go.

After each next start every thread is what the contracts in force say; after a panic, what it was
before. QOS_KILLS (default 100) is the number of kills; QOS_SEED makes a run repeat its choices.
"""

import os
import random
import signal
import time
import unittest

from instance import SCHED_DEADLINE, Instance, main, policy, until
from contracts import PERIODIC, PYTHON, contract
from kills import Kills

TAGS = ["a", "b", "c", "d"]
POLICY = {"deadline": SCHED_DEADLINE, "fifo": os.SCHED_FIFO}


def shape(random_source, tag):
    """One of several versions of a contract: under SCHED_DEADLINE, or pinned under SCHED_FIFO."""
    extra = random_source.choice(["", "  cpus: 0\n", "  cpus: 1\n", "  range: {runtime: 1ms..6ms}\n"])
    runtime = random_source.choice(["1ms", "2ms", "3ms"])
    return contract(tag, extra if os.cpu_count() > 1 else "", runtime=runtime)


class Kill(unittest.TestCase):
    """One daemon after another dies."""

    def setUp(self):
        self.seed = int(os.environ.get("QOS_SEED", "1"))
        self.random = random.Random(self.seed)

    def check_threads(self, qosd, programs, before):
        """Every program is as its contract says, and as it was where none is in force."""
        states = {c["contract"]: c["state"] for c in qosd.json("list")["contracts"]}
        for tag, program in programs.items():
            now = policy(program.pid)
            if states.get(tag) == "in-force":
                stream = qosd.stream(tag)
                self.assertEqual(now[0], POLICY[stream["policy"]], f"{tag}, seed {self.seed}")
                self.assertEqual([t["tid"] for t in stream["threads"]], [program.pid])
                if stream["policy"] == "fifo":
                    self.assertEqual(now[3], {int(stream["cpus"])})
            else:
                self.assertEqual(now, before, f"{tag}, seed {self.seed}")

    def change(self, qosd, programs):
        """One step of somebody's day."""
        tag = self.random.choice(TAGS)
        path = os.path.join(qosd.contracts, tag + ".yaml")
        step = self.random.randrange(3)
        if step == 0:
            qosd.write(tag, shape(self.random, tag))
        elif step == 1 and os.path.exists(path):
            os.unlink(path)
        elif tag in programs:
            programs.pop(tag).kill()
        else:
            programs[tag] = qosd.run(PYTHON, PERIODIC, tag, "20", "0.5")
        if qosd.daemon:
            qosd.daemon.send_signal(signal.SIGHUP)

    def test_kill(self):
        kills = int(os.environ.get("QOS_KILLS", "100"))
        before = (os.SCHED_OTHER, 0, 0, os.sched_getaffinity(0))
        with Instance() as qosd:
            programs = {}
            for tag in TAGS[:3]:
                qosd.write(tag, contract(tag, runtime="1ms"))
                programs[tag] = qosd.run(PYTHON, PERIODIC, tag, "20", "0.5")
            for _ in range(kills):
                qosd.start(ready=False)
                end = time.monotonic() + self.random.uniform(0.0, 0.4)
                while time.monotonic() < end:
                    self.change(qosd, programs)
                    time.sleep(self.random.uniform(0.0, 0.05))
                qosd.stop(signal.SIGKILL)
                qosd.start()
                self.check_threads(qosd, programs, before)
                qosd.stop(signal.SIGKILL)
            qosd.ctl("panic")
            for program in programs.values():
                self.assertEqual(policy(program.pid), before)
            bystander = policy(os.getpid())
            self.assertEqual(bystander[0], os.SCHED_OTHER)
            until("programs still run", lambda: all(p.poll() is None for p in programs.values()))

    def test_under_load(self):
        """A short tests/bench/kills.py, which says how many."""
        with Kills(self.seed) as kills:
            kills.run(int(os.environ.get("QOS_KILLS_UNDER_LOAD", "15")))
            lapses, watch = kills.lapses()
        self.assertEqual(kills.faults, [])
        self.assertGreater(watch["looks"], 0)
        self.assertEqual([lapse for lapse in lapses if lapse["ms"] > lapse["period_ms"]], [])


main()
