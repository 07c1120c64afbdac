# SPDX-License-Identifier: GPL-2.0-only
"""A daemon with the capabilities of its unit where kernel.perf_event_paranoid is 3, as on every Debian. As
root in the lab, whose kernel rt has Debian's patch, after ./dev build:

    ./dev vm rt --cpus 1 --timeout 600 -- python3 -B tests/vm/test_paranoid.py [NAME...]

Who must have SCHED_FIFO is the one with a period beyond what SCHED_DEADLINE takes; the others accept
best-effort, because the emulated disk's interrupt thread is too busy for proofs.
"""
import contextlib
import glob
import json
import os
import subprocess
import sys

os.environ.setdefault("QOS_PATIENCE", "6")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))
# pylint: disable=missing-function-docstring,wrong-import-position
from contracts import contract as contract_text, start_program  # noqa: E402
from instance import QOSCTL, Instance  # noqa: E402
from lab_test import chosen, expect, policy, run, until  # noqa: E402

LONG = 60
DEADLINE = 6
AS_UNIT = ("setpriv", "--bounding-set=-all,+sys_nice,+bpf,+perfmon,+net_admin,+sys_ptrace,+dac_read_search",
           "--inh-caps=-all", "--no-new-privs")
BEST = "accept: best-effort\n"
LEVEL = "/proc/sys/kernel/perf_event_paranoid"
FAST = contract_text("fast", "  overrun: demote\n", period="50ms", top=BEST)
SLOW = contract_text("slow", "  max-threads: 2\n", period="5s", top=BEST)
REFUSED = "can have neither SCHED_DEADLINE nor SCHED_FIFO here, where no task clock would cut it"


def paranoid(level):
    with open(LEVEL, "w", encoding="ascii") as file:
        file.write(str(level))


class Daemon(Instance):
    """As its unit starts it: it may not mount its bpf file system itself."""

    def __init__(self, level, slow_loop="500ms"):
        super().__init__(f"version: 1\nslow-loop: {slow_loop}\nmanagers: {{cpu: native}}\n")
        paranoid(level)
        self.mount = os.path.join(self.dir, "bpf")
        os.mkdir(self.mount)
        subprocess.run(["mount", "-t", "bpf", "test", self.mount], check=True)
        self.pin_dir = os.path.join(self.mount, "qosd")
        self.write("fast", FAST)
        self.write("slow", SLOW)
        self.start(under=AS_UNIT)
        self.fast = start_program(self, "fast", 50, 2)
        self.slow = start_program(self, "slow", 5000, 1)

    def __exit__(self, *_):
        super().__exit__()
        subprocess.run(["umount", "-q", self.mount], check=False)

    def stats(self):
        return self.stream("fast")["stats"]

    def state(self, name):
        return self.json("show", name)["state"]

    def clocks(self):
        """Task clocks that the daemon holds."""
        found = 0
        for link in glob.glob(f"/proc/{self.daemon.pid}/fd/*"):
            with contextlib.suppress(FileNotFoundError):
                found += "perf_event" in os.readlink(link)
        return found

    def problems(self):
        return [item["text"] + "; " + (item["hint"] or "") for item in self.json("status")["problems"]]

    def told(self, words):
        return any(words in event["text"] for event in self.json("events")["events"])


def has_clock_problem(qosd):
    return any("no task clock events (kernel.perf_event_paranoid is 3)" in problem
               and "sysctl kernel.perf_event_paranoid=2" in problem for problem in qosd.problems())


def test_deadline_is_measured_without_clocks():
    with Daemon(3) as qosd:
        until(lambda: policy(qosd.fast.pid)[0] == DEADLINE, "SCHED_DEADLINE", LONG)
        until(lambda: qosd.stats()["jobs"] > 30 and qosd.stats()["windows"] > 2, "jobs and windows", LONG)
        expect(qosd.stats()["served"] > 20, True, qosd.stats())
        expect(qosd.clocks(), 0)
        expect(qosd.told("has no task clock: it is measured, and the kernel cuts its overruns at its next tick"), True)
        expect(has_clock_problem(qosd), True, qosd.problems())
        with open(qosd.log, encoding="utf-8") as log:
            expect("no task clock events" in log.read(), True)
        jobs = qosd.stats()["jobs"]
        qosd.write("fast", FAST.replace("4ms", "5ms"))
        qosd.ctl("reload", check=False)  # slow is refused
        until(lambda: qosd.stream("fast")["runtime"]["granted_ns"] == 5000000, "5 ms", LONG)
        expect(qosd.stats()["jobs"] >= jobs, True, "the counters go on")


