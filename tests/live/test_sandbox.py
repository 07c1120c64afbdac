#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Rules in a process (placement: user): they act on a real program through the same guard; whatever
becomes of the process, or stands in its place, costs its contract's adaptation and nothing else."""

import os
import signal
import unittest

from contracts import PERIODIC, PYTHON, contract, with_rules
from instance import BUILD, Instance, main, policy, until

HOSTILE = os.path.join(BUILD, "tests/hostile")
RULES = "adapt:\n  placement: user\n  rules:\n"
UP = """    - event: cpu.job
      when: ewma(cpu.used, 1/8) > 1us
      set:
        cpu.runtime: min(cpu.runtime + 1ms, 8ms)
"""
TICK = """    - event: tick 50ms
      when: cpu.jobs > 0 and cpu.used.p99 > 500us
      emit: busy
"""
LATE = """    - event: cpu.late
      when: cpu.slack < 0ms
      emit: late
"""
CALLS = ("read", "write", "openat", "socket", "clone", "execve", "ptrace", "mmap", "mprotect", "brk", "kill",
         "bpf", "sendmsg", "recvmsg", "prctl", "ioctl", "unshare", "close", "nanosleep")
ENDS = {
    "flood": "asks for more than it got", "garbage": "makes no sense", "pieces": "makes no sense",
    "pong": "not asked", "twice": "ready for other rules", "spin": "signal 9", "hog": "too much CPU",
    "silent": "does not answer", "crash": "signal 11", "unready": "does not get ready",
    "early": "exit code 60", **{f"call-{name}": "may not make" for name in CALLS},
}


def good(*rules, name="cam"):
    return with_rules(*rules, name=name, placement="user")


def hostile(mode):
    name = f"bad-{mode}"
    text = contract(name, "  range: {runtime: 200us..400us}\n", period="500ms", runtime="200us",
                    top=f"description: hostile {mode}\n")
    return name, text + RULES + UP.replace("8ms", "400us").replace("1ms", "100us")


def rules_of(qosd, name="cam"):
    return qosd.json("show", name)["rules"]


def granted(qosd, name="cam"):
    return qosd.stream(name)["runtime"]["granted_ns"]


def words(qosd, name="cam"):
    return " | ".join(e["text"] for e in qosd.json("events", name)["events"])


def begin(qosd, text, work=1):
    qosd.write("cam", text)
    qosd.start()
    program = qosd.run(PYTHON, PERIODIC, "cam", "20", str(work))
    until("jobs", lambda: qosd.stream("cam")["stats"]["jobs"] > 3)
    return program


def quarantined(qosd, name="cam"):
    return rules_of(qosd, name)["state"] == "quarantined"


