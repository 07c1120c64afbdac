#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Every window that the simulator keeps is kept by the qdisc: random sets of streams, whose windows ask for less
than the link has while their packets together ask for more, sent for 3 s each in virtual time on a stock RT
kernel. tests/vm/flows.c has the sets and the simulator.

    ./dev vm rt --virtual-time --shift 3 --timeout 900 -- python3 -B tests/vm/test_flows.py [SETS]
"""
import json
import os
import subprocess
import sys

# pylint: disable=missing-function-docstring
from lab_test import TOP, build_program, load
from qdisc_world import DEV, device, ip
from rtnl import CREATE, Rtnl

PROGRAM = "/tmp/qos-flows"
VARIANTS = 33
BULK_ROOM = 2000  # packets, more than a run takes


def sets():
    """Without end; those that are kept in all variants."""
    seed = 1
    while True:
        said = subprocess.run([PROGRAM, "find", str(seed), str(VARIANTS)], check=True, capture_output=True, text=True)
        chosen = json.loads(said.stdout)
        yield chosen
        seed = chosen["seed"] + 1


def run_set(chosen):
    """The classes' statistics after the run, in the set's order."""
    device("txqueuelen", str(BULK_ROOM))
    try:
        nl = Rtnl()
        nl.qdisc(DEV, flags=CREATE, RATE=chosen["rate"], ORDERING=chosen["ordering"], SHARE=50000)
        for minor, stream in enumerate(chosen["streams"], 1):
            nl.set_class(DEV, minor, **{k: v for k, v in stream.items() if k != "windows"})
        subprocess.run([PROGRAM, "send", str(chosen["seed"]), DEV, "1"], check=True)
        classes = nl.classes(DEV)
        return [classes[minor] for minor in range(1, len(chosen["streams"]) + 1)]
    finally:
        ip("link", "delete", DEV)


def main():
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    broken = windows = lost = requests = 0
    build_program(PROGRAM, "flows.c")
    load()
    for done, chosen in zip(range(1, wanted + 1), sets()):
        got = run_set(chosen)
        windows += sum(c["windows"] for c in got)
        lost += sum(c["lost"] for c in got)
        requests += sum(c["lost"] + c["served"] for c in got)
        if any(c["violations"] or not c["windows"] for c in got):
            print(f"BROKEN  {json.dumps(chosen)}: {[(c['windows'], c['violations']) for c in got]}", flush=True)
            broken += 1
        if done % 10 == 0:
            print(f"        {done} sets, {windows} windows, {lost} of {requests} requests lost (virtual time)", flush=True)
    print(f"{wanted - broken} passed, {broken} failed, 0 skipped")
    return 1 if broken else 0


if __name__ == "__main__":
    os.chdir(TOP)
    sys.exit(main())
