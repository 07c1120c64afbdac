#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""In the guest: for each line {"seed", "kills"} of stdin but the first (lab_test.py) so many daemons die beside the module,
which also goes and comes back under load; what was found is printed, a line of JSON each (tests/live/kills.py says what is
judged).
"""
import json
import os
import subprocess
import sys
import time

os.environ.setdefault("QOS_PATIENCE", "2")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))
# pylint: disable=wrong-import-position
from contracts import RANGE  # noqa: E402
from instance import until  # noqa: E402
from kills import Disturbed, Kills, small, texts  # noqa: E402
from lab_test import Netlink, jobs_of_stdin, load  # noqa: E402
from test_net_rules import Guest  # noqa: E402

UNLOADS_ONE_OF = 4


def unload():
    """Refused while a program is attached."""
    return subprocess.run(["rmmod", "qos_dwcs"], check=False, stderr=subprocess.DEVNULL).returncode == 0


class KillsWithModule(Kills):
    """The daemon where the module is known. The load takes what others leave, for the machine is emulated."""

    niceness = 19

    def __init__(self, seed):
        load()
        self.loaded = True
        super().__init__(seed, Guest, ["module"])

    def __exit__(self, *_):
        super().__exit__()
        if self.loaded:
            until("the module can be unloaded", unload)

    def counted(self):
        info = Netlink().get("INFO_GET", "INFO")
        return {**super().counted(), "module": {what: info[what] for what in ("CONTRACTS", "STREAMS", "THREADS")}}

    def load_again(self, rng):
        if not self.loaded:
            time.sleep(rng.uniform(0, 0.2))
            load()
            self.loaded = True

    def more_clients(self):
        return [[self.load_again]]

    def killed_under_load(self):
        if self.loaded and self.random.randrange(UNLOADS_ONE_OF) == 0:
            self.qosd.write("rule", small("rule", RANGE))
            self.qosd.ctl("reload")
            until("the module can be unloaded", unload)
            self.loaded = False
            self.qosd.write("rule", texts()["rule"])
        super().killed_under_load()

    def check_leaks(self, where):
        self.load_again(self.random)
        super().check_leaks(where)


def run(job):
    """The job with what was found."""
    with KillsWithModule(job["seed"]) as kills:
        try:
            kills.run(job["kills"])
        except Disturbed as reason:
            print(reason, file=sys.stderr)
        return {**job, **kills.found()}


def main():
    for job in jobs_of_stdin():
        print(json.dumps(run(job)), flush=True)


main()
