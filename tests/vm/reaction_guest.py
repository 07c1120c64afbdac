#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""In the guest: for each line {"arm": "kernel|user|slow", "load": bool, "steps": N} of the file JOBS how long
reactions took, in RESULTS: "ns", a list, and "steps", how many there were to react to.

A program's demand goes from 2 ms to 6 ms of 20 and back every so many jobs. Its contract is under the module;
its rule (kernel, user: where it runs), or the default law (slow), has its runtime follow.
"""

import json
import os
import subprocess
import sys
import time

os.environ.setdefault("QOS_PATIENCE", "20")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))
# pylint: disable=wrong-import-position
from contracts import rule  # noqa: E402
from instance import Instance  # noqa: E402
from lab_test import module, until  # noqa: E402

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PROGRAM, OBJECT = f"{TOP}/build/reaction/reaction", f"{TOP}/build/reaction/reaction.bpf.o"
PERIOD_US, LOW_US, HIGH_US = 20000, 2000, 6000
JOBS = {"kernel": 8, "user": 8, "slow": 900}  # a demand stays for so many: the slow loop gives back in steps

CONTRACT = """version: 1
contract: steps
accept: best-effort
match:
  - exe: {program}
    user: root
cpu:
  period: 20ms
  runtime: 4ms
  window: 1/10
  range: {{runtime: 2ms..12ms}}
"""


def contract(arm):
    text = CONTRACT.format(program=os.path.realpath(PROGRAM))
    if arm == "slow":
        return text
    return text + f"adapt:\n  placement: {arm}\n  rules:\n" + rule("cpu.job", None, "cpu.used * 115%")


def hogs(load):
    # pylint: disable=consider-using-with
    return [subprocess.Popen(["python3", "-c", "while True: pass"]) for _ in range(2 if load else 0)]


def stop(programs):
    for program in programs:
        program.kill()
        program.wait()


def measure(job, qosd):
    command = [PROGRAM, "step", *map(str, (PERIOD_US, LOW_US, HIGH_US, JOBS[job["arm"]]))]
    qosd.write("steps", contract(job["arm"]))
    qosd.start()
    qosd.run(*command)
    until(lambda: qosd.stream("steps")["policy"] == "dwcs" and qosd.stream("steps")["stats"]["jobs"] > 3,
          "it is the module's", 120)
    others = hogs(job["load"])
    with subprocess.Popen([PROGRAM, "watch", OBJECT], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as watch:
        watch.stdout.readline()
        job["ns"], steps = [], 0
        end = time.monotonic() + 3 * job["steps"] * 2 * JOBS[job["arm"]] * PERIOD_US / 1e6
        while len(job["ns"]) < job["steps"] and time.monotonic() < end:
            time.sleep(1)
            watch.stdin.write("\n")
            watch.stdin.flush()
            got = list(map(int, watch.stdout.readline().split()))
            steps += got[0]
            job["ns"] += got[1:]
        job["steps"] = steps
        watch.stdin.close()
    stop(others)
    shown = qosd.json("show", "steps")
    job["rules"] = shown["rules"]


def main():
    jobs, results = sys.argv[1:]
    with open(jobs, encoding="utf-8") as lines, open(results, "a", encoding="utf-8") as out:
        for job in map(json.loads, lines):
            with module(), Instance("version: 1\n") as qosd:
                measure(job, qosd)
            print(json.dumps(job), file=out, flush=True)


main()
