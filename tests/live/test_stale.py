#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A program from a file system that does not answer any more, as of a dead server, stops no daemon."""

import os
import signal
import subprocess
import sys
import unittest

from contracts import PYTHON, contract
from instance import Instance, main, until

SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stale.py")


class Stale(unittest.TestCase):
    """Whoever looks at its image asks the server, unless he says that old news are good enough."""

    def test_walk(self):
        with Instance() as qosd:
            place = os.path.join(qosd.dir, "place")
            os.mkdir(place)
            server = qosd.run(PYTHON, SERVER, place, "/usr/bin/sleep")
            until("the file system", lambda: os.path.ismount(place) or server.poll())
            if server.poll():
                self.skipTest("no FUSE here")
            program = qosd.run(os.path.join(place, "sleep"), "60")
            qosd.write("cam", contract("cam", top="accept: best-effort\n"))
            qosd.start()
            server.send_signal(signal.SIGSTOP)
            try:
                self.assertEqual(qosd.json("reload")["in_force"], ["cam"])
                self.assertIn("sleep", qosd.ctl("explain", str(program.pid), check=False).stdout)
            finally:
                server.kill()
                subprocess.run(["umount", "-l", place], check=True)


if os.geteuid() == 0 and not os.environ.get("QOS_OWN_MOUNTS"):  # so that nothing stays mounted
    os.environ["QOS_OWN_MOUNTS"] = "1"
    os.execvp("unshare", ["unshare", "-m", sys.executable, *sys.argv])
main()
