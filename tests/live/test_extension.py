#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Rules of contracts, from the file to a thread's runtime: they run in the kernel, follow the contract,
wait while a person adjusts, are taken out when they go wrong, and go with the daemon."""

import json
import os
import shutil
import signal
import subprocess
import unittest

from contracts import PERIODIC, PYTHON, RANGE, contract, rule, with_rules
from instance import Instance, main, until

UP = rule("cpu.job", "cpu.used > 1us", "min(cpu.runtime + 1ms, 8ms)")


def rules_of(qosd, name="cam"):
    return qosd.json("show", name)["rules"]


def granted(qosd, name="cam"):
    return qosd.stream(name)["runtime"]["granted_ns"]


def begin(qosd, text, name="cam", work=1):
    qosd.write(name, text)
    qosd.start()
    program = qosd.run(PYTHON, PERIODIC, name, "20", str(work))
    until("jobs", lambda: qosd.stream(name)["stats"]["jobs"] > 3)
    return program


def bpftool(qosd, verb):
    done = subprocess.run([shutil.which("bpftool", path="/usr/sbin:/sbin:/usr/bin"), "-j", "map", verb,
                           "pinned", os.path.join(qosd.pin_dir, "state-cam")],
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def pinned(qosd):
    return bpftool(qosd, "show")["id"]


def values(qosd):
    """How many bytes of the state are not zero."""
    return sum(byte != "0x00" for item in bpftool(qosd, "dump") for byte in item["value"])


class Rules(unittest.TestCase):
    """What rules do."""

    def test_act_on_jobs(self):
        with Instance() as qosd:
            begin(qosd, with_rules(UP))
            until("the top of the range", lambda: granted(qosd) == 8000000)
            rules = rules_of(qosd)
            self.assertEqual(rules["state"], "running")
            self.assertGreaterEqual(rules["set"], 4)
            self.assertGreater(rules["runs"], 0)
            self.assertLess(rules["ns_a_run"], 100000)
            self.assertEqual(rules["breaches"] + rules["dropped"], 0)
            self.assertIn("rules", {a["by"] for a in qosd.json("show", "cam")["adaptations"]})

    def test_first_tick_is_of_its_time(self):
        """It tells what came since its rules, not since the contract."""
        with Instance() as qosd:
            begin(qosd, with_rules(rule("cpu.job", "cpu.used < 1us", emit="none")))
            until("many jobs", lambda: qosd.stream("cam")["stats"]["jobs"] > 60)
            qosd.write("cam", with_rules(rule("tick 300ms", "cpu.jobs > 40", emit="many"),
                                         rule("tick 300ms", "cpu.jobs > 0", emit="some")))
            qosd.ctl("reload")
            until("two ticks", lambda: rules_of(qosd)["runs"] >= 2)
            words = {e["text"] for e in qosd.json("events", "cam")["events"] if e["kind"] == "signal"}
            self.assertEqual(words, {"some"})

    def test_tick_emits(self):
        with Instance() as qosd:
            begin(qosd, with_rules(rule("tick 50ms", "cpu.jobs > 0", emit="busy"),
                                   rule("tick 1s", "cpu.used.p99 < 4ms and cpu.used.p50 > 500us",
                                        "2ms")))
            signals = until("signals", lambda: [
                e for e in qosd.json("events", "cam")["events"] if e["kind"] == "signal"])
            self.assertEqual(signals[0]["text"], "busy")
            until("the bottom of the range", lambda: granted(qosd) == 2000000)

    def test_late_while_the_job_runs_on(self):
        with Instance() as qosd:
            qosd.write("cam", with_rules(rule("cpu.late", "cpu.slack < 0ms", emit="late")))
            qosd.start()
            qosd.run(PYTHON, PERIODIC, "cam", "20", "700")
            until("late", lambda: rules_of(qosd)["signals"] > 0)
            self.assertEqual(qosd.stream("cam")["stats"]["jobs"], 0)  # the first one runs on

    def test_overrun(self):
        """It is held back with 2 ms of the 7 that it needs, and gets them from the next job on. The kernel may look at its
        tick only: each 4 ms, so that one falls between the second and the seventh."""
        with Instance() as qosd:
            begin(qosd, with_rules(rule("cpu.overrun", "cpu.used > 1ms and cpu.slack > -1s", "8ms"), runtime="2ms"), work=7)
            until("it has more", lambda: granted(qosd) == 8000000)
            runs = rules_of(qosd)["runs"]
            jobs = qosd.stream("cam")["stats"]["jobs"]
            until("more jobs", lambda: qosd.stream("cam")["stats"]["jobs"] > jobs + 30)
            self.assertLess(rules_of(qosd)["runs"] - runs, 15)

    def test_adjust_suspends(self):
        with Instance() as qosd:
            begin(qosd, with_rules(UP))
            until("the top of the range", lambda: granted(qosd) == 8000000)
            qosd.ctl("adjust", "cam", "cpu.runtime=3ms")
            self.assertEqual(granted(qosd), 3000000)
            until("a refusal", lambda: rules_of(qosd)["refused"]["held"] > 0)
            self.assertEqual(granted(qosd), 3000000)
            qosd.ctl("revert", "cam")
            until("rules go on", lambda: granted(qosd) == 8000000)

    def test_follow_the_contract(self):
        with Instance() as qosd:
            begin(qosd, with_rules(UP))
            until("the top of the range", lambda: granted(qosd) == 8000000)
            runs = rules_of(qosd)["runs"]
            qosd.write("cam", with_rules(UP.replace("8ms", "7ms")))
            qosd.ctl("reload")
            self.assertGreaterEqual(rules_of(qosd)["runs"], runs)  # its counters go on
            until("the new rule", lambda: granted(qosd) == 7000000)
            qosd.write("cam", with_rules(rule("cpu.job", value="5ms")))
            qosd.ctl("reload")
            until("another rule", lambda: granted(qosd) == 5000000)
            qosd.write("cam", contract("cam", RANGE))
            qosd.ctl("reload")
            self.assertIsNone(rules_of(qosd))
            qosd.remove("cam")
            qosd.ctl("reload")
            self.assertEqual(qosd.json("list")["contracts"], [])

    def test_restart_and_panic(self):
        with Instance() as qosd:
            begin(qosd, with_rules(UP))
            until("the top of the range", lambda: granted(qosd) == 8000000)
            qosd.stop(signal.SIGKILL)
            qosd.start()
            until("they run again", lambda: rules_of(qosd)["set"] > 0)
            qosd.ctl("panic")
            self.assertEqual(rules_of(qosd)["state"], "not loaded")
            qosd.ctl("reload")
            until("they are back", lambda: rules_of(qosd)["runs"] > 0)

    def test_state_outlives_a_kill(self):
        with Instance() as qosd:
            program = begin(qosd, with_rules(rule("cpu.job", "ewma(cpu.used, 1/64) > 19ms", emit="x")))
            until("state", lambda: values(qosd) > 0)
            before = pinned(qosd)
            qosd.stop(signal.SIGKILL)
            os.kill(program.pid, signal.SIGSTOP)  # no event: what is there was there before
            qosd.start()
            self.assertEqual(pinned(qosd), before)
            self.assertGreater(values(qosd), 0)
            os.kill(program.pid, signal.SIGCONT)
            qosd.write("cam", with_rules(rule("cpu.job", "ewma(cpu.slack, 1/64) > 19ms", emit="x")))
            qosd.ctl("reload")
            self.assertNotEqual(pinned(qosd), before)  # other rules, another state
            qosd.stop()
            self.assertFalse(os.path.exists(os.path.join(qosd.pin_dir, "state-cam")))

    def test_state_goes_on_in_other_rules(self):
        mean = rule("cpu.job", "ewma(cpu.used, 1/64) > 19ms", emit="x")
        with Instance() as qosd:
            program = begin(qosd, with_rules(mean))
            until("state", lambda: values(qosd) > 0)
            before = pinned(qosd)
            os.kill(program.pid, signal.SIGSTOP)  # no event: what is there was there before
            qosd.write("cam", with_rules(rule("cpu.job", "prev(cpu.slack) < 0ms", emit="y"), mean))
            qosd.ctl("reload")
            self.assertNotEqual(pinned(qosd), before)
            self.assertGreater(values(qosd), 0)
            qosd.write("cam", with_rules(rule("cpu.job", "prev(cpu.slack) < 0ms", emit="y")))
            qosd.ctl("reload")
            self.assertEqual(values(qosd), 0)
            os.kill(program.pid, signal.SIGCONT)

    def test_quarantine(self):
        with Instance() as qosd:
            begin(qosd, with_rules(rule("cpu.job", value="10ms - cpu.runtime"),
                                   rule("cpu.job", value="2ms")))
            # base 4ms; 6ms and 2ms in turn is what the guard lets pass: one change an event
            until("quarantine", lambda: rules_of(qosd)["state"] == "quarantined", 30)
            self.assertIn("takes back", rules_of(qosd)["cause"])
            self.assertEqual(granted(qosd), 4000000)
            self.assertIn("quarantined", {e["kind"] for e in qosd.json("events", "cam")["events"]})
            self.assertTrue(any("qosctl readmit" in (p["hint"] or "")
                                for p in qosd.json("status")["problems"]))
            qosd.ctl("readmit", "cam")
            self.assertEqual(rules_of(qosd)["state"], "running")
            self.assertNotEqual(qosd.ctl("readmit", "cam", check=False).returncode, 0)


main()
