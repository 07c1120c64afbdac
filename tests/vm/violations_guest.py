#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""In the guest of `./dev bench violations`: for each line of stdin ({"arm", "load", "percent", "demand",
"rival": us of each job}) one run, and on stdout the same with what became of it. What stands in violations.py as
PERIOD_US and so on comes along as "plan".

Whoever the module serves is also watched by `controller log`, all arms alike: what was in force for each job.
"""

import contextlib
import json
import os
import subprocess
import sys
import time

# --timeout is what bounds a run; the guest's clock may leap.
os.environ.setdefault("QOS_PATIENCE", "1000")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))
# pylint: disable=wrong-import-position
from contracts import rule  # noqa: E402
from instance import Instance  # noqa: E402
from lab_test import module, until  # noqa: E402

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
WORKLOAD, OBJECT = f"{TOP}/build/violations/workload", f"{TOP}/build/violations/controller.bpf.o"
LONG = 10000
SETTLED_S = 20  # the kernel has then done what it put off at boot, which takes a sixth of the CPU for seconds
CONTROLLER = f"{TOP}/build/tests/controller"
STREAM = {"job": "main", "rival": "other"}  # a controller finds its stream by name
# The slow loop, whose law adapts too, shall not come into it.
CONFIG = "version: 1\nslow-loop: 60s\n"

CONTRACT = """version: 1
contract: {name}
accept: best-effort
match: {{exe: {exe}, cmdline: "{pattern}"}}
cpu:
  name: {stream}
  period: {period_us}us
  runtime: {base_us}us
  window: {x}/{y}
"""


def contract(job, name):
    plan = job["plan"]
    base = plan["base_us"] if name == "job" else plan["rival_us"]
    text = CONTRACT.format(name=name, stream=STREAM[name], exe=os.path.realpath(WORKLOAD), pattern=f".*/{name}.demand",
                           period_us=plan["period_us"], base_us=base, x=plan["x"], y=plan["y"])
    if name == "rival" or job["arm"] == "dwcs":
        return text
    text += f"  range: {{runtime: {plan['lo_us']}us..{plan['hi_us']}us}}\n"
    if job["arm"] in ("kernel", "user"):
        text += f"adapt:\n  placement: {job['arm']}\n  rules:\n"
        text += rule("cpu.job", None, f"cpu.used * {job['percent']}%") + rule("cpu.overrun", None, f"{plan['hi_us']}us")
    return text


class Helpers:
    """Programs that end when their stdin does, and then may say one thing, which is JSON."""

    def __init__(self):
        self.programs = []

    def start(self, *command, ready=False):
        # pylint: disable=consider-using-with
        program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if ready:
            program.stdout.readline()
        self.programs.append(program)
        return program

    def pids(self):
        return [program.pid for program in self.programs]

    def end(self):
        answers = [json.loads(program.communicate()[0] or "null") for program in self.programs]
        self.programs = []
        return answers


def start_job(job, name):
    plan, path = job["plan"], f"/tmp/{name}.demand"
    with open(path, "w", encoding="ascii") as file:
        file.writelines(f"{us}\n" for us in job["demand" if name == "job" else "rival"])
    # pylint: disable=consider-using-with
    program = subprocess.Popen([WORKLOAD, "job", str(plan["period_us"]), str(plan["x"]), str(plan["y"]), path],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    program.stdout.readline()
    return program


def by_hand(job, pid, name):
    """The static policies of the kernel; none: as it comes."""
    plan = job["plan"]
    if job["arm"] == "fifo":
        subprocess.run(["chrt", "-f", "-p", "50", str(pid)], check=True)
    elif job["arm"] == "deadline":
        base = plan["base_us"] if name == "job" else plan["rival_us"]
        period = str(plan["period_us"] * 1000)
        subprocess.run(["chrt", "-d", "-T", str(base * 1000), "-P", period, "-D", period, "-p", "0", str(pid)], check=True)


def is_served(stream, pid):
    return stream["policy"] == "dwcs" and pid in [thread["tid"] for thread in stream["threads"]]


def take(job, programs, qosd):
    """Each arm's own way to get hold of them."""
    for name, program in programs.items():
        if qosd:
            until(lambda name=name: is_served(qosd.stream(name, STREAM[name]), programs[name].pid), "it is the module's", LONG)
        else:
            by_hand(job, program.pid, name)
    if job["arm"] in ("kernel", "user"):
        until(lambda: qosd.json("show", "job")["rules"]["set"] > 0, "its rules act", LONG)


