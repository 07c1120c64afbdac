#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Counters of streams over a daemon that is killed, and who has them after that."""

import os
import signal
import subprocess
import unittest

from contracts import contract, start_program
from instance import Instance, main, until

COUNTERS = ("jobs", "late", "served", "lost", "windows", "violations", "overruns")


def stats(qosd, name="one"):
    return qosd.stream(name)["stats"]


def work(qosd, name="one", jobs=60):
    """Its program needs more than it has, so that all kinds of counters count."""
    before = stats(qosd, name)["jobs"]
    until("more jobs", lambda: stats(qosd, name)["jobs"] > before + jobs, 30)


class Counters(unittest.TestCase):
    """One contract without a range, whose program needs twice its runtime."""

    def begin(self, qosd, name="one"):
        qosd.write(name, contract(name, period="20ms", runtime="2ms"))
        qosd.start()
        start_program(qosd, name, 20, 4)
        until("it is counted", lambda: stats(qosd, name)["windows"] > 0, 30)
        work(qosd, name, 150)

    def pins(self, qosd):
        return sorted(name for name in os.listdir(qosd.pin_dir) if name.startswith("counters_"))

    def expect_more(self, before, after):
        for name in COUNTERS:
            self.assertGreaterEqual(after[name], before[name], name)

    def test_a_killed_daemon_is_followed(self):
        with Instance() as qosd:
            self.begin(qosd)
            self.assertEqual(len(self.pins(qosd)), 2)
            for _ in range(3):
                before = stats(qosd)
                self.assertGreater(before["overruns"], 0)
                qosd.stop(signal.SIGKILL)
                qosd.start()
                self.expect_more(before, stats(qosd))
                self.assertLess(stats(qosd)["jobs"], 2 * before["jobs"], "once, not twice")
                work(qosd)
            told = [event["text"] for event in qosd.json("events")["events"] if event["kind"] == "overrun"]
            self.assertFalse([text for text in told if int(text.split()[0]) >= stats(qosd)["overruns"]], told)

    def test_of_whom(self):
        """The name that went while nobody looked has lost them; the one that came has none of another's."""
        with Instance() as qosd:
            self.begin(qosd)
            qosd.write("two", contract("two"))
            qosd.ctl("reload")
            qosd.stop(signal.SIGKILL)
            qosd.remove("one")
            qosd.write("three", contract("three", period="20ms", runtime="2ms"))
            qosd.start()
            self.assertEqual(stats(qosd, "three")["jobs"], 0)
            qosd.write("one", contract("one", period="20ms", runtime="2ms"))
            qosd.ctl("reload")
            self.assertLess(stats(qosd)["jobs"], 60)

    def test_what_was_damaged_begins_anew(self):
        with Instance() as qosd:
            self.begin(qosd)
            before = stats(qosd)["jobs"]
            qosd.stop(signal.SIGKILL)
            for name in self.pins(qosd):
                path = os.path.join(qosd.pin_dir, name)
                os.unlink(path)
                subprocess.run(["bpftool", "map", "create", path, "type", "array", "key", "4", "value", "8", "entries", "1",
                                "name", "alien"], check=True, env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"})
            qosd.start()
            until("it is in force", lambda: qosd.json("show", "one")["state"] == "in-force")
            self.assertLess(stats(qosd)["jobs"], before)
            work(qosd)

    def test_another_version_leaves_nothing(self):
        with Instance() as qosd:
            qosd.start()
            old = os.path.join(qosd.pin_dir, "counters_stats_v0")
            os.rename(os.path.join(qosd.pin_dir, self.pins(qosd)[0]), old)
            qosd.stop(signal.SIGKILL)
            qosd.start()
            self.assertFalse(os.path.exists(old))
            self.assertEqual(len(self.pins(qosd)), 2)

    def test_a_stop_takes_them_away(self):
        with Instance() as qosd:
            self.begin(qosd)
            before = stats(qosd)["jobs"]
            qosd.stop()
            self.assertFalse(os.path.isdir(qosd.pin_dir) and self.pins(qosd))
            qosd.start()
            self.assertLess(stats(qosd)["jobs"], before)

    def test_panic_without_a_daemon(self):
        with Instance() as qosd:
            self.begin(qosd)
            qosd.stop(signal.SIGKILL)
            qosd.ctl("panic")
            self.assertFalse(os.path.isdir(qosd.pin_dir) and self.pins(qosd))


main()
