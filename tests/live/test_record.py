#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""qosctl record on real programs: what it proposes is admitted and kept, and nobody is changed."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import tempfile
import time
import unittest

from contracts import PERIODIC, PYTHON
from instance import QOSCTL, Instance, main, policy, until

CYCLICTEST = ["/usr/bin/cyclictest", "--policy=other", "-t1", "-i10000", "-q", "-D120"]
FFMPEG = ["/usr/bin/ffmpeg", "-v", "error", "-nostdin", "-re", "-f", "lavfi",
          "-i", "testsrc=size=320x240:rate=25", "-filter_threads", "1", "-c:v", "mpeg4",
          "-threads", "1", "-f", "null", "-"]
SECONDS = "8s"
REQUESTS = 150  # served before a contract is judged


def threads_of(pid):
    """Thread -> how it is scheduled, and where."""
    found = {}
    for tid in map(int, os.listdir(f"/proc/{pid}/task")):
        with open(f"/proc/{tid}/cgroup", encoding="utf-8") as cgroup:
            found[tid] = (*policy(tid), cgroup.read())
    return found


def rt_app(directory):
    """A control loop, two threads of a mixer, and one that works and naps by turns."""
    def periodic(run, period, threads=1):
        return {"instance": threads, "phases": {"p": {
            "loop": -1, "run": run, "timer": {"ref": "unique", "period": period, "mode": "relative"}}}}

    path = os.path.join(directory, "set.json")
    with open(path, "w", encoding="utf-8") as out:
        json.dump({"global": {"duration": 120, "calibration": 100, "default_policy": "SCHED_OTHER",
                              "lock_pages": False, "log_size": "Disable", "logdir": directory},
                   "tasks": {"control": periodic(600, 20000), "mixer": periodic(2000, 40000, 2),
                             "batch": {"phases": {"p": {"loop": -1, "run": 400000,
                                                        "sleep": 1000}}}}}, out)
    return ["/usr/bin/rt-app", path]


def record(*words, **options):
    """Runs qosctl record."""
    return subprocess.run([QOSCTL, "record", *map(str, words)], capture_output=True, text=True,
                          check=False, timeout=60, **options)


