#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The unit: systemd's own judgement of it, and the daemon at work with the rights that it leaves.

The score is that of `systemd-analyze security`, 0 to 10, printed. What processes of rules (placement: user)
take besides (seven kinds of namespaces, two capabilities, chroot) is permitted by a drop-in, processes.conf.
"""

import os
import re
import subprocess
import tempfile
import unittest

from contracts import PERIODIC, PYTHON, rule, with_rules
from instance import BUILD, QOSCTL, QOSD, Instance, main, until

HERE = os.path.dirname(os.path.abspath(__file__))
UNITS = os.path.join(BUILD, "packaging")
DROP_IN = os.path.join(HERE, "../../packaging/systemd/processes.conf")
WORST, WORST_WITH_PROCESSES, WORST_UNDO, WORST_BUS = 3.0, 4.0, 3.0, 0.5


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def unit(name, drop_in=""):
    """With the programs that were built, where a program's place matters."""
    text = text_of(os.path.join(UNITS, name))
    text = re.sub(r"=/\S+/(qosd|qosd-bus)$", lambda found: "=" + os.path.join(os.path.abspath(
        os.path.dirname(QOSD)), found[1]), text, flags=re.M)
    return re.sub(r"=/\S+/qosctl ", f"={os.path.abspath(QOSCTL)} ", text) + drop_in


def analyze(verb, name, text):
    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return subprocess.run(["systemd-analyze", *verb, path], capture_output=True, text=True, check=False)


def score(name, text):
    out = analyze(("security", "--offline=yes", "--no-pager"), name, text).stdout
    line = out.strip().split("\n")[-1]
    found = float(re.search(r"exposure level for \S+: ([0-9.]+)", line).group(1))
    print(f"\nsystemd-analyze security: {name} {found}", end=" ")
    return found


def bounds(text):
    """CapabilityBoundingSet= as setpriv has it."""
    have = set()
    for line in re.findall(r"^CapabilityBoundingSet=(.*)", text, flags=re.M):
        names = {name[4:].lower() for name in line.lstrip("~").split()}
        have = have - names if line.startswith("~") else have | names
    return "-all," + ",".join("+" + name for name in sorted(have))


class Unit(unittest.TestCase):
    """The unit files, and what they take from the daemon."""

    def test_verify(self):
        for name in ("qosd.service", "qosd-undo.service", "qosd-bus.service"):
            done = analyze(("verify", "--man=no"), name, unit(name))
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_calls(self):
        """What our programs call that is easily missing from the sets of systemd."""
        text = unit("qosd.service", "\n" + text_of(DROP_IN))
        words = " ".join(re.findall(r"^SystemCallFilter=(.*)", text, flags=re.M)).split()
        allowed = set()
        while words:
            word = words.pop()
            allowed.add(word)
            if word.startswith("@"):
                out = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True,
                                     check=True).stdout
                words += [w for w in out.split()[1:] if w not in allowed and re.fullmatch("@?[a-z0-9_-]+", w)]
        needed = {"bpf", "perf_event_open", "chroot", "seccomp", "capset", "setgroups", "setresuid", "close_range",
                  "pidfd_open", "prctl", "clone", "vfork", "execve", "sched_setattr", "mlockall"}
        self.assertEqual(needed - allowed, set())

    def test_score(self):
        self.assertLessEqual(score("qosd.service", unit("qosd.service")), WORST)
        more = unit("qosd.service", "\n" + text_of(DROP_IN))
        self.assertLessEqual(score("qosd.service", more), WORST_WITH_PROCESSES)
        self.assertLessEqual(score("qosd-undo.service", unit("qosd-undo.service")), WORST_UNDO)
        self.assertLessEqual(score("qosd-bus.service", unit("qosd-bus.service")), WORST_BUS)

    def under(self, text):
        """A daemon that has these capabilities at most. SYS_ADMIN is not among them, so the bpf file
        system is there before, as on a machine with systemd."""
        qosd = Instance()
        mount = os.path.join(qosd.dir, "bpf")
        os.mkdir(mount)
        subprocess.run(["mount", "-t", "bpf", "test", mount], check=True)
        self.addCleanup(subprocess.run, ["rm", "-rf", qosd.dir], check=True)
        self.addCleanup(subprocess.run, ["umount", mount], check=True)
        self.addCleanup(qosd.__exit__)
        qosd.pin_dir = os.path.join(mount, "qosd")
        for name, placement in (("kernel", "kernel"), ("process", "user")):
            up = rule("cpu.job", "ewma(cpu.used, 1/8) > 1us", "min(cpu.runtime + 1ms, 8ms)")
            qosd.write(name, with_rules(up, name=name, placement=placement))
        qosd.start(under=("setpriv", "--bounding-set", bounds(text), "--inh-caps=-all", "--no-new-privs"))
        for name in ("kernel", "process"):
            qosd.run(PYTHON, PERIODIC, name, "20", "1")
        return qosd

    def check_kernel(self, qosd):
        until("rules in the kernel", lambda: qosd.stream("kernel")["runtime"]["granted_ns"] == 8000000, 30)
        until("jobs", lambda: qosd.stream("process")["stats"]["jobs"] > 3, 30)
        qosd.ctl("adjust", "kernel", "cpu.runtime=5ms")
        qosd.ctl("reload")

    def test_with_processes(self):
        qosd = self.under(unit("qosd.service", "\n" + text_of(DROP_IN)))
        self.check_kernel(qosd)
        until("rules in a process", lambda: qosd.stream("process")["runtime"]["granted_ns"] == 8000000, 30)
        told = text_of(qosd.log) + qosd.ctl("status").stdout
        self.assertNotRegex(told, "not permitted|Permission denied")

    def test_capabilities(self):
        qosd = self.under(unit("qosd.service"))
        self.check_kernel(qosd)
        rules = qosd.json("show", "process")["rules"]
        self.assertEqual(rules["state"], "failed", rules)


main()
