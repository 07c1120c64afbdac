#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Texts are read by a process that has nothing (qosd-parse); whatever becomes of it, or stands in its place,
costs the file that it was asked about, and nothing else."""

import os
import re
import signal
import subprocess
import unittest

from contracts import contract, rule, start_program, with_rules
from instance import BUILD, QOSD, Instance, main, until

SLOW = "version: 1\nslow-loop: 60s\n"  # it rests with the next turn
LIAR = os.path.join(BUILD, "tests/liar")
UP = rule("cpu.job", "cpu.used > 1us", "min(cpu.runtime + 1ms, 8ms)")
CALLS = ("read", "write", "openat", "socket", "clone", "execve", "ptrace", "code", "file", "mprotect", "kill", "bpf",
         "sendmsg", "recvmsg", "prctl", "setuid", "ioctl", "dup", "nanosleep")
SENSE = "makes no sense"
ENDS = {  # hush, pause and the like are calls that are not on the list
    "twins": SENSE, "control": SENSE, "mute": SENSE, "garbage": SENSE, "crowd": SENSE, "deep": SENSE,
    "announce": SENSE, "half": "exit code 7", "hang-up": "may not make", "silent": "may not make",
    "crash": "signal 4", **{f"call-{name}": "may not make" for name in CALLS},
}


def ruled(up=UP, name="cam"):
    """So little that it is admitted beside whatever else runs on this machine."""
    return with_rules(up, name=name, period="200ms")


def watched(name, top=""):
    """Takes nothing."""
    return contract(name, "  manage: observe\n", top=top)


def hostile(mode, name="bad", make=watched):
    """A good contract, but for what the liar makes of it."""
    text = make(name=name)
    return re.sub(r"^match:", f"description: hostile {mode}\nmatch:", text, count=1, flags=re.M)


def parsers(qosd):
    """Its children of that name."""
    found = subprocess.run(["pgrep", "-P", str(qosd.daemon.pid), "-x", "qosd-parse|liar"],
                           stdout=subprocess.PIPE, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return dict(line.rstrip("\n").split(":\t", 1) for line in lines if ":\t" in line)


def mistakes(qosd, name="bad"):
    return " | ".join(d["text"] for d in qosd.json("show", name)["diagnostics"])


def state(qosd, name):
    return qosd.json("show", name)["state"]


class Honest(unittest.TestCase):
    """The real one."""

    def test_daemon_cannot_parse(self):
        """Neither libyaml nor a pass of the compiler is in it."""
        names = subprocess.run(["nm", QOSD], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.assertIn("qos_front_take_doc", names)
        self.assertNotRegex(names, "yaml_|qos_doc_parse|qos_compile|qos_rule_lex|qos_rule_parse|qos_regalloc")
        needed = subprocess.run(["readelf", "-d", QOSD], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.assertNotIn("libyaml", needed)

    def test_has_nothing(self):
        with Instance(SLOW) as qosd:
            qosd.write("cam", ruled())
            qosd.start()
            pid, = parsers(qosd)
            was = status(pid)
            self.assertEqual(was["Seccomp"], "2")
            self.assertEqual(was["NoNewPrivs"], "1")
            for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
                self.assertEqual(int(was[kind], 16), 0, kind)
            self.assertEqual(was["Uid"].split(), ["2147399999", "2147399999", "0", "2147399999"])
            self.assertEqual(set(was["Gid"].split()), {"2147399999"})
            self.assertEqual(was["Groups"].strip(), "")
            self.assertEqual(os.listdir(f"/proc/{pid}/fd"), ["0"])
            self.assertLess(int(was["VmHWM"].split()[0]), 8192)
            self.assertEqual(os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK,
                             os.sched_getscheduler(qosd.daemon.pid) & ~os.SCHED_RESET_ON_FORK)

    def test_goes_when_idle(self):
        with Instance() as qosd:
            qosd.start()
            for _ in range(3):
                qosd.write("cam", ruled())
                qosd.ctl("reload")
                until("no parser is left", lambda: not parsers(qosd))
            self.assertEqual(state(qosd, "cam"), "in-force")

    def test_goes_with_a_killed_daemon(self):
        with Instance(SLOW) as qosd:
            qosd.write("cam", watched("cam"))
            qosd.start()
            pid, = parsers(qosd)
            qosd.stop(signal.SIGKILL)
            until("it is gone", lambda: not os.path.exists(f"/proc/{pid}"))

    def test_killed_between(self):
        """It is started anew for the next question."""
        with Instance(SLOW) as qosd:
            qosd.write("cam", ruled())
            qosd.start()
            for pid in parsers(qosd):
                os.kill(pid, signal.SIGKILL)
            qosd.write("two", watched("two"))
            qosd.ctl("reload")
            self.assertEqual(state(qosd, "cam"), "in-force")
            self.assertEqual(state(qosd, "two"), "in-force")

    def test_killed_again_and_again(self):
        """At any moment of reloads: what is in force stays, and a reload in peace makes all good."""
        with Instance() as qosd:
            qosd.write("cam", ruled())
            qosd.start()
            program = start_program(qosd, "cam", 200, 1)
            until("jobs", lambda: qosd.stream("cam")["stats"]["jobs"] > 3)
            killer = subprocess.Popen(  # pylint: disable=consider-using-with
                ["sh", "-c", f"while :; do pkill -KILL -P {qosd.daemon.pid} -x qosd-parse; done"])
            try:
                for i in range(30):
                    qosd.write("cam", ruled(UP.replace("8ms", f"{5 + i % 3}ms")))
                    qosd.ctl("reload", check=False)
                    self.assertEqual(state(qosd, "cam"), "in-force")
            finally:
                killer.kill()
                killer.wait()
            qosd.ctl("reload")
            self.assertEqual(mistakes(qosd, "cam"), "")
            self.assertEqual(qosd.json("show", "cam")["rules"]["state"], "running")
            self.assertIsNone(program.poll())
            fds = len(os.listdir(f"/proc/{qosd.daemon.pid}/fd"))
            for _ in range(20):
                qosd.ctl("reload")
            self.assertLessEqual(len(os.listdir(f"/proc/{qosd.daemon.pid}/fd")), fds + 2)

    def test_not_installed(self):
        with Instance() as qosd:
            qosd.parser = os.path.join(qosd.dir, "parser")
            os.symlink(os.path.join(BUILD, "daemon/qosd-parse"), qosd.parser)
            qosd.start()
            os.unlink(qosd.parser)
            qosd.write("cam", watched("cam"))
            qosd.ctl("reload", check=False)
            self.assertIn("cannot be started: No such file", mistakes(qosd, "cam.yaml"))

    def test_settings_too(self):
        with Instance() as qosd:
            for parser, code in (os.path.join(BUILD, "daemon/qosd-parse"), 0), ("/no/such/parser", 1):
                done = subprocess.run([QOSD, "--check-config", "--config", qosd.config, "--parser", parser],
                                      stderr=subprocess.PIPE, text=True, check=False)
                self.assertEqual(done.returncode, code, done.stderr)


class Liar(unittest.TestCase):
    """A parser that was taken over."""

    def test_all_of_them(self):
        with Instance() as qosd:
            qosd.parser = LIAR
            qosd.write("good", watched("good"))
            qosd.write("bad", watched("bad"))
            qosd.start()
            self.assertEqual(state(qosd, "bad"), "in-force")
            for mode, words in ENDS.items():
                with self.subTest(mode):
                    qosd.write("bad", hostile(mode))
                    qosd.ctl("reload", check=False)
                    self.assertIn(words, mistakes(qosd))
                    self.assertEqual(state(qosd, "bad"), "in-force")
                    self.assertEqual(mistakes(qosd, "good"), "")
            qosd.write("bad", watched("bad", "importance: 7\n"))
            qosd.ctl("reload")
            self.assertEqual(mistakes(qosd), "")

    def test_endless(self):
        """It costs its time once, not for each file, and the daemon answers after that."""
        with Instance() as qosd:
            qosd.parser = LIAR
            qosd.start()
            for i in range(20):
                qosd.write(f"bad{i}", hostile("spin", f"bad{i}"))
            qosd.ctl("reload", check=False)
            words = [mistakes(qosd, f"bad{i}.yaml") for i in range(20)]
            self.assertRegex(words[0], "signal 9|took too long")
            self.assertIn("for files before", words[-1])
            self.assertTrue(qosd.answers())

    def test_programs_that_none_wrote(self):
        for mode, words in ("event", SENSE), ("helper", "not"):
            with self.subTest(mode), Instance() as qosd:
                qosd.parser = LIAR
                qosd.write("bad", hostile(mode, make=lambda name: ruled(name=name)))
                qosd.start()
                until("rules are refused", lambda q=qosd: "rules are not in force" in " | ".join(
                    e["text"] for e in q.json("events", "bad")["events"]))
                self.assertIn(words, " | ".join(e["text"] for e in qosd.json("events", "bad")["events"]))
                self.assertEqual(state(qosd, "bad"), "in-force")


if __name__ == "__main__":
    main()