class Proposed(unittest.TestCase):
    """Recorded, checked, applied under load, kept."""

    def check(self, qosd, command, ready):
        if not os.access(command[0], os.X_OK):
            self.skipTest(f"{command[0]} is not installed")
        program = qosd.run(*command)
        until("it runs", lambda: ready(program.pid))
        path = os.path.join(qosd.dir, "proposed.yaml")
        before = threads_of(program.pid)
        done = record(program.pid, "--for", SECONDS, "-o", path, "--name", "proposed", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        after = threads_of(program.pid)  # some may have ended, or come
        self.assertIn(program.pid, after)
        for tid in before.keys() & after.keys():
            self.assertEqual(after[tid], before[tid])
        with open(path, encoding="utf-8") as source:
            text = source.read()
        document = json.loads(done.stdout)
        self.assertEqual(document["yaml"], text)
        print(text)
        checked = subprocess.run([QOSCTL, "check", "--strict", path], capture_output=True,
                                 text=True, check=False, timeout=60)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.check_kept(qosd, text)
        return document["streams"]

    def check_kept(self, qosd, text):
        for i in range(2):
            qosd.run(PYTHON, PERIODIC, f"load{i}", "20", "1", "spin")
        qosd.write("proposed", text)
        qosd.start()
        until("it is in force", lambda: qosd.json("show", "proposed")["state"] == "in-force")
        until(f"{REQUESTS} requests of each stream", lambda: all(
            stream["stats"]["served"] + stream["stats"]["lost"] >= REQUESTS
            for stream in qosd.json("show", "proposed")["streams"]), 40)
        for stream in qosd.json("show", "proposed")["streams"]:
            self.assertEqual(stream["unmanaged_threads"], 0, stream)
            self.assertEqual(stream["stats"]["violations"], 0, stream)

    def test_cyclictest(self):
        with Instance() as qosd:
            streams = self.check(qosd, CYCLICTEST, lambda pid: len(threads_of(pid)) > 1)
        self.assertEqual([stream["period_ns"] for stream in streams], [10_000_000])
        self.assertEqual(streams[0]["max_threads"], 2)

    def test_ffmpeg(self):
        with Instance() as qosd:
            streams = self.check(qosd, FFMPEG, lambda pid: len(threads_of(pid)) > 1)
        # it looks for its next frame at least a hundred times a second
        self.assertEqual(len(streams), 1)
        self.assertLess(streams[0]["period_ns"], 41e6)

    def test_rt_app(self):
        with Instance() as qosd:
            streams = self.check(qosd, rt_app(qosd.dir), lambda pid: len(threads_of(pid)) > 4)
        self.assertEqual([(stream["stream"], stream["period_ns"], stream["max_threads"])
                          for stream in streams], [("control", 20_000_000, 1), ("mixer", 40_000_000, 2)])


@contextlib.contextmanager
def unit_of(pid):
    """Puts the process where systemd would have a service of it."""
    made = []
    for root in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        if not os.path.exists(os.path.join(root, "cgroup.procs")):
            continue
        for part in ("system.slice", "system.slice/qosd-recorded.service"):
            if not os.path.isdir(os.path.join(root, part)):
                os.mkdir(os.path.join(root, part))
                made.append(os.path.join(root, part))
        with open(os.path.join(root, part, "cgroup.procs"), "w", encoding="utf-8") as out:
            out.write(str(pid))
    try:
        yield "qosd-recorded.service"
    finally:
        os.kill(pid, signal.SIGKILL)
        for path in reversed(made):
            def remove(path=path):
                with contextlib.suppress(OSError):
                    os.rmdir(path)
                return not os.path.exists(path)
            until("an empty group", remove)


class Words(unittest.TestCase):
    """Whom it observes, and what it says when there is nothing to learn."""

    def setUp(self):
        self.programs = []

    def tearDown(self):
        for program in self.programs:
            program.kill()
            program.wait()

    def start(self, *command):
        # pylint: disable=consider-using-with
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.programs.append(program)
        return program

    def start_periodic(self, *words):
        program = self.start(PYTHON, PERIODIC, *words)
        until("it runs", lambda: PERIODIC.encode() in open(f"/proc/{program.pid}/cmdline", "rb").read())
        return program

    def refused(self, words, status, *args):
        done = record(*args)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(words, done.stderr)
        self.assertEqual(done.stdout, "")

    def test_refusals(self):
        gone = self.start("/bin/true")
        gone.wait()
        self.refused("there is none", 1, gone.pid)
        self.refused("is not running", 1, "no-such-unit")
        self.refused("no process id", 64, "99999999999")
        self.refused("process 1 is no contract's", 1, 1)
        self.refused("cannot be observed", 64, os.getpid(), "--for", "10ms")
        self.refused("is no name of a contract", 64, os.getpid(), "--name", "A")
        kernel = next((int(pid) for pid in os.listdir("/proc") if pid.isdigit() and
                       not open(f"/proc/{pid}/cmdline", "rb").read() and is_kernel(pid)), None)
        if kernel:
            self.refused("a thread of the kernel", 1, kernel)

    def test_is_for_root(self):
        with tempfile.TemporaryDirectory() as directory:
            os.chmod(directory, 0o755)
            subprocess.run(["cp", QOSCTL, directory], check=True)
            done = subprocess.run([os.path.join(directory, "qosctl"), "record", str(os.getpid())],
                                  capture_output=True, text=True, check=False, timeout=60,
                                  user="nobody")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("root only", done.stderr)

    def test_nothing_periodic(self):
        sleeper = self.start("/bin/sleep", "60")
        self.refused("): did not run", 1, sleeper.pid, "--for", "1s")
        hog = self.start_periodic("hog", "20", "1", "spin")
        self.refused("hardly slept", 1, hog.pid, "--for", "2s")

    def test_interrupt_ends_it_early(self):
        program = self.start_periodic("short", "20", "2")
        # pylint: disable=consider-using-with
        recorder = subprocess.Popen([QOSCTL, "--json", "record", str(program.pid), "--for", "1h"],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until("it observes", lambda: observes(recorder.pid))
        time.sleep(2)  # of being observed
        recorder.send_signal(signal.SIGINT)
        out, err = recorder.communicate(timeout=20)
        self.assertEqual(recorder.returncode, 0, err)
        document = json.loads(out)
        self.assertLess(document["span_ns"], 20e9)
        self.assertEqual(document["streams"][0]["period_ns"], 20_000_000)
        self.assertIn("too few to rely on", out)

    def test_what_cannot_be_written_is_not_lost(self):
        program = self.start_periodic("kept", "20", "2")
        done = record(program.pid, "--for", "2s", "-o", "/nowhere/x.yaml")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nowhere/x.yaml", done.stderr)
        self.assertIn("\ncpu:\n", done.stdout)

    def test_a_device_stays_one(self):
        program = self.start_periodic("device", "20", "2")
        with tempfile.TemporaryDirectory() as directory:
            null = os.path.join(directory, "null")
            os.mknod(null, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
            self.assertEqual(record(program.pid, "--for", "2s", "-o", null).returncode, 0)
            self.assertTrue(stat.S_ISCHR(os.stat(null).st_mode))

    def test_program_ends(self):
        program = self.start_periodic("ends", "10", "1")
        # pylint: disable=consider-using-with
        recorder = subprocess.Popen([QOSCTL, "record", str(program.pid), "--for", "1h"],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until("it observes", lambda: observes(recorder.pid))
        time.sleep(1)
        program.kill()
        program.wait()
        out, _ = recorder.communicate(timeout=20)
        self.assertIn("ended before the time was over", out)

    def test_a_script_is_told_by_its_arguments(self):
        program = self.start_periodic("told.by", "20", "2")
        done = record(program.pid, "--for", "2s")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("periodic\\\\.py told\\\\.by 20 2", done.stdout)

    def test_unit(self):
        program = self.start_periodic("unit", "20", "2")
        with unit_of(program.pid) as unit:
            by_name = record(unit.removesuffix(".service"), "--for", "2s")
            by_pid = record(program.pid, "--for", "2s")
            self.assertNotIn("has other processes", by_pid.stdout)
            with unit_of(self.start("/bin/sleep", "60").pid):
                self.assertIn("has other processes", record(program.pid, "--for", "2s").stdout)
        for done in (by_name, by_pid):
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"match:\n  unit: {unit}\ncpu:\n", done.stdout)
            self.assertIn("contract: qosd-recorded\n", done.stdout)


def is_kernel(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        return int(stat.read().rpartition(")")[2].split()[6]) & 0x200000


def observes(pid):
    """Its programs are hooked; it waits for signals since before that."""
    with contextlib.suppress(OSError):
        return any("bpf_link" in os.readlink(f"/proc/{pid}/fd/{fd}")
                   for fd in os.listdir(f"/proc/{pid}/fd"))
    return False


if __name__ == "__main__":
    main()
