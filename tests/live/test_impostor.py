#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Somebody without privilege who pretends to be the contracted program gets nothing, and takes
nothing from the real one: not by name, not by a copy of the binary, not by a mount namespace."""

import os
import shutil
import subprocess
import unittest

from contracts import PERIODIC, PYTHON
from instance import SCHED_DEADLINE, Instance, main, policy, until

AS_NOBODY = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]

CONTRACT = f"""version: 1
contract: real
match:
  - exe: {PYTHON}
    cmdline: .*periodic.py real .*
cpu:
  period: 20ms
  runtime: 4ms
  window: 1/10
  max-threads: 1
"""


class Impostor(unittest.TestCase):
    """Each is tried before the real one starts, and must not have used up max-threads."""

    def check(self, *command):
        with Instance() as qosd:
            os.chmod(qosd.dir, 0o755)
            copy = os.path.join(qosd.dir, "python3")
            shutil.copy2(os.path.realpath(PYTHON), copy)
            script = os.path.join(qosd.dir, "periodic.py")
            shutil.copy2(PERIODIC, script)
            qosd.write("real", CONTRACT)
            qosd.start()
            words = [w.format(copy=copy, script=script) for w in command]
            impostor = qosd.run(*AS_NOBODY, *words)
            until("the impostor runs", lambda: self.looks_real(impostor.pid))
            real = qosd.run(PYTHON, PERIODIC, "real", "20", "1")
            until("the real one is ruled", lambda: policy(real.pid)[0] == SCHED_DEADLINE)
            self.assertEqual(policy(impostor.pid)[0], os.SCHED_OTHER)
            tids = [t["tid"] for t in qosd.stream("real")["threads"]]
            self.assertEqual(tids, [real.pid])

    @staticmethod
    def looks_real(pid):
        with open(f"/proc/{pid}/cmdline", "rb") as cmdline:
            words = cmdline.read().split(b"\0")
        return b"real" in words and b"setpriv" not in words[0]

    def test_copied_binary(self):
        self.check("{copy}", "{script}", "real", "20", "1")

    def test_name(self):
        self.check("/bin/bash", "-c", "exec -a python3 {copy} {script} real 20 1")

    def test_private_mount_namespace(self):
        probe = subprocess.run(AS_NOBODY + ["unshare", "-rm", "true"], check=False,
                               capture_output=True)
        if probe.returncode:
            self.skipTest("user namespaces are closed here: " + probe.stderr.decode())
        self.check("unshare", "-rm", "/bin/sh", "-c",
                   "mount --bind {copy} " + os.path.realpath(PYTHON) +
                   f" && exec {PYTHON} {{script}} real 20 1")


main()
