# SPDX-License-Identifier: GPL-2.0-only
"""One arm: a daemon, the programs under one way of scheduling, load, and what was counted.

In every arm the same daemon counts by the same contracts. In `none` and `fifo` an overlay file turns
each stream to `manage: observe`, so that it only counts.
"""

import contextlib
import json
import os
import subprocess
import time

import machine
import workload
from instance import Instance, until

OBSERVE = "cpu:\n  - name: loop\n    manage: observe\n"
CONFIG = "version: 1\nslow-loop: 500ms\n"
ABOVE = 60  # above every priority of an arm
DIRECTORIES = []  # of all daemons so far: to be looked for at the end


class Daemon(Instance):
    """A daemon whose directory is remembered."""

    def __init__(self):
        super().__init__(CONFIG)
        DIRECTORIES.append(self.dir)


class Arm:
    """A context manager; leaves no program, no daemon and no file behind."""

    def __init__(self, how, programs, cpus, speed):
        self.how = how
        self.programs = programs
        self.cpus = cpus
        self.speed = speed
        self.stack = contextlib.ExitStack()
        self.qosd = None
        self.children = machine.Children()
        self.started = {}
        self.before = {}

    def __enter__(self):
        try:
            self.begin()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """The daemon first: it gives the programs back as they were."""
        with machine.uninterrupted(), self.stack:
            pass

    def prepare(self):
        """Everything that close() takes away again."""
        with machine.uninterrupted():
            self.stack.enter_context(machine.above(ABOVE if self.how == "fifo" else 0))
            self.qosd = self.stack.enter_context(Daemon())
            self.stack.callback(self.children.stop)
            self.stack.callback(self.qosd.stop)

    def begin(self):
        """Programs, then the daemon, which finds them; in `fifo` priorities by hand.

        Programs that set policies of their own as they start (cyclictest asks whether it may, and
        gives up if its SCHED_DEADLINE cannot be had back) are through with that by then.
        """
        self.prepare()
        for program in self.programs:
            self.write(program)
            command = program.command(self.qosd.dir, self.speed)
            self.started[program.name] = self.children.start(command, self.qosd.dir)
        for program in self.programs:
            until(f"{program.name} has its rhythm", lambda p=program: self.goes_round(p))
        self.unpin()
        with machine.uninterrupted():
            self.qosd.start(ready=False)
        until("qosd answers", self.qosd.answers)
        if self.how == "fifo":
            self.lift()
        for program in self.programs:
            until(f"qosd finds the threads of {program.name}",
                  lambda p=program: self.brief(p)["threads"] == p.threads)
            if self.how == "fifo":
                self.promote(program)

    def goes_round(self, program):
        """Do all its threads wake up again and again?"""
        child = self.started[program.name]
        if child.poll() is not None:
            raise RuntimeError(f"{child.args[0]} ended at once, with code {child.returncode}")
        return machine.cycling(child.pid) >= program.threads

    def unpin(self):
        """cyclictest pins its measuring thread, and SCHED_DEADLINE serves only threads that may run
        on all CPUs (qosd says so); as with `taskset --all-tasks`."""
        for child in self.started.values():
            for tid in os.listdir(f"/proc/{child.pid}/task"):
                os.sched_setaffinity(int(tid), os.sched_getaffinity(0))

    def write(self, program):
        self.qosd.write(program.name, program.contract(self.qosd.dir))
        if self.how != "qosd":
            overlay = os.path.join(self.qosd.contracts, program.name + ".yaml.d")
            os.mkdir(overlay)
            with open(os.path.join(overlay, "observe.yaml"), "w", encoding="utf-8") as out:
                out.write(OBSERVE)

    def promote(self, program):
        """What an administrator does by hand, for all threads of the process."""
        priority = workload.deadline_monotonic(self.programs)[program.name]
        pid = self.started[program.name].pid
        subprocess.run(["chrt", "--fifo", "--all-tasks", "--pid", str(priority), str(pid)],
                       check=True, stdout=subprocess.DEVNULL)

    def lift(self):
        """The daemon only counts here, and must be heard however the programs starve others. (As it
        starts it puts itself below all that it manages.)"""
        os.sched_setscheduler(self.qosd.daemon.pid, os.SCHED_FIFO, os.sched_param(ABOVE))

    def ask(self, *words):
        """A document of qosctl."""
        # pylint: disable=subprocess-run-check
        command = [os.path.join(os.environ["QOS_BUILD"], "cli/qosctl"), "--socket",
                   self.qosd.socket, "--json", *words]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=30)
        if not done.stdout:
            raise RuntimeError(f"qosctl {' '.join(words)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def show(self, name):
        return self.ask("show", name)

    def brief(self, program):
        found = self.show(program.name)
        if found["state"] != "in-force":
            raise RuntimeError(f"{program.name} is {found['state']}: {found['reason']}")
        return found

    def load(self):
        """Notes the counters and starts load on every CPU."""
        self.before = {program.name: self.brief(program) for program in self.programs}
        self.children.start(workload.stress_command(self.cpus), self.qosd.dir)

    def counted(self):
        """{contract: counters since load()}.

        The monitor accounts for a thread when the thread does something, so what was starved is
        counted after the culprit has ended and it ran again.
        """
        result = {}
        for program in self.programs[::-1]:
            result[program.name] = self.since_load(program)
            if program.name == workload.CULPRIT:
                self.children.end(self.started[program.name])
                self.catch_up(program)
        return {program.name: result[program.name] for program in self.programs}

    def catch_up(self, culprit):
        """Waits until all others have completed a job."""
        others = [program for program in self.programs if program is not culprit]
        jobs = {program.name: self.brief(program)["jobs"] for program in others}
        for program in others:
            until(f"{program.name} runs again",
                  lambda p=program: self.brief(p)["jobs"] > jobs[p.name] + 1)

    def since_load(self, program):
        """The percentile is of the stream's whole life, which began about a second before."""
        now, before = self.brief(program), self.before[program.name]
        counters = {key: now[key] - before[key] for key in ("jobs", "late", "violations")}
        response = now["streams"][0]["stats"]["response_us"]["p99"]
        return {**counters, "response_p99_us": round(response)}

    def adaptations(self):
        """What the slow loop changed, of all contracts."""
        keys = ("stream", "attribute", "old_ns", "new_ns", "signal_ns", "reason")
        return [{"contract": program.name, **{key: entry[key] for key in keys}}
                for program in self.programs
                for entry in self.show(program.name)["adaptations"] if entry["by"] == "law"]

    def refuse(self, program):
        """Asks for one contract more than fits; returns its name and qosd's reason."""
        self.qosd.write(program.name, program.contract(self.qosd.dir))
        self.ask("reload")
        found = self.show(program.name)
        if found["state"] != "refused":
            raise RuntimeError(f"{program.name} was expected to be refused, but is {found['state']}")
        return {"contract": program.name, "reason": found["reason"]}


def run(how, programs, cpus, speed, seconds, also=None):
    """One arm from its begin to its end: counters, and what `also` found while it ran."""
    with Arm(how, programs, cpus, speed) as arm:
        arm.load()
        end = time.monotonic() + seconds
        found = also(arm) if also else None
        time.sleep(max(0, end - time.monotonic()))
        adaptations = arm.adaptations()
        return arm.counted(), found, adaptations
