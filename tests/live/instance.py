# SPDX-License-Identifier: GPL-2.0-only
"""A qosd of the test's own: own directories, pins and socket; and the programs that it manages.

Nothing here waits for luck: until() polls a condition up to a deadline and says what it waited for.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = os.environ.get(
    "QOS_BUILD", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build"))
QOSD = os.path.join(BUILD, "daemon/qosd")
SANDBOX = os.path.join(BUILD, "daemon/qosd-sandbox")
PARSER = os.path.join(BUILD, "daemon/qosd-parse")
QOSCTL = os.path.join(BUILD, "cli/qosctl")

SCHED_DEADLINE = 6
PATIENCE = float(os.environ.get("QOS_PATIENCE", "1"))  # an emulated machine takes longer


def until(what, condition, seconds=10.0):
    """The first true value of condition(); fails with `what` after the deadline."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for: {what}")
        time.sleep(0.01)


class Instance:
    """One daemon and its directories; a context manager that leaves nothing behind."""

    def __init__(self, config=""):
        self.dir = tempfile.mkdtemp(prefix="qosd-live-")
        self.contracts = os.path.join(self.dir, "contracts.d")
        self.run_dir = os.path.join(self.dir, "run")
        self.pin_dir = os.path.join(self.dir, "pins")
        self.config = os.path.join(self.dir, "qosd.yaml")
        self.log = os.path.join(self.dir, "log")
        self.sandbox = SANDBOX
        self.parser = PARSER
        self.daemon = None
        self.programs = []
        os.mkdir(self.contracts, 0o755)
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(config or "version: 1\nslow-loop: 500ms\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill_programs()
        self.stop()
        self.ctl("panic", check=False)
        with contextlib.suppress(OSError):
            subprocess.run(["umount", "-q", self.pin_dir], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    @property
    def socket(self):
        return os.path.join(self.run_dir, "private")

    # contracts

    def write(self, name, text):
        """Installs NAME.yaml atomically."""
        path = os.path.join(self.contracts, name + ".yaml")
        with open(path + "~", "w", encoding="utf-8") as out:
            out.write(text)
        os.rename(path + "~", path)

    def remove(self, name):
        os.unlink(os.path.join(self.contracts, name + ".yaml"))

    # the daemon

    def start(self, ready=True, under=()):
        """Starts qosd; with ready, returns when it answers. `under`: a tool and its options that end
        in qosd itself, such as strace -D."""
        with open(self.log, "ab") as log:
            # pylint: disable=consider-using-with
            self.daemon = subprocess.Popen(
                [*under, QOSD, "--config", self.config, "--contracts", self.contracts,
                 "--run-dir", self.run_dir, "--pin-dir", self.pin_dir,
                 "--sandbox", self.sandbox, "--parser", self.parser],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if ready:
            until("qosd answers", self.answers)

    def answers(self):
        if self.daemon.poll() is not None:
            with open(self.log, encoding="utf-8") as log:
                raise AssertionError("qosd ended: " + log.read()[-2000:])
        return self.ctl("status", check=False).returncode == 0

    def stop(self, how=signal.SIGTERM):
        if not self.daemon:
            return
        with contextlib.suppress(ProcessLookupError):
            self.daemon.send_signal(how)
        self.daemon.wait(20)
        self.daemon = None

    def ctl(self, *words, check=True):
        """Runs qosctl against this daemon."""
        pins = ["--pin-dir", self.pin_dir] if "panic" in words else []
        done = subprocess.run([QOSCTL, "--socket", self.socket, "--contracts", self.contracts,
                               "--config", self.config, *pins, *words],
                              capture_output=True, text=True, check=False, timeout=60 * PATIENCE)
        if check and done.returncode:
            raise AssertionError(f"qosctl {' '.join(words)}: {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def json(self, *words, check=True):
        return json.loads(self.ctl("--json", *words, check=check).stdout)

    def has(self, feature):
        """Does this kernel have it, by doctor's word?"""
        known = self.json("doctor", check=False)["features"]
        return any(f["feature"] == feature and f["state"] == "present" for f in known)

    def stream(self, contract, stream="main"):
        """One stream of `show`."""
        for found in self.json("show", contract)["streams"]:
            if found["stream"] == stream:
                return found
        raise AssertionError(f"{contract} has no stream {stream}")

    # programs

    def run(self, *command, **options):
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        # pylint: disable=consider-using-with
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
        self.programs.append(program)
        return program

    def kill_programs(self):
        for program in self.programs:
            with contextlib.suppress(ProcessLookupError):
                program.kill()
            program.wait()
        self.programs = []


def policy(tid):
    """(policy, rt priority, nice, affinity) of a thread, as the kernel has it."""
    with open(f"/proc/{tid}/stat", encoding="utf-8") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[38]), int(fields[37]), int(fields[16]), os.sched_getaffinity(tid))


class CountingResult(unittest.TextTestResult):
    """Counts what passed."""

    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def main():
    """Runs the calling file's tests; the last line has the project's form."""
    if os.geteuid() != 0:
        print("skipped: needs root")
        sys.exit(77)
    program = unittest.main(exit=False, verbosity=2, testRunner=unittest.TextTestRunner(
        stream=sys.stdout, resultclass=CountingResult, verbosity=2))
    result = program.result
    failed = len(result.failures) + len(result.errors)
    print(f"{result.passed} passed, {failed} failed, {len(result.skipped)} skipped")
    sys.exit(1 if failed else 0)
