#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""In the guest of `./dev bench violations`: for each line of the file JOBS ({"arm", "load", "percent", "demand",
"rival": us of each job}) one run, in RESULTS the same with what became of it. What stands in violations.py as
PERIOD_US and so on comes along as "plan".
"""

import contextlib
import json
import os
import subprocess
import sys

os.environ.setdefault("QOS_PATIENCE", "20")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))
# pylint: disable=wrong-import-position
from contracts import rule  # noqa: E402
from instance import Instance  # noqa: E402
from lab_test import module, until  # noqa: E402

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
WORKLOAD, OBJECT = f"{TOP}/build/violations/workload", f"{TOP}/build/violations/controller.bpf.o"
CONTROLLER = f"{TOP}/build/tests/controller"
# The slow loop, whose law adapts too, shall not come into it.
CONFIG = "version: 1\nslow-loop: 60s\n"

CONTRACT = """version: 1
contract: {name}
accept: best-effort
match: {{exe: {exe}, cmdline: "{pattern}"}}
cpu:
  period: {period_us}us
  runtime: {base_us}us
  window: {x}/{y}
"""


def contract(job, name):
    plan = job["plan"]
    base = plan["base_us"] if name == "job" else plan["rival_us"]
    text = CONTRACT.format(name=name, exe=os.path.realpath(WORKLOAD), pattern=f".*/{name}.demand", period_us=plan["period_us"],
                           base_us=base, x=plan["x"], y=plan["y"])
    if name == "rival" or job["arm"] == "dwcs":
        return text
    text += f"  range: {{runtime: {plan['lo_us']}us..{plan['hi_us']}us}}\n"
    if job["arm"] in ("kernel", "user"):
        text += f"adapt:\n  placement: {job['arm']}\n  rules:\n"
        text += rule("cpu.job", None, f"cpu.used * {job['percent']}%") + rule("cpu.late", None, f"{plan['hi_us']}us")
    return text


def cpu_ns(pid):
    """All threads of a process."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total


class Helpers:
    """Programs that end when their stdin does, and then say one number."""

    def __init__(self):
        self.programs = []

    def start(self, *command, ready=False):
        # pylint: disable=consider-using-with
        program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if ready:
            program.stdout.readline()
        self.programs.append(program)
        return program

    def end(self):
        answers = [int(program.communicate()[0] or 0) for program in self.programs]
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


def measure(job, qosd):
    """From the moment at which everything is in its place to the end of the demand."""
    plan, names = job["plan"], ["job", "rival"] if job["rival"] else ["job"]
    programs = {name: start_job(job, name) for name in names}
    helpers, hogs = Helpers(), Helpers()
    for name, program in programs.items():
        if qosd:
            until(lambda name=name: qosd.stream(name)["policy"] == "dwcs" and qosd.stream(name)["stats"]["jobs"] > 3,
                  "it is the module's", 120)
        else:
            by_hand(job, program.pid, name)
    if job["arm"] in ("kernel", "user"):
        until(lambda: qosd.json("show", "job")["rules"]["set"] > 0, "its rules act", 120)
    arguments = ["main", None, str(job["percent"]), str(plan["lo_us"]), str(plan["hi_us"])]
    if job["arm"].startswith("poll-"):
        arguments[1] = str(int(job["arm"][5:-2]) * 1000)
        helpers.start(CONTROLLER, "poll", *arguments, ready=True)
    elif job["arm"] == "event":
        arguments[1] = OBJECT
        helpers.start(CONTROLLER, "event", *arguments, ready=True)
    for _ in range(plan["hogs"] if job["load"] == "full" else 0):
        hogs.start(WORKLOAD, "hog")
    before = taken(job, qosd)
    for program in programs.values():
        program.stdin.write("\n")
        program.stdin.flush()
    job.update(json.loads(programs["job"].stdout.readline()))
    if job["arm"] in ("kernel", "user"):
        job["rules"] = qosd.json("show", "job")["rules"]["state"]
    job["adaptation_ns"] = taken(job, qosd) - before + sum(helpers.end())
    job["background_ns"] = sum(hogs.end())
    for program in programs.values():
        program.kill()
        program.wait()


def taken(job, qosd):
    """CPU time of the daemon, of the process of rules, and of rules in the kernel."""
    if not qosd:
        return 0
    ns = cpu_ns(qosd.daemon.pid)
    rules = qosd.json("show", "job")["rules"]
    if rules and rules.get("pid"):
        ns += cpu_ns(rules["pid"])
    elif rules:
        ns += int(rules["runs"] * rules["ns_a_run"])
    return ns


UNMANAGED = ("none", "fifo", "deadline")


def run(job, qosd):
    names = ["job", "rival"] if job["rival"] else ["job"]
    for name in names if qosd else ():
        qosd.write(name, contract(job, name))
    if qosd:
        qosd.ctl("reload")
    measure(job, qosd)
    for name in names if qosd else ():
        qosd.remove(name)
    if qosd:
        qosd.ctl("reload")


def main():
    """Those without a manager first: to load the module and to start the daemon takes longer than to run."""
    with open(sys.argv[1], encoding="utf-8") as file:
        jobs = sorted(map(json.loads, file), key=lambda job: job["arm"] not in UNMANAGED)
    with open(sys.argv[2], "a", encoding="utf-8") as out, contextlib.ExitStack() as stack:
        qosd = None
        for job in jobs:
            if job["arm"] not in UNMANAGED and not qosd:
                stack.enter_context(module())
                qosd = stack.enter_context(Instance(CONFIG))
                qosd.start()
            run(job, qosd)
            del job["demand"], job["rival"]
            print(json.dumps(job), file=out, flush=True)


main()
