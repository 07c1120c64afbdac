#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""qosctl panic by the pinned records: never behind a daemon that lives; two daemons, one record."""

import os
import signal
import subprocess
import time
import unittest

from contracts import PERIODIC, PYTHON, contract
from instance import PATIENCE, QOSCTL, QOSD, SCHED_DEADLINE, Instance, main, policy, until


def panic(qosd, socket, pins):
    """panic that no daemon can answer on this socket."""
    return subprocess.run([QOSCTL, "--socket", socket, "--pin-dir", pins, "panic"],
                          capture_output=True, text=True, check=False, timeout=60)


class Panic(unittest.TestCase):
    """Who may write the records, and when."""

    def managed(self, qosd):
        qosd.write("one", contract("one"))
        qosd.start()
        program = qosd.run(PYTHON, PERIODIC, "one", "20", "1")
        until("deadline policy", lambda: policy(program.pid)[0] == SCHED_DEADLINE)
        return program

    def test_not_behind_a_daemon(self):
        with Instance() as qosd:
            program = self.managed(qosd)
            beside = os.path.join(qosd.run_dir, "nobody")
            elsewhere = os.path.join(qosd.dir, "nobody")
            for socket, pins in ((beside, os.path.join(qosd.dir, "none")),
                                 (elsewhere, qosd.pin_dir)):
                done = panic(qosd, socket, pins)
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                self.assertIn("qosd lives", done.stderr)
                self.assertIn("hint:", done.stderr)
            self.assertEqual(policy(program.pid)[0], SCHED_DEADLINE)
            qosd.stop(signal.SIGKILL)
            done = panic(qosd, beside, qosd.pin_dir)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(policy(program.pid)[0], os.SCHED_OTHER)

    def test_daemon_that_stands_still(self):
        """The kernel takes the connection for it: who asks waits five seconds, and learns why."""
        with Instance() as qosd:
            program = self.managed(qosd)
            qosd.daemon.send_signal(signal.SIGSTOP)
            try:
                for words in (["status"], ["events", "--follow"], ["panic"]):
                    began = time.monotonic()
                    done = qosd.ctl(*words, check=False)
                    self.assertLess(time.monotonic() - began, 20 * PATIENCE, words)
                    self.assertEqual(done.returncode, 1, words)
                    self.assertIn("qosd did not answer within 5 s", done.stderr)
                self.assertIn("qosd lives but does not answer", done.stderr)
                self.assertEqual(policy(program.pid)[0], SCHED_DEADLINE)
            finally:
                qosd.daemon.send_signal(signal.SIGCONT)

    def test_second_daemon_with_the_same_pins(self):
        with Instance() as qosd, Instance() as other:
            program = self.managed(qosd)
            other.run(QOSD, "--config", other.config, "--contracts", other.contracts,
                      "--run-dir", other.run_dir, "--pin-dir", qosd.pin_dir)
            until("the second one answers",
                  lambda: other.ctl("status", check=False).returncode != 3
                  or other.programs[0].poll() is not None)
            self.assertEqual(policy(program.pid)[0], SCHED_DEADLINE)
            other.programs[0].terminate()
            other.programs[0].wait(20)
            self.assertEqual(policy(program.pid)[0], SCHED_DEADLINE)
            self.assertTrue(os.path.ismount(qosd.pin_dir))


main()