def test_an_endless_loop_is_cut_by_the_kernel():
    """4 ms of 50, a share of its excess and a tick: far from all."""
    with Daemon(3) as qosd:
        qosd.fast.kill()
        qosd.fast.wait()
        spinner = start_program(qosd, "fast", 50, 2, "spin")
        until(lambda: policy(spinner.pid)[0] == DEADLINE, "SCHED_DEADLINE", LONG)
        before, start = used(spinner.pid), os.times().elapsed
        until(lambda: os.times().elapsed - start > 10, "ten seconds", LONG)
        share = (used(spinner.pid) - before) / (os.times().elapsed - start)
        print(f"        an endless loop of 4 ms in 50 has {share:.2f} of the CPU", flush=True)
        expect(share < 0.5, True, f"it had {share:.2f} of the CPU")


def used(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_fifo_is_refused_with_the_remedy():
    with Daemon(3) as qosd:
        expect(qosd.state("slow"), "refused")
        expect(REFUSED in qosd.ctl("show", "slow").stdout, True)
        expect(policy(qosd.slow.pid)[0], os.SCHED_OTHER)
        with open("/tmp/slow.yaml", "w", encoding="utf-8") as out:
            out.write(SLOW)
        # root has CAP_SYS_ADMIN, a user not even CAP_PERFMON: they say what the daemon says
        for become in ((), ("setpriv", "--reuid=65534", "--clear-groups")):
            done = subprocess.run([*become, QOSCTL, "check", "/tmp/slow.yaml"], capture_output=True, text=True, check=False)
            expect(REFUSED in done.stdout + done.stderr, True, done)


def test_it_follows_the_sysctl():
    with Daemon(3) as qosd:
        until(lambda: qosd.stats()["jobs"] > 5, "jobs", LONG)
        paranoid(2)
        until(lambda: policy(qosd.slow.pid)[0] == os.SCHED_FIFO, "SCHED_FIFO", LONG)
        until(lambda: qosd.clocks() == 2, "clocks for both", LONG)
        expect(has_clock_problem(qosd), False, qosd.problems())
        paranoid(3)
        until(lambda: policy(qosd.slow.pid)[0] == os.SCHED_OTHER, "SCHED_OTHER again", LONG)
        until(lambda: has_clock_problem(qosd), "it is told", LONG)
        expect(policy(qosd.fast.pid)[0], DEADLINE)


def test_a_thread_without_a_clock_gets_no_fifo():
    """Before the daemon has noticed that clocks are refused from now on."""
    with Daemon(2, slow_loop="60s") as qosd:
        until(lambda: policy(qosd.slow.pid)[0] == os.SCHED_FIFO, "SCHED_FIFO", LONG)
        paranoid(3)
        late = start_program(qosd, "slow", 5000, 1)
        until(lambda: qosd.told("has no task clock, and so is not scheduled: nothing would cut it under SCHED_FIFO"),
              "it is told", LONG)
        until(lambda: policy(qosd.slow.pid)[0] == os.SCHED_FIFO, "who has a clock keeps it, but for overruns", LONG)
        expect(policy(late.pid)[0], os.SCHED_OTHER)
        why = qosd.ctl("explain", str(late.pid)).stdout
        expect("qosctl events has the kernel's words" in " ".join(why.split()), True, why)


def test_doctor_speaks_of_the_daemon():
    """Whoever asks, and whatever he may do himself."""
    for level, state in ((3, "denied"), (2, "present")):
        paranoid(level)
        for become in ((), ("setpriv", "--reuid=65534", "--clear-groups")):
            text = subprocess.run([*become, QOSCTL, "--json", "doctor"], capture_output=True, text=True, check=False).stdout
            features = {item["feature"]: item for item in json.loads(text)["features"]}
            expect(features["task_clock"]["state"], state, (level, become))
            expect(features["uprobes"]["state"], state, (level, become))
            if level == 3:
                expect("kernel.perf_event_paranoid is 3" in features["task_clock"]["found"], True)
                expect("sysctl kernel.perf_event_paranoid=2" in features["task_clock"]["remedy"], True)


def main():
    with open(LEVEL, encoding="ascii") as file:
        expect(int(file.read()), 3, "a kernel with Debian's patch and default")
    return run(chosen(globals()), twice=False)


if __name__ == "__main__":
    sys.exit(main())
