#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""qosctl compile, up to the verifier of this kernel; needs no daemon."""

import os
import subprocess
import tempfile
import unittest

from instance import QOSCTL, main

CAMERA = os.path.join(os.path.dirname(__file__), "../golden/compile/camera.yaml")


def compile_rules(*args):
    """Runs qosctl compile and returns what it said."""
    return subprocess.run([QOSCTL, "compile", *args], capture_output=True, text=True, check=False,
                          timeout=60)


class Compile(unittest.TestCase):
    """The stage that a golden file cannot hold: every kernel words it differently."""

    def test_verifier(self):
        done = compile_rules("--stage=verifier", CAMERA)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count(": accepted\n"), 3)
        self.assertIn("processed ", done.stdout)

    def test_verifier_is_for_root(self):
        with tempfile.TemporaryDirectory() as directory:
            os.chmod(directory, 0o755)
            for source in (CAMERA, QOSCTL):
                subprocess.run(["cp", source, directory], check=True)
            done = subprocess.run(
                [os.path.join(directory, "qosctl"), "compile", "--stage", "verifier",
                 os.path.join(directory, "camera.yaml")],
                capture_output=True, text=True, check=False, timeout=60, user="nobody")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("for root only", done.stderr)

    def test_by_name(self):
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run(["cp", CAMERA, os.path.join(directory, "other.yaml")], check=True)
            done = compile_rules("--contracts", directory, "camera", "--stage=tree")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("emit camera-degraded", done.stdout)


if __name__ == "__main__":
    main()
