#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""In the guest of `./dev bench soak`: for each line of stdin but the first, {"module": bool, "minutes": N}, one daemon that
lives so long (virtual time), while everything that can come and go does so once a round. What it and the kernel hold
after each round is printed, a line of JSON each. The first line, {"modules": [PATH, ...]}, has what there is of the kernel's own.
"""
import contextlib
import json
import os
import signal
import sys
import time

# --timeout is what bounds a run; the guest's clock may leap.
os.environ.setdefault("QOS_PATIENCE", "1000")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))
# pylint: disable=wrong-import-position
import kills_leaks as leaks  # noqa: E402
from contracts import PERIODIC, PYTHON, RANGE, contract, rule, with_rules  # noqa: E402
from instance import SCHED_DEADLINE, Instance, policy, until  # noqa: E402
from lab_test import Netlink, Refused, jobs_of_stdin, module  # noqa: E402
from test_net_rules import Guest  # noqa: E402
from test_network import CAPACITY, contract as flow  # noqa: E402

ROUND_S = 120
NAMES = 8  # what comes has another name each time, so that whatever is kept by name shows; memory of old ones is bounded
TOP = "accept: best-effort\n"
SERVED = {"deadline": [SCHED_DEADLINE], "fifo": [os.SCHED_FIFO], "dwcs": [os.SCHED_FIFO, os.SCHED_OTHER]}
OBJECTS = {"prog": "programs", "map": "maps", "link": "links"}


def small(name, extra="", runtime="2ms", top=""):
    return contract(name, extra, period="50ms", runtime=runtime, top=TOP + top)


class Soak:
    """One daemon and a contract that stays; the rounds."""

    def __init__(self, qosd, link):
        self.qosd, self.link = qosd, link

    def put(self, name, text, *how):
        path = os.path.join(self.qosd.dir, name + ".yaml")
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        self.qosd.ctl("apply", *how, path)

    def drop(self, name):
        self.qosd.remove(name)
        self.qosd.ctl("reload")

    def program(self, name, *mode):
        """Runs, and is scheduled."""
        program = self.qosd.run(PYTHON, PERIODIC, name, "50", "0.3", *mode)
        until(f"{name} is scheduled", lambda: self.is_scheduled(name, program.pid))
        return program

    def is_scheduled(self, name, pid):
        stream = self.qosd.stream(name)
        return policy(pid)[0] in SERVED[stream["policy"]] and [t["tid"] for t in stream["threads"]] == [pid]

    def end(self, program, how=signal.SIGTERM):
        program.send_signal(how)
        program.wait()
        self.qosd.programs.remove(program)

    # --- what comes and goes ---

    def contracts(self, name):
        """Applied, changed, adjusted, given back, confirmed, undone, removed; its program dies under it."""
        self.put(name, small(name, RANGE))
        program = self.program(name, "fork")
        self.put(name, small(name, RANGE, "3ms"))
        self.qosd.ctl("adjust", name, "cpu.runtime=4ms", "--for", "1h")
        self.qosd.ctl("revert", name)
        self.put(name, small(name, RANGE, "4ms"), "--confirm", "1h")
        self.qosd.ctl("confirm", "--undo")
        self.put(name, small(name, RANGE, "4ms"), "--confirm", "1h")
        self.qosd.ctl("confirm")
        self.end(program, signal.SIGKILL)
        until("its end is known", lambda: not self.qosd.stream(name)["threads"])
        self.drop(name)

    def enabled(self, name):
        shipped = os.path.join(self.qosd.dir, "shipped")
        os.makedirs(shipped, exist_ok=True)
        with open(os.path.join(shipped, name + ".yaml"), "w", encoding="utf-8") as out:
            out.write(small(name))
        self.qosd.ctl("enable", "--policies", shipped, name)
        self.end(self.program(name))
        self.qosd.ctl("disable", name)
        os.unlink(os.path.join(shipped, name + ".yaml"))

    def wrong(self, name):
        """Refused by admission, and what is no contract; both by whoever writes files himself."""
        self.qosd.write(name, contract(name, period="50ms", runtime="49ms"))
        self.qosd.ctl("reload", check=False)
        self.qosd.write(name, "contract: {")
        self.qosd.ctl("reload", check=False)
        self.drop(name)

    def rules(self, name, placement):
        """Loaded, changed, taken out."""
        def set_count():
            return (self.qosd.json("show", name)["rules"] or {}).get("set", 0)
        for top in ("4ms", "5ms"):
            job = rule("cpu.job", "cpu.used > 1us", f"min(cpu.runtime + 1ms, {top})", emit="busy")
            self.put(name, with_rules(job, name=name, placement=placement, period="50ms", runtime="2ms", top=TOP))
            if top == "4ms":
                program = self.program(name)
            until("rules act", lambda: set_count() > 0)
        self.end(program)
        self.drop(name)

    def packets(self, name):
        self.put(name, flow(name))
        until("in force", lambda: self.qosd.json("show", name)["network"][0]["state"] == "in force")
        self.link.send(5004, 5)
        self.put(name, flow(name, rate="10mbit"))
        self.drop(name)

    def reads(self):
        for words in (["status"], ["list"], ["events"], ["report", "stays"], ["--json", "top"], ["plan"], ["metrics"],
                      ["explain", str(self.stays.pid)]):
            self.qosd.ctl(*words)

    def round(self, number):
        name = str(number % NAMES)
        self.contracts("contract" + name)
        self.enabled("enabled" + name)
        self.wrong("wrong" + name)
        for placement in ("kernel", "user"):
            self.rules(f"{placement}{name}", placement)
        self.packets("link" + name)
        self.reads()
        self.qosd.daemon.send_signal(signal.SIGHUP)

    # --- what is held ---

    def held(self):
        qosd, found = self.qosd, {}
        with open(f"/proc/{qosd.daemon.pid}/status", encoding="utf-8") as status:
            lines = dict(line.split(":", 1) for line in status)
        for what in ("VmData", "VmLck"):
            found[what] = int(lines[what].split()[0])
        # of the page tables: RssAnon of `status` may be some hundred KiB beside it (mm/, percpu_counter in batches)
        with open(f"/proc/{qosd.daemon.pid}/smaps_rollup", encoding="utf-8") as rollup:
            found["Anonymous"] = next(int(line.split()[1]) for line in rollup if line.startswith("Anonymous:"))
        found["threads"] = int(lines["Threads"])
        found["descriptors"] = len(os.listdir(f"/proc/{qosd.daemon.pid}/fd"))
        objects = leaks.alive()
        for kind, name in OBJECTS.items():
            found[name] = sum(of == kind for of, _ in objects)
        found["pins"] = len(leaks.files(qosd.pin_dir))
        found["files"] = len(leaks.files(qosd.run_dir, qosd.contracts))
        found["processes"] = sum(name.isdigit() for name in os.listdir("/proc")) - kernel_threads()
        with open("/proc/meminfo", encoding="ascii") as info:
            found["SUnreclaim"] = next(int(line.split()[1]) for line in info if line.startswith("SUnreclaim"))
        with contextlib.suppress(Refused):  # it is not there
            info = Netlink().get("INFO_GET", "INFO")
            found["in the module"] = info["CONTRACTS"] + info["STREAMS"] + info["THREADS"]
        return found

    def run(self, minutes):
        """Yields what is held after each round."""
        beat = rule("tick 1s", emit="beat")  # so that the history of events is full before anything is compared
        self.put("stays", with_rules(beat, name="stays", period="50ms", runtime="2ms", top=TOP))
        self.stays = self.program("stays")
        begin = time.monotonic()
        for number in range(minutes * 60 // ROUND_S):
            self.round(number)
            due = begin + (number + 1) * ROUND_S
            late = time.monotonic() > due
            time.sleep(max(0, due - time.monotonic()))
            yield {"round": number, "at_s": round(time.monotonic() - begin), "late": late, "held": self.held()}


def kernel_threads():
    found = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as cmdline:
            found += not cmdline.read()
    return found


def main():
    jobs = jobs_of_stdin()
    link = Guest("")
    for job in jobs:
        with module() if job["module"] else contextlib.nullcontext(), \
             Instance(CAPACITY.replace("managers: {network: native}\n", "") % "") as qosd:
            qosd.start()
            for found in Soak(qosd, link).run(job["minutes"]):
                print(json.dumps({**job, **found}), flush=True)


main()
