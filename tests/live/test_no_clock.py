#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What is left where the kernel refuses perf events. tests/vm/test_paranoid.py has a kernel that does."""

import json
import os
import subprocess
import unittest

from contracts import PYTHON, contract, start_program
from instance import QOSCTL, SCHED_DEADLINE, Instance, main, policy, until

REFUSE = (PYTHON, os.path.join(os.path.dirname(os.path.abspath(__file__)), "refuse.py"))
BEST = "accept: best-effort\n"
REMEDY = "sysctl kernel.perf_event_paranoid=2"


class NoClock(unittest.TestCase):
    """fast may have SCHED_DEADLINE; slow has too long a period for it."""

    @classmethod
    def setUpClass(cls):
        cls.qosd = Instance("version: 1\nslow-loop: 500ms\nmanagers: {cpu: native}\n")
        cls.addClassCleanup(cls.qosd.__exit__)
        cls.qosd.write("fast", contract("fast", period="50ms", top=BEST))
        cls.qosd.write("slow", contract("slow", period="5s", top=BEST))
        cls.qosd.start(under=REFUSE)
        cls.fast = start_program(cls.qosd, "fast", 50, 2)
        cls.slow = start_program(cls.qosd, "slow", 100, 2)

    def test_deadline_is_measured(self):
        until("jobs and windows", lambda: self.qosd.stream("fast")["stats"]["jobs"] > 20
              and self.qosd.stream("fast")["stats"]["windows"] > 1, 20)
        self.assertEqual(policy(self.fast.pid)[0], SCHED_DEADLINE)
        told = [event["text"] for event in self.qosd.json("events", "fast")["events"]]
        self.assertEqual(sum("has no task clock: it is measured" in text for text in told), 1, told)

    def test_fifo_is_not_given(self):
        self.assertEqual(self.qosd.json("show", "slow")["state"], "refused")
        self.assertIn("nor SCHED_FIFO here, where no task clock would cut it", self.qosd.ctl("show", "slow").stdout)
        self.assertEqual(policy(self.slow.pid)[0], os.SCHED_OTHER)

    def test_status_has_it(self):
        problems = [item for item in self.qosd.json("status")["problems"] if "no task clock" in item["text"]]
        self.assertIn(REMEDY, problems[0]["hint"])

    def test_doctor_has_it(self):
        done = subprocess.run([*REFUSE, QOSCTL, "--json", "doctor"], capture_output=True, text=True, check=False)
        features = {item["feature"]: item for item in json.loads(done.stdout)["features"]}
        self.assertEqual((features["task_clock"]["state"], features["uprobes"]["state"]), ("denied", "denied"))
        self.assertIn("kernel.perf_event_paranoid is ", features["task_clock"]["found"])
        self.assertIn(REMEDY, features["task_clock"]["remedy"])


main()
