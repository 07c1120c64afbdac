#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""In the guest of `./dev bench qdisc`: JOBS RESULTS, a line of JSON each: {"qdisc": kind, "classes": n,
"packets": n} to the same with "ns", the time of a packet from the program's send() into the device.
"""
import json
import subprocess
import sys

# pylint: disable=missing-function-docstring
from lab_test import MS, build_program, load
from qdisc_world import DEV, device, ip
from rtnl import Rtnl

PROGRAM, MAJOR = "/tmp/qos-packets", 0x10
ARGUMENTS = {"prio": ["bands", "3"], "htb": ["default", "1"]}


def make_classes(kind, count):
    if kind == "dwcs":
        nl = Rtnl()
        for minor in range(1, count + 1):
            nl.set_class(DEV, minor, MAJOR, PACKET=1500, PERIOD=MS, Y=10, X=1)
    elif kind == "htb":
        lines = "".join(f"class add dev {DEV} parent {MAJOR:x}: classid {MAJOR:x}:{minor:x} htb rate 10gbit quantum 1514\n"
                        for minor in range(1, count + 1))
        subprocess.run(["tc", "-batch", "-"], input=lines, text=True, check=True)


def measure(job):
    kind, count = job["qdisc"], job["classes"]
    device()
    try:
        ip("address", "add", "192.0.2.1/24", "dev", DEV)
        if kind != "noqueue":
            subprocess.run(["tc", "qdisc", "replace", "dev", DEV, "root", "handle", f"{MAJOR:x}:", kind,
                            *ARGUMENTS.get(kind, [])], check=True)
        make_classes(kind, count)
        done = subprocess.run([PROGRAM, "192.0.2.9", str(MAJOR), str(count), str(job["packets"])], check=True,
                              capture_output=True, text=True)
        return float(done.stdout)
    finally:
        ip("link", "delete", DEV)


def main():
    build_program(PROGRAM, "packets.c")
    load()
    with open(sys.argv[1], encoding="utf-8") as jobs, open(sys.argv[2], "w", encoding="utf-8") as results:
        for line in jobs:
            job = json.loads(line)
            print(json.dumps({**job, "ns": measure(job)}), file=results, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
