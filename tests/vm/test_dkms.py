# SPDX-License-Identifier: GPL-2.0-only
"""DKMS builds the module where its package is installed, on a system with systemd. As root in the lab:

    ./dev package
    ./dev vm rt --systemd --timeout 3000 -- python3 -B tests/vm/test_dkms.py [DIR]

The compiler takes about ten minutes of an emulated CPU.
"""
import os
import re
import subprocess
import sys
import time

# pylint: disable=missing-function-docstring,wrong-import-position
from lab_test import chosen, expect, run, until  # noqa: E402
import package_world as world  # noqa: E402
from package_world import ctl, dpkg, say, sh  # noqa: E402

DIR = (sys.argv[1:] or ["build/package"])[0]
NAMES = ("qosctl", "qosd", "qos-dwcs-dkms")
story = {}


def built():
    """The versions that DKMS has installed for this kernel."""
    told = sh("dkms", "status", "qos_dwcs")
    say(told.strip())
    return re.findall(rf"qos_dwcs/(.*), {re.escape(os.uname().release)}, x86_64: installed", told)


def test_an_installation_builds_it_and_changes_nothing():
    os.makedirs(world.WHERE)
    world.few_modules("dummy")
    dpkg("--purge", *NAMES)
    story["written"], story["before"] = world.written(), world.Machine()
    files, version = world.packages(DIR, *NAMES)
    began = time.monotonic()
    dpkg("-i", *files)
    say(f"installed in {time.monotonic() - began:.0f} s of this guest")
    expect(built(), [version])
    expect("updates/dkms" in sh("modinfo", "-n", "qos_dwcs"), True)
    expect(story["before"].differences(), [], "differs")


def test_it_loads_and_the_daemon_takes_it():
    sh("modprobe", "qos_dwcs")
    until(lambda: ctl("status")["managers"]["cpu"] == "module", "the module", 120)
    expect(story["before"].differences(), [], "differs")


def test_a_purge_leaves_nothing():
    dpkg("--purge", *NAMES)
    expect(subprocess.run(["modinfo", "qos_dwcs"], check=False, capture_output=True).returncode, 1)
    expect(world.left(story["written"]), [], "left behind")
    expect(story["before"].differences(), [], "differs")


def main():
    return run(chosen(globals()), twice=False, story=True)


if __name__ == "__main__":
    sys.exit(main())