class Sandbox(unittest.TestCase):
    """Rules in a process."""

    def test_act(self):
        with Instance() as qosd:
            begin(qosd, good(UP, TICK))
            until("the top of the range", lambda: granted(qosd) == 8000000)
            until("ticks", lambda: "busy" in words(qosd))
            rules = rules_of(qosd)
            self.assertEqual((rules["state"], rules["placement"]), ("running", "user"))
            self.assertEqual(rules["breaches"] + rules["dropped"], 0)
            self.assertGreaterEqual(rules["set"], 4)
            self.assertEqual(policy(rules["pid"])[:2], (1, 1))  # SCHED_FIFO 1, behind every contract
            self.assertGreater(os.stat(f"/proc/{rules['pid']}/task").st_uid, 2147400000 - 1)  # nobody else's
            self.assertEqual(os.listdir(f"/proc/{rules['pid']}/root"), [])
            self.assertEqual(len(os.listdir(f"/proc/{rules['pid']}/fd")), 3)
            qosd.stop()
            until("it goes with the daemon", lambda: not os.path.exists(f"/proc/{rules['pid']}"))

    def test_late(self):
        with Instance() as qosd:
            qosd.write("cam", good(LATE))
            qosd.start()
            qosd.run(PYTHON, PERIODIC, "cam", "20", "700")
            until("late", lambda: rules_of(qosd)["signals"] > 0)

    def test_goes_with_a_killed_daemon(self):
        with Instance() as qosd:
            begin(qosd, good(UP))
            pid = rules_of(qosd)["pid"]
            qosd.stop(signal.SIGKILL)
            until("it is gone", lambda: not os.path.exists(f"/proc/{pid}"))
            qosd.start()
            until("another one", lambda: rules_of(qosd)["set"] > 0)

    def test_next_version(self):
        with Instance() as qosd:
            begin(qosd, good(UP))
            until("the top of the range", lambda: granted(qosd) == 8000000)
            runs, pid = rules_of(qosd)["runs"], rules_of(qosd)["pid"]
            qosd.write("cam", good(UP.replace("8ms", "7ms")))
            qosd.ctl("reload")
            self.assertGreaterEqual(rules_of(qosd)["runs"], runs)
            self.assertNotEqual(rules_of(qosd)["pid"], pid)
            until("the new rule", lambda: granted(qosd) == 7000000)
            qosd.write("cam", good(UP).replace("placement: user", "placement: kernel"))
            qosd.ctl("reload")
            self.assertIsNone(rules_of(qosd)["pid"])
            until("in the kernel", lambda: granted(qosd) == 8000000)
            qosd.write("cam", good(UP.replace("8ms", "6ms")))
            qosd.ctl("reload")
            until("and back", lambda: granted(qosd) == 6000000)
            self.assertEqual(rules_of(qosd)["breaches"], 0)

    def check_end(self, qosd, how, cause):
        os.kill(rules_of(qosd)["pid"], how)
        until("quarantine", lambda: quarantined(qosd))
        self.assertEqual(rules_of(qosd)["cause"], "its process is gone")
        self.assertIn(cause, words(qosd))
        self.assertEqual(granted(qosd), 4000000)
        self.assertIsNone(rules_of(qosd)["pid"])
        qosd.ctl("readmit", "cam")
        until("they act again", lambda: granted(qosd) == 8000000)

    def test_stopped_or_killed(self):
        with Instance() as qosd:
            begin(qosd, good(UP))
            until("the top of the range", lambda: granted(qosd) == 8000000)
            self.check_end(qosd, signal.SIGKILL, "signal 9 ended it")
            self.check_end(qosd, signal.SIGSTOP, "it does not answer")

    def test_without_the_program(self):
        with Instance() as qosd:
            qosd.sandbox = "/nonexistent"
            begin(qosd, good(UP))
            self.assertEqual(rules_of(qosd)["state"], "not loaded")
            self.assertTrue(any("placement: user" in p["text"] for p in qosd.json("status")["problems"]))


class Hostile(unittest.TestCase):
    """Other code in its place."""

    def test_all_at_once(self):
        with Instance() as qosd:
            qosd.sandbox = HOSTILE
            for mode in (*ENDS, "greedy"):
                name, text = hostile(mode)
                qosd.write(name, text)
            begin(qosd, good(UP))
            for mode, end in ENDS.items():
                with self.subTest(mode):
                    until("quarantine", lambda name=f"bad-{mode}": quarantined(qosd, name), 30)
                    self.assertIn(end, words(qosd, f"bad-{mode}"))
                    self.assertEqual(granted(qosd, f"bad-{mode}"), 200000)
            until("the top of the range", lambda: granted(qosd) == 8000000)
            greedy = rules_of(qosd, "bad-greedy")
            self.assertEqual(greedy["state"], "running")
            self.assertEqual((greedy["refused"]["range"], greedy["refused"]["owner"]), (40, 60))
            self.assertEqual((greedy["set"], greedy["dropped"]), (0, 0))
            cam = rules_of(qosd)
            self.assertEqual((cam["state"], cam["breaches"], cam["dropped"]), ("running", 0, 0))
            self.assertEqual(qosd.json("status")["problems"][0]["text"][:9], "its rules")


main()
