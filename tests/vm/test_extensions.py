# SPDX-License-Identifier: GPL-2.0-only
"""Rules in the kernel with the module: its events, its guard, and programs by hand that act on a live thread
or try what they may not. As root in the lab: ./dev vm rt -- python3 tests/vm/test_extensions.py"""
import contextlib
import os
import struct
import subprocess
import sys
import time

# pylint: disable=missing-function-docstring
from lab_test import (MS, Program, TOP, build_worker, chosen, contract, events, expect, listener, module, refused, run, stats,
                      stream, until, worker)

RULES, OBJECT = "/tmp/qos-rules", "/tmp/rules.bpf.o"
WHOLE = 1 << 20
SET, SAME, EMIT, MUTED, OWNER, RANGE, STEP, BUDGET, RATE, HELD = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
WORDS = {"attribute": 0, "used": 1, "slack": 2, "response": 3, "late": 5, "served": 7, "lost": 8}


def build():
    build_worker()
    subprocess.run(["clang", "-g", "-O2", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror", "-idirafter",
                    "/usr/include/x86_64-linux-gnu", "-I", os.path.join(TOP, "bpf"), "-c",
                    os.path.join(TOP, "tests", "vm", "rules.bpf.c"), "-o", OBJECT], check=True)
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", RULES,
                    os.path.join(TOP, "tests", "vm", "rules.c"), "-lbpf"], check=True)


def runtime(index=0, kind=1):
    return kind << 16 | index


def rules(*programs):
    return Program(RULES, OBJECT, *programs)


def seen(loaded):
    numbers = [int(n) for n in loaded.ask("seen").split()]
    told = dict(zip(("runs", "verdict", "contract", "index", "state"), numbers))
    return {**told, **{name: numbers[5 + at] for name, at in WORDS.items()}}


def verdict_of(loaded, attribute, value):
    """Of the first request that was made after this was asked for."""
    expect(loaded.ask(f"ask {attribute} {value}"), "ok")
    before = seen(loaded)["runs"]
    until(lambda: seen(loaded)["runs"] >= before + 2, "two events")
    return seen(loaded)["verdict"]


def counts(nl, name, verdict):
    return nl.get("CONTRACT_GET", "CONTRACT", NAME=name)["VERDICTS"][verdict]


def in_force(nl, number):
    return nl.get("STREAM_GET", "STREAM", ID=number)["RUNTIME"]


def adaptive(number, **more):
    return stream(number, runtime=2, RUNTIME_MIN=MS, RUNTIME_MAX=8 * MS, **more)


def with_rules(nl, name, number, *streams):
    nl.set("RULES_SET", "RULES", CONTRACT=name, NUMBER=number, STREAM=list(streams))


def attach(nl, pid, number, cpu=0, state=1):
    nl.set("ATTACH", "THREAD", TID=pid, STREAM=number, CPU=cpu, STATE=state)


def test_rule_acts_on_a_live_thread():
    """20 ms are too few for jobs of 60 ms; 300 ms are enough, even if the host takes its time."""
    with module() as nl, worker(400000, 60000) as w, rules("grow") as loaded:
        nl.set("CPU_SET", "CPU", ID=0, SHARE=WHOLE)
        contract(nl, "a", stream(1, period=400, runtime=20, RUNTIME_MIN=MS, RUNTIME_MAX=300 * MS))
        with_rules(nl, "a", 7, {"ID": 1, "INDEX": 3, "JOB": 1})
        attach(nl, w.pid, 1, state=9)
        loaded.ask(f"ask 1 {70 * MS}")
        w.go()
        until(lambda: in_force(nl, 1) == 300 * MS, "the rule raised the runtime to its largest")
        told = seen(loaded)
        expect((told["contract"], told["index"], told["state"]), (7, 3, 9))
        if not 50 * MS < told["used"] < 400 * MS or told["response"] < told["used"]:
            raise AssertionError(f"not the job's: {told}")
        expect(told["slack"], 400 * MS - told["response"])
        until(lambda: counts(nl, "a", RANGE) > 0, "a request beyond the range is counted")
        expect(counts(nl, "a", SET), 4)
        before = stats(nl, 1)
        until(lambda: stats(nl, 1)["SERVED"] >= before["SERVED"] + 10, "it goes on")
        overruns = before["OVERRUNS"], stats(nl, 1)["OVERRUNS"] - before["OVERRUNS"]
        if overruns[0] < 1 or overruns[1] > 2:
            raise AssertionError(f"not held to what is in force: {overruns}")