def start_controller(job, helpers):
    plan = job["plan"]
    law = [str(job["percent"]), str(plan["lo_us"]), str(plan["hi_us"])]
    if job["arm"].startswith("poll-"):
        interval_us = int(job["arm"][5:-2]) * 1000
        helpers.start(CONTROLLER, "poll", STREAM["job"], str(interval_us), *law, str(int(job["phase"] * interval_us)), ready=True)
    elif job["arm"] == "event":
        helpers.start(CONTROLLER, "event", STREAM["job"], OBJECT, *law, ready=True)


def measure(job, qosd):
    """From the moment at which everything is in its place to the end of the demand."""
    programs = {name: start_job(job, name) for name in names(job)}
    helpers, hogs, log = Helpers(), Helpers(), Helpers()
    take(job, programs, qosd)
    start_controller(job, helpers)
    if qosd:
        log.start(CONTROLLER, "log", STREAM["job"], OBJECT, ready=True)
    rules = rules_now(qosd)
    for _ in range(job["plan"]["hogs"] if job["load"] == "full" else 0):
        hogs.start(WORKLOAD, "hog")
    for program in programs.values():
        print(*adapting(qosd, rules), *helpers.pids(), 0, *hogs.pids(), file=program.stdin, flush=True)
    job.update(json.loads(programs["job"].stdout.readline()))
    hogs.end()
    helpers.end()
    job["adaptation_ns"] += programs_ns(rules_now(qosd)) - programs_ns(rules)
    job["grants"] = grants(log.end()[0], job) if qosd else []
    if job["arm"] in ("kernel", "user"):
        job["rules"] = qosd.json("show", "job")["rules"]["state"]
    for program in programs.values():
        program.kill()
        program.wait()


def grants(noted, job):
    """What was in force when the demand began, and what came after it: [us since then, us]."""
    times = [[(at - job["first_ns"]) / 1e3, ns / 1e3] for at, ns in noted]
    before = [[0, us] for at, us in times if at <= 0]
    return before[-1:] + [pair for pair in times if pair[0] > 0]


def rules_now(qosd):
    return (qosd.json("show", "job")["rules"] if qosd else None) or {}


def adapting(qosd, rules):
    """The daemon, and the process of rules."""
    return [pid for pid in (qosd and qosd.daemon.pid, rules.get("pid")) if pid]


def programs_ns(rules):
    """CPU time so far of rules in the kernel."""
    return 0 if rules.get("pid") else int(rules.get("runs", 0) * rules.get("ns_a_run", 0))


UNMANAGED = ("none", "fifo", "deadline")


def names(job):
    return ["job", "rival"] if job["rival"] else ["job"]


def reload(qosd):
    """What is read for the first time may take longer than qosctl waits."""
    until(lambda: qosd.ctl("reload", check=False).returncode == 0, "contracts are read", LONG)


def run(job, qosd):
    if not qosd:
        measure(job, None)
        return
    for name in names(job):
        qosd.write(name, contract(job, name))
    reload(qosd)
    measure(job, qosd)
    for name in names(job):
        qosd.remove(name)
    reload(qosd)


def main():
    """Those without a manager first: to load the module and to start the daemon takes longer than to run."""
    jobs, qosd = sorted(map(json.loads, sys.stdin), key=lambda job: job["arm"] not in UNMANAGED), None
    time.sleep(max(0, SETTLED_S - time.monotonic()))
    with contextlib.ExitStack() as stack:
        for job in jobs:
            if job["arm"] not in UNMANAGED and not qosd:
                stack.enter_context(module())
                qosd = stack.enter_context(Instance(CONFIG))
                qosd.start()
            run(job, qosd)
            del job["rival"]
            print(json.dumps(job), flush=True)


main()
