# SPDX-License-Identifier: GPL-2.0-only
"""What the demo runs: real programs, their contracts, and how much work a job is.

Everything is sized by the number of CPUs. Work is rt-app's `run` event, which counts loops: a job
that is preempted still has all of its work to do. How long a loop takes is measured once, with
every CPU busy, since processors are faster alone.
"""

import dataclasses
import json
import os
import re
import resource
import statistics
import subprocess

RT_APP = "/usr/bin/rt-app"
CYCLICTEST = "/usr/bin/cyclictest"
STRESS_PER_CPU = 8
NS_PER_LOOP = 10  # told to rt-app instead of its own calibration, which takes 13 s


@dataclasses.dataclass(frozen=True)
class Program:
    """One program under one contract with one stream. Times in microseconds."""

    name: str
    about: str
    importance: int
    period: int
    runtime: int
    phases: tuple  # (seconds, CPU time of a job); the last one goes on
    threads: int = 1
    window: str = "1/10"
    highest: int = 0  # upper end of `range`; 0: no range

    def contract(self, directory):
        """Its contract, as an administrator would write it."""
        match = re.escape(os.path.join(directory, self.name + ".json")).replace("\\-", "-")
        lines = [
            "version: 1", f"contract: {self.name}", f"description: {self.about}",
            f"importance: {self.importance}",
            "match:", f"  - exe: {self.exe}", "    user: root", f"    cmdline: .*{match}.*",
            "cpu:", "  - name: loop", *self.glob(), f"    max-threads: {self.threads}",
            f"    period: {self.period}us", f"    runtime: {self.runtime}us",
            f"    window: {self.window}"]
        if self.highest:
            lines.append(f"    range: {{runtime: {self.runtime // 2}us..{self.highest}us}}")
        return "\n".join(lines) + "\n"

    exe = RT_APP

    def glob(self):
        return [f'    threads: ["{self.name}*"]']

    def command(self, directory, speed):
        """Writes what the program reads; returns its argument vector."""
        path = os.path.join(directory, self.name + ".json")
        phases = {f"phase{i}": self.phase(*phase, speed) for i, phase in enumerate(self.phases)}
        phases[f"phase{len(self.phases) - 1}"]["loop"] = -1
        write_taskset(path, {self.name: {"instance": self.threads, "loop": 1, "phases": phases}})
        return [self.exe, path]

    def phase(self, seconds, job, speed):
        """A job that takes longer than the period ends in a nap, as a program does that skips the
        periods it is too late for. The nap is short: the CPUs are asked for more than they have also
        where work takes only two thirds of what was measured before."""
        if job >= self.period:
            return {"loop": -1, "run": round(job * speed), "sleep": self.period // 16}
        return {"loop": max(1, int(seconds * 1e6 / self.period)), "run": round(job * speed),
                "timer": {"ref": "unique", "period": self.period, "mode": "relative"}}


class Cyclictest(Program):
    """Its main thread naps beside the measuring one and cannot be told apart, so both count."""

    exe = CYCLICTEST

    def glob(self):
        return []

    def command(self, directory, speed):
        return [self.exe, "--policy=other", "-t1", f"-i{self.period}", "-q",
                "--json=" + os.path.join(directory, self.name + ".json")]


def write_taskset(path, tasks, seconds=-1):
    """rt-app's input; without logs, beside which it would write into the directory anyway."""
    settings = {"duration": seconds, "calibration": NS_PER_LOOP, "default_policy": "SCHED_OTHER",
                "lock_pages": False, "log_size": "Disable", "logdir": os.path.dirname(path)}
    with open(path, "w", encoding="utf-8") as out:
        json.dump({"global": settings, "tasks": tasks}, out)


def calibrate(directory, cpus):
    """rt-app's microseconds in one of CPU time, with all CPUs busy: the median of some runs."""
    path = os.path.join(directory, "calibrate.json")
    told = 100000
    write_taskset(path, {"loop": {"instance": cpus, "loop": 1, "phases": {
        "work": {"loop": 1, "run": told}}}}, 1)
    speeds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([RT_APP, path], check=True, timeout=20, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        speeds.append(told * cpus / (used * 1e6))
    return statistics.median(speeds)


def sized(cpus):
    """(threads of a stream, share of the work): two CPUs have one of each, one CPU half as much."""
    return max(1, min(cpus // 2, 64)), min(1.0, cpus / 2)


def first_programs(cpus, seconds):
    """The three arms' programs; the camera's scenes get heavier after a third of the time. They fit
    a virtual machine too, where admission charges up to a millisecond a job for the samples
    that cut overruns."""
    threads, share = sized(cpus)

    def us(microseconds):
        return int(microseconds * share)

    return [
        Cyclictest("cycle", "cyclictest, 125 times a second", 90, 8000, 100, (), threads=2),
        Program("control", "a control loop, 125 times a second", 80, 8000, us(1000),
                ((1, us(600)),), threads),
        Program("audio", "a sound mixer, 60 blocks a second", 70, 16000, us(2000),
                ((1, us(1000)),), threads),
        Program("camera", "25 pictures a second; scenes differ", 60, 40000, us(6000),
                ((seconds / 3, us(2200)), (1, us(6000))), threads, highest=us(10000)),
    ]


CULPRIT = "burst"


def overload_programs(cpus):
    """The same with one that turns bad: a thread a CPU, no deadline of rt-app's is shorter, and after
    two seconds ten times the work that its contract says."""
    _, share = sized(cpus)
    runtime = int(1000 * share)
    burst = Program(CULPRIT, "turns bad after two seconds", 50, 8000, runtime,
                    ((2, runtime // 2), (1, runtime * 10)), cpus, window="5/10")
    return first_programs(cpus, 3) + [burst]


def too_much(cpus):
    """What does not fit beside the others: half of every CPU."""
    return Program("lidar", "comes too late", 40, 10000, 5000, (), cpus)


def deadline_monotonic(programs, lowest=20):
    """SCHED_FIFO priorities by hand: the shorter the deadline, the higher."""
    order = sorted(programs, key=lambda program: -program.period)
    return {program.name: lowest + i for i, program in enumerate(order)}


def stress_command(cpus):
    """Load at nice 0; its own time limit ends it should nobody else do so."""
    return ["stress-ng", "--quiet", "--cpu", str(cpus * STRESS_PER_CPU), "--timeout", "120s"]