def test_late_and_window():
    with module() as nl, worker(20000, 6000, "-x") as w, rules("ask", "grow", "storm") as loaded:
        contract(nl, "a", stream(1, runtime=2, DEADLINE=3 * MS, X=1, Y=4))
        with_rules(nl, "a", 1, {"ID": 1, "INDEX": 0, "LATE": 1})
        attach(nl, w.pid, 1)
        w.go()
        told = until(lambda: seen(loaded) if seen(loaded)["runs"] else None, "an event `late`")
        expect((told["late"], told["slack"] < 0), (1, True))
        with_rules(nl, "a", 1, {"ID": 1, "INDEX": 0, "WINDOW": 1})
        told = until(lambda: seen(loaded) if seen(loaded)["served"] else None, "an event `window`")
        expect(told["served"] + told["lost"], 4)
        with_rules(nl, "a", 0)
        time.sleep(0.1)
        runs = seen(loaded)["runs"]
        jobs = stats(nl, 1)["JOBS"]
        until(lambda: stats(nl, 1)["JOBS"] > jobs + 5, "it goes on without rules")
        expect(seen(loaded)["runs"], runs)


def test_guard():
    with module() as nl, worker(20000, 1000) as w, rules("ask") as loaded:
        def hooked(**more):
            expect(loaded.ask("ask 0 0"), "ok")
            runs = seen(loaded)["runs"]
            until(lambda: not runs or seen(loaded)["runs"] > runs, "nothing is asked for any more")
            with_rules(nl, "a", 1, {"ID": 1, "INDEX": 0, "JOB": 1, **more})
        nl.set("CPU_SET", "CPU", ID=0, SHARE=WHOLE // 4)
        contract(nl, "a", adaptive(1))
        contract(nl, "b", adaptive(2))
        hooked()
        with_rules(nl, "b", 2, {"ID": 2, "INDEX": 1})
        attach(nl, w.pid, 1)
        w.go()
        expect(verdict_of(loaded, runtime(1), 3 * MS), OWNER, "another contract's")
        expect(verdict_of(loaded, runtime(40), 3 * MS), OWNER)
        expect(verdict_of(loaded, runtime(0, kind=2), 3 * MS), OWNER)
        expect(verdict_of(loaded, runtime(), 9 * MS), RANGE)
        expect(verdict_of(loaded, runtime(), -1), RANGE)
        expect(verdict_of(loaded, runtime(), -1 << 63), RANGE)
        expect(verdict_of(loaded, runtime(), 2 * MS), SAME)
        expect(verdict_of(loaded, runtime(), 6 * MS), BUDGET, "six of twenty, when a quarter is there")
        expect((in_force(nl, 1), in_force(nl, 2)), (2 * MS, 2 * MS))
        hooked(HELD=1)
        expect(verdict_of(loaded, runtime(), 3 * MS), HELD)
        hooked(STEP=MS)
        expect(verdict_of(loaded, runtime(), 4 * MS), STEP)
        expect(in_force(nl, 1), 2 * MS)
        hooked(GAP=600000 * MS)
        expect(verdict_of(loaded, runtime(), 5 * MS), SAME, "set, and then in force")
        expect(in_force(nl, 1), 5 * MS)
        expect(nl.get("CPU_GET", "CPU", ID=0)["FREE"], 0)
        expect(verdict_of(loaded, runtime(), 4 * MS), RATE)
        expect(in_force(nl, 1), 5 * MS)
        expect(in_force(nl, 2), 2 * MS)
        expect(counts(nl, "a", SET), 1)
        expect(nl.get("CONTRACT_GET", "CONTRACT", NAME="b")["RAISED"], 0)
        nl.set("DETACH", "THREAD", TID=w.pid)
        expect(nl.get("CPU_GET", "CPU", ID=0)["FREE"], WHOLE // 4)


def test_claim_ends_when_more_is_asked_for():
    """Long times, so that a host that takes its time makes no job overrun, which would end the claim too."""
    with module() as nl, worker(400000, 300) as w, rules("ask") as loaded:
        nl.set("CPU_SET", "CPU", ID=0, SHARE=WHOLE)
        contract(nl, "a", stream(1, period=400, runtime=60, RUNTIME_MIN=20 * MS, RUNTIME_MAX=200 * MS))
        with_rules(nl, "a", 1, {"ID": 1, "INDEX": 0, "JOB": 1})
        attach(nl, w.pid, 1)
        nl.set("TABLE_SET", "TABLE", STREAM=1, MODE=1, CYCLE=2, BITS=b"\1")
        w.go()
        expect(verdict_of(loaded, runtime(), 40 * MS), SAME)
        expect(nl.get("STREAM_GET", "STREAM", ID=1)["PROVEN"], 1)
        expect(verdict_of(loaded, runtime(), 60 * MS), SAME)
        expect(nl.get("STREAM_GET", "STREAM", ID=1)["PROVEN"], 1, "what was claimed")
        expect(verdict_of(loaded, runtime(), 90 * MS), SAME)
        until(lambda: not nl.get("STREAM_GET", "STREAM", ID=1)["PROVEN"], "the claim ended")


def test_budget_holds_in_a_storm():
    """Two contracts with threads on each CPU: all take from and give to the same shares at once."""
    cpus = range(os.cpu_count())
    with module() as nl, rules("storm") as loaded, contextlib.ExitStack() as stack:
        total = WHOLE * 6 // 20
        for cpu in cpus:
            nl.set("CPU_SET", "CPU", ID=cpu, SHARE=total)
        for number, name in (1, "a"), (2, "b"):
            contract(nl, name, adaptive(number, MAX_THREADS=len(cpus)))
            with_rules(nl, name, number, {"ID": number, "INDEX": 0, "JOB": 1, "WINDOW": 1})
            for cpu in cpus:
                w = stack.enter_context(worker(1000, 50))
                attach(nl, w.pid, number, cpu, state=cpu + 1)
                w.go()
        until(lambda: all(counts(nl, name, verdict) >= 500 for name in "ab" for verdict in (SET, BUDGET)),
              "500 changes, and 500 refusals, of each", 120)
        for name in "a", "b":
            with_rules(nl, name, 0)
        time.sleep(0.2)
        cost = sum(-(-in_force(nl, n) * WHOLE // (20 * MS)) for n in (1, 2))
        for cpu in cpus:
            expect(nl.get("CPU_GET", "CPU", ID=cpu)["FREE"], total - cost)
        if cost > total or not seen(loaded)["runs"]:
            raise AssertionError(f"{cost} of {total}")


def words(**of):
    """One stream's, as struct qos_rules_stream has them."""
    return struct.pack("=28q", *(of.get(name, 0) for name in [
        {number: name for name, number in WORDS.items()}.get(at, "") for at in range(28)]))


def ask(nl, name, attribute, value):
    return nl.get("RULES_ASK", "RULES", CONTRACT=name, ATTRIBUTE=attribute, VALUE=value)["VERDICT"]


def test_caller_raises_ticks():
    with module() as nl, rules("ask") as loaded:
        contract(nl, "a", adaptive(1))
        nl.set("CPU_SET", "CPU", ID=0, SHARE=WHOLE)
        refused("no rules", nl.set, "RULES_RAISE", "RULES", CONTRACT="a", PROGRAM=1, WORDS=words())
        with_rules(nl, "a", 7, {"ID": 1, "INDEX": 0})
        refused("whole streams", nl.set, "RULES_RAISE", "RULES", CONTRACT="a", PROGRAM=1, WORDS=b"12345678")
        loaded.ask(f"ask {runtime()} {6 * MS}")
        nl.set("RULES_RAISE", "RULES", CONTRACT="a", PROGRAM=1, WORDS=words(used=5, late=3) + words())
        now = seen(loaded)
        expect((now["runs"], now["contract"], now["state"], now["used"], now["late"], now["verdict"]),
               (1, 7, 0, 5, 3, SET))
        expect(in_force(nl, 1), 6 * MS)
        told_of = nl.get("CONTRACT_GET", "CONTRACT", NAME="a")
        expect((told_of["RAISED"], told_of["RUN_TIME"] > 0), (1, True))


def test_what_rules_did_is_told():
    with module() as nl:
        ears = listener()
        contract(nl, "a", adaptive(1), adaptive(2))
        nl.set("RULES_SET", "RULES", CONTRACT="a", NUMBER=1, SIGNALS=2, STREAM=[{"ID": 1, "INDEX": 0}])
        expect(ask(nl, "a", runtime(0, kind=3) + 1, 1), EMIT)
        expect(ask(nl, "a", runtime(0, kind=3), 1), MUTED, "ten a second")
        expect(ask(nl, "a", runtime(0, kind=3) + 2, 1), OWNER, "it has two signals")
        expect((events(ears, "SIGNAL")["SIGNAL"]), 1)
        nl.set("CPU_SET", "CPU", ID=0, SHARE=WHOLE)
        for value in range(3, 8):
            expect(ask(nl, "a", runtime(), value * MS), SET)
        expect(ask(nl, "a", runtime(1), 3 * MS), OWNER, "not among the rules")
        until(lambda: events(ears, "RUNTIME")["RUNTIME"] == 7 * MS, "the latest value is told")
        expect(counts(nl, "a", SET), 5)


def test_reserved():
    with module() as nl:
        contract(nl, "a", adaptive(1))
        with_rules(nl, "a", 1, {"ID": 1, "INDEX": 0, "RESERVED": 5 * MS})
        expect(ask(nl, "a", runtime(), 6 * MS), BUDGET)
        expect(ask(nl, "a", runtime(), 5 * MS), SET)
        with_rules(nl, "a", 1, {"ID": 1, "INDEX": 0, "RESERVED": 4 * MS})
        expect(in_force(nl, 1), 4 * MS, "brought down")
        kept = {name: value for name, value in adaptive(1).items() if name != "RUNTIME"}
        contract(nl, "a", {**kept, "RUNTIME_BASE": 2 * MS})
        expect(in_force(nl, 1), 4 * MS, "kept")
        contract(nl, "a", {**kept, "RUNTIME_BASE": 2 * MS, "RUNTIME_MAX": 3 * MS})
        expect(in_force(nl, 1), 3 * MS, "kept within the new bounds")
        refused("RUNTIME of a stream", contract, nl, "a", kept)
        refused("to keep", contract, nl, "b", {**kept, "ID": 9, "RUNTIME_BASE": MS})


def test_thread_gets_a_state_later():
    with module() as nl, worker(20000, 1000) as w, rules("ask") as loaded:
        contract(nl, "a", adaptive(1))
        with_rules(nl, "a", 1, {"ID": 1, "INDEX": 0, "JOB": 1})
        attach(nl, w.pid, 1, state=0)
        w.go()
        until(lambda: stats(nl, 1)["JOBS"] > 3, "jobs")
        expect(seen(loaded)["runs"], 0)
        nl.set("THREAD_SET", "THREAD", TID=w.pid, STATE=5)
        expect(until(lambda: seen(loaded)["runs"] and seen(loaded)["state"], "an event"), 5)
        refused("another thread", nl.set, "THREAD_SET", "THREAD", TID=w.pid, STATE=5, START=1)
        refused("missing", nl.set, "THREAD_SET", "THREAD", TID=w.pid)


def test_hostile_programs_are_refused():
    with module():
        for name in "forged", "shifted", "unchecked", "writes":
            done = subprocess.run([RULES, OBJECT, name], stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, check=False)
            expect((done.returncode, done.stdout), (1, "refused\n"), name)
        done = subprocess.run([RULES, OBJECT, "ask"], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False)
        expect((done.returncode, done.stdout), (0, "ready\n"), "the honest one")


def test_compiled_rules_are_accepted():
    """Random ones, in the type in which they run here."""
    programs = os.environ.get("QOS_RULES_PROGRAMS", "100")
    with module():
        done = subprocess.run([os.path.join(TOP, "build", "tests", "test_live_rules")],
                              env={**os.environ, "QOS_RULES_MODULE": "1", "QOS_RULES_PROGRAMS": programs},
                              capture_output=True, text=True, check=False)
        expect((done.returncode, f"{programs} programs for the module, all accepted" in done.stdout),
               (0, True), done.stdout + done.stderr)


def test_module_stays_while_a_program_is_attached():
    with module():
        with rules("ask"):
            done = subprocess.run(["rmmod", "qos_dwcs"], capture_output=True, text=True, check=False)
            expect((done.returncode != 0, "in use" in done.stderr), (True, True), done.stderr)


def test_refusals():
    with module() as nl:
        contract(nl, "a", stream(1), stream(2))
        contract(nl, "b", stream(3))
        refused("no such contract", with_rules, nl, "c", 1)
        refused("no such stream", with_rules, nl, "a", 1, {"ID": 3, "INDEX": 0})
        refused("same index", with_rules, nl, "a", 1, {"ID": 1, "INDEX": 0}, {"ID": 2, "INDEX": 0})
        refused("missing", with_rules, nl, "a", 1, {"ID": 1})
        refused("out of range", with_rules, nl, "a", 1, {"ID": 1, "INDEX": 32})
        refused("missing", nl.set, "CPU_SET", "CPU", ID=0)
        refused("out of range", nl.set, "CPU_SET", "CPU", ID=0, SHARE=64 * WHOLE + 1)
        expect(nl.get("INFO_GET", "INFO")["FEATURES"] & 16, 16)


if __name__ == "__main__":
    build()
    sys.exit(run(chosen(globals())))
