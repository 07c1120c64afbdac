# SPDX-License-Identifier: GPL-2.0-only
"""The daemon and the module together. As root in the lab, after ./dev build and ./dev kmod rt:

    ./dev vm rt --cpus 1 --timeout 900 -- python3 -B tests/vm/test_daemon.py [NAME...]

One CPU: an emulator of several trips over code that the kernel patches, and the monitor's hooks come and
go. Nothing here depends on how fast it is, but for generous timeouts. Contracts accept best-effort,
because the emulated disk's interrupt thread is too busy for anything to be proven beside it.
"""
import os
import random
import subprocess
import sys
import threading
import time

os.environ.setdefault("QOS_PATIENCE", "6")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))
# pylint: disable=missing-function-docstring,wrong-import-position
from contracts import PERIODIC, PYTHON, contract as contract_text  # noqa: E402
from instance import SCHED_DEADLINE, Instance  # noqa: E402
from lab_test import MS, Netlink, chosen, expect, load, module, policy, run, unload, until  # noqa: E402

LONG = 60
KILLS = int(os.environ.get("QOS_KILLS", "5"))
BAND = (38, 39, 40)
CONFIG = "version: 1\nslow-loop: {slow_loop}\nlease: {lease}\nmanagers: {{cpu: {manager}}}\nmonitor: {monitor}\n"


def daemon(manager="auto", monitor="bpf", lease="30s", slow_loop="500ms"):
    return Instance(CONFIG.format(manager=manager, monitor=monitor, lease=lease, slow_loop=slow_loop))


def contract(name, extra="", top="", **more):
    return contract_text(name, extra, top="accept: best-effort\n" + top, **{"period": "50ms", **more})


def start_program(qosd, tag, period_ms=50, work_ms=2, *mode):
    program = qosd.run(PYTHON, PERIODIC, tag, str(period_ms), str(work_ms), *mode)
    until(lambda: b"periodic" in open(f"/proc/{program.pid}/cmdline", "rb").read(), "it runs")
    return program


def is_in_band(pid):
    number, priority, reset = policy(pid)
    return (number == os.SCHED_FIFO and priority in BAND and reset) or number == os.SCHED_OTHER


def threads(nl):
    return {thread["TID"]: thread for thread in nl.dump("THREAD_GET", "THREAD")}


def kinds(qosd, contract_name=""):
    words = [contract_name] if contract_name else []
    return [event["kind"] for event in qosd.json("events", *words)["events"]]


def problem(qosd, words):
    return any(words in item["text"] for item in qosd.json("status")["problems"])


def under_module(qosd, name="one"):
    stream = qosd.stream(name)
    return stream["policy"] == "dwcs" and stream["threads"]


def jobs(qosd, name="one"):
    return qosd.stream(name)["stats"]["jobs"]


# --- what a contract gets ---

def test_a_contract_goes_through_the_module():
    with module() as nl, daemon() as qosd:
        program = start_program(qosd, "one")
        before = policy(program.pid)
        qosd.write("one", contract("one"))
        qosd.start()
        until(lambda: under_module(qosd), "it is the module's", LONG)
        thread = threads(nl)[program.pid]
        stream = nl.get("STREAM_GET", "STREAM", ID=thread["STREAM"])
        expect((stream["CONTRACT"], stream["NAME"]), ("one", "main"))
        expect((stream["PERIOD"], stream["RUNTIME"], stream["X"], stream["Y"]), (50 * MS, 4 * MS, 1, 10))
        until(lambda: jobs(qosd) > 10, "its counters come", LONG)
        expect(is_in_band(program.pid), True)
        status = qosd.json("status")
        expect(status["managers"], {"cpu": "module", "better": None})
        expect(status["telemetry"]["netlink"], "qos_dwcs")
        expect(status["module"]["state"], "in-charge")
        expect(status["module"]["lease"]["state"], "live")
        expect(0 < status["module"]["lease"]["left_s"] <= 30, True, status["module"]["lease"])
        qosd.stop()
        expect(policy(program.pid), before)
        expect(threads(nl), {})
        info = nl.get("INFO_GET", "INFO")
        expect((info["CONTRACTS"], info["LEASE"], info["TELEMETRY"]), (0, 0, 0))


def test_a_changed_contract_keeps_thread_and_counters():
    with module() as nl, daemon() as qosd:
        qosd.write("one", contract("one"))
        qosd.start()
        program = start_program(qosd, "one")
        until(lambda: under_module(qosd) and jobs(qosd) > 10, "jobs", LONG)
        number = threads(nl)[program.pid]["STREAM"]
        qosd.write("one", contract("one", runtime="5ms"))
        qosd.json("reload")
        until(lambda: nl.get("STREAM_GET", "STREAM", ID=number)["RUNTIME"] == 5 * MS, "5 ms", LONG)
        expect(threads(nl)[program.pid]["STREAM"], number)
        expect(jobs(qosd) > 10, True)
        qosd.remove("one")
        qosd.json("reload")
        expect(threads(nl), {})
        expect(nl.dump("CONTRACT_GET", "CONTRACT"), [])
        expect(policy(program.pid)[0], os.SCHED_OTHER)


def author_of(qosd, program):
    return qosd.json("explain", str(program.pid))["changed_by"]


def test_drift_is_seen_without_the_slow_loop():
    """The only turn is far away: who tells is the monitor, at once."""
    with daemon(manager="native", slow_loop="60s") as qosd:
        qosd.write("one", contract("one", "  cpus: 0\n", top="on-drift: restore\n"))
        qosd.write("two", contract("two", "  cpus: 0\n"))
        qosd.start()
        one, two = start_program(qosd, "one"), start_program(qosd, "two")
        until(lambda: os.SCHED_OTHER not in (policy(one.pid)[0], policy(two.pid)[0]), "both are scheduled", 20)
        given = policy(one.pid)
        for pid in (one.pid, two.pid):
            subprocess.run(["chrt", "-b", "-p", "0", str(pid)], check=True)
        until(lambda: policy(one.pid) == given, "one is restored", 20)
        until(lambda: author_of(qosd, two), "the other one's author is known", 20)
        expect(author_of(qosd, two).startswith("chrt (pid "), True)
        expect(policy(two.pid)[0], os.SCHED_BATCH)


def test_drift_is_respected():
    with module(), daemon() as qosd:
        qosd.write("one", contract("one"))
        qosd.start()
        program = start_program(qosd, "one")
        until(lambda: under_module(qosd) and jobs(qosd) > 5, "jobs", LONG)
        subprocess.run(["chrt", "-b", "-p", "0", str(program.pid)], check=True)
        until(lambda: "drift" in kinds(qosd, "one"), "drift is told", LONG)
        until(lambda: problem(qosd, "drift"), "and shown", LONG)
        expect(author_of(qosd, program).startswith("chrt (pid "), True)
        time.sleep(2)
        expect(policy(program.pid)[0], os.SCHED_BATCH)
        qosd.stop()
        expect(policy(program.pid)[0], os.SCHED_BATCH)


def test_a_violation_brings_its_evidence():
    with module() as nl, daemon() as qosd:
        qosd.write("one", contract("one", "  overrun: demote\n", runtime="20ms"))
        qosd.start()
        start_program(qosd, "one", 50, 15)
        until(lambda: under_module(qosd) and jobs(qosd) > 5, "jobs", LONG)
        for _ in range(3):
            qosd.run(PYTHON, "-c", "while True: pass")
        nl.set("CONFIG_SET", "CONFIG", CAP_PPM=10000)  # no time left in the band
        until(lambda: "violation" in kinds(qosd, "one"), "a violation", LONG)
        event = [e for e in qosd.json("events", "one")["events"] if e["kind"] == "violation"][0]
        expect(event["stream"], "main")
        expect(event["cpu"], 0)
        expect(1 <= len(event["outcomes"]) <= 10 and set(event["outcomes"]) <= set("sL"), True, event)
        expect(event["outcomes"].count("L") > 1, True, event)
        others = [item for item in event["instead"] if item["contract"] is None]
        expect(len(others) == 1 and others[0]["ran_ns"] > 0, True, event)
        text = qosd.ctl("events", "one").stdout
        expect("ran instead" in text and "outcomes" in text, True, text)
        expect(qosd.json("status")["counts"]["violations"] > 0, True)


# --- telemetry ---

def granted(qosd):
    return qosd.stream("one")["runtime"]["granted_ns"]


def test_telemetry_alone_adapts_and_its_end_shows():
    with module() as nl, daemon(monitor="none") as qosd:
        program = start_program(qosd, "one", 50, 8)
        qosd.write("one", contract("one", "  range: {runtime: 1ms..20ms}\n", runtime="2ms"))
        qosd.start()
        expect(qosd.json("status")["telemetry"], {"netlink": "qos_dwcs", "bpf": False})
        until(lambda: under_module(qosd), "it is the module's", LONG)
        until(lambda: granted(qosd) > 6 * MS, "it gets what it needs", LONG)
        expect("adapted" in kinds(qosd, "one"), True)
        # no messages: nothing is adapted, and that shows
        nl.set("CONFIG_SET", "CONFIG", TELEMETRY=0)
        until(lambda: problem(qosd, "telemetry does not come"), "status says so", LONG)
        expect(qosd.json("status")["state"], "degraded")
        qosd.json("adjust", "one", "cpu.runtime=2ms")
        qosd.json("revert", "one")
        adapted = kinds(qosd, "one").count("adapted")
        expect(granted(qosd), 2 * MS)
        time.sleep(5)
        expect((granted(qosd), kinds(qosd, "one").count("adapted")), (2 * MS, adapted))
        # and again
        nl.set("CONFIG_SET", "CONFIG", TELEMETRY=500 * MS)
        until(lambda: granted(qosd) > 6 * MS, "it is adapted again", LONG)
        expect(problem(qosd, "telemetry"), False)
        expect(kinds(qosd).count("manager"), 2)
        # its end is told by the module alone
        program.kill()
        program.wait()
        until(lambda: not qosd.stream("one")["threads"], "the thread is gone", LONG)


# --- coming and going ---

def test_contracts_move_with_the_module():
    with daemon() as qosd:
        program = start_program(qosd, "one")
        qosd.write("one", contract("one"))
        qosd.start()
        until(lambda: qosd.stream("one")["threads"], "native", LONG)
        expect(qosd.json("status")["managers"]["cpu"], "native")
        expect(qosd.json("status")["module"]["state"], "absent")
        load()
        try:
            until(lambda: under_module(qosd), "to the module", LONG)
            expect(program.pid in threads(Netlink()), True)
            until(lambda: jobs(qosd) > 20, "jobs", LONG)
            before = jobs(qosd)
        finally:
            unload()
        until(lambda: qosd.stream("one")["policy"] != "dwcs", "and back", LONG)
        until(lambda: policy(program.pid)[0] != os.SCHED_OTHER or qosd.stream("one")["threads"][0]["demoted"],
              "scheduled", LONG)
        expect(jobs(qosd) >= before - 20, True, (jobs(qosd), before))  # up to its last telemetry
        with module() as nl:
            until(lambda: under_module(qosd) and program.pid in threads(nl), "once more", LONG)
            qosd.stop()
        expect(policy(program.pid)[0], os.SCHED_OTHER)


def test_a_named_module_is_waited_for():
    with daemon(manager="module") as qosd:
        program = start_program(qosd, "one")
        before = policy(program.pid)
        qosd.write("one", contract("one"))
        qosd.start()
        brief = qosd.json("list")["contracts"][0]
        expect(brief["state"], "waiting")
        expect("module qos_dwcs" in brief["reason"], True, brief)
        expect(policy(program.pid), before)
        load()
        try:
            until(lambda: qosd.json("list")["contracts"][0]["state"] == "in-force", "in force", LONG)
            until(lambda: under_module(qosd), "it is the module's", LONG)
        finally:
            unload()
        until(lambda: qosd.json("list")["contracts"][0]["state"] == "waiting", "it waits again", LONG)
        expect(policy(program.pid), before)


# --- the daemon's death ---

def kill_daemon(qosd):
    qosd.daemon.kill()
    qosd.daemon.wait()
    qosd.daemon = None


def test_a_restarted_daemon_goes_on():
    with module() as nl, daemon() as qosd:
        qosd.write("one", contract("one"))
        qosd.write("two", contract("two"))
        qosd.start()
        one, two = start_program(qosd, "one"), start_program(qosd, "two")
        until(lambda: under_module(qosd) and under_module(qosd, "two") and jobs(qosd) > 10, "jobs", LONG)
        held, done = threads(nl), jobs(qosd)
        kill_daemon(qosd)
        qosd.remove("two")
        expect(threads(nl).keys(), held.keys())
        generation = nl.get("INFO_GET", "INFO")["GENERATION"]
        qosd.start()
        until(lambda: under_module(qosd), "adopted", LONG)
        expect(threads(nl)[one.pid]["STREAM"], held[one.pid]["STREAM"])
        until(lambda: jobs(qosd) >= done, "counters go on", LONG)
        # nobody claims the other any more
        until(lambda: two.pid not in threads(nl), "pruned", LONG)
        expect(policy(two.pid)[0], os.SCHED_OTHER)
        # set, ordered, its table taken off; the other's contract and thread: never given back
        changes = nl.get("INFO_GET", "INFO")["GENERATION"] - generation
        expect(changes <= 5, True, changes)
        qosd.stop()
        expect(policy(one.pid)[0], os.SCHED_OTHER)


def test_what_was_native_goes_to_the_module():
    """It came while nobody ran, and takes no thread under SCHED_DEADLINE."""
    with daemon() as qosd:
        qosd.write("one", contract("one"))
        qosd.start()
        program = start_program(qosd, "one")
        until(lambda: policy(program.pid)[0] == SCHED_DEADLINE, "it is under SCHED_DEADLINE", LONG)
        kill_daemon(qosd)
        with module() as nl:
            qosd.start()
            until(lambda: under_module(qosd), "it is the module's", LONG)
            expect("kernel" in kinds(qosd), False, "a refusal")
            expect(nl.get("THREAD_GET", "THREAD", TID=program.pid)["POLICY"], os.SCHED_OTHER)
            qosd.stop()
        expect(policy(program.pid), (os.SCHED_OTHER, 0, False))


def test_what_its_death_leads_to():
    with module() as nl, daemon(lease="3s") as qosd:
        programs = {}
        for action in ("hold", "base", "release"):
            qosd.write(action, contract(action, "  range: {runtime: 2ms..10ms}\n", runtime="4ms",
                                        top=f"on-lease-expiry: {action}\n"))
        qosd.start()
        for action in ("hold", "base", "release"):
            programs[action] = start_program(qosd, action, 50, 1)
        for action in programs:
            until(lambda name=action: under_module(qosd, name), action, LONG)
            qosd.json("adjust", action, "cpu.runtime=6ms")
        streams = {name: threads(nl)[programs[name].pid]["STREAM"] for name in programs}
        began = time.monotonic()
        kill_daemon(qosd)
        until(lambda: programs["release"].pid not in threads(nl), "the lease expires", LONG)
        took = time.monotonic() - began
        print(f"        lease of 3 s, release after {took:.1f} s")
        expect(1.5 <= took <= 8, True, took)
        expect(policy(programs["release"].pid)[0], os.SCHED_OTHER)
        runtimes = {name: nl.get("STREAM_GET", "STREAM", ID=streams[name])["RUNTIME"] for name in streams}
        expect((runtimes["hold"], runtimes["base"]), (6 * MS, 4 * MS))
        expect(set(threads(nl)), {programs["hold"].pid, programs["base"].pid})
        # the next daemon puts all of it in force again
        qosd.start()
        for action in programs:
            until(lambda name=action: under_module(qosd, name), action, LONG)
        expect(len(threads(nl)), 3)
        expect(nl.get("INFO_GET", "INFO")["LEASE_STATE"], 1)


def test_panic_without_the_daemon():
    with module() as nl, daemon() as qosd:
        qosd.write("one", contract("one"))
        qosd.start()
        program = start_program(qosd, "one")
        before = (os.SCHED_OTHER, 0, False)
        until(lambda: under_module(qosd), "it is the module's", LONG)
        kill_daemon(qosd)
        expect(program.pid in threads(nl), True)
        done = qosd.json("panic")
        expect((done["restored"], done["failed"], done["by"]), (1, 0, "qosctl"))
        expect(threads(nl), {})
        expect(nl.dump("CONTRACT_GET", "CONTRACT"), [])
        expect(policy(program.pid), before)


def test_panic_with_it_and_back():
    with module() as nl, daemon() as qosd:
        qosd.write("one", contract("one"))
        qosd.start()
        program = start_program(qosd, "one")
        until(lambda: under_module(qosd), "it is the module's", LONG)
        expect(qosd.json("panic")["by"], "daemon")
        expect((threads(nl), policy(program.pid)[0]), ({}, os.SCHED_OTHER))
        qosd.json("reload")
        until(lambda: under_module(qosd) and program.pid in threads(nl), "back", LONG)


def ask_until(done, qosd, rng):
    """What clients do meanwhile; whether they are answered is not the question."""
    while not done.is_set():
        qosd.ctl(*rng.choice([["reload"], ["plan"], ["adjust", "one", f"cpu.runtime={rng.randint(2, 6)}ms"]]), check=False)


def test_many_kills():
    """The module goes on meanwhile with all that it has, and the counters never fall."""
    rng = random.Random(1)
    with module() as nl, daemon() as qosd:
        qosd.write("one", contract("one", "  range: {runtime: 2ms..6ms}\n"))
        qosd.write("two", contract("two"))
        qosd.start()
        pids = {start_program(qosd, name).pid for name in ("one", "two")}
        until(lambda: under_module(qosd) and under_module(qosd, "two") and jobs(qosd) > 5, "jobs", LONG)
        for _ in range(KILLS):
            before, done = jobs(qosd), threading.Event()
            client = threading.Thread(target=ask_until, args=(done, qosd, rng))
            client.start()
            time.sleep(rng.uniform(0, 2))
            qosd.daemon.kill()
            done.set()
            client.join()
            kill_daemon(qosd)
            expect(set(threads(nl)), pids)
            qosd.start()
            until(lambda: under_module(qosd) and under_module(qosd, "two"), "both are taken over", LONG)
            expect(jobs(qosd) >= before, True, (jobs(qosd), before))
            expect(set(threads(nl)), pids)


def test_kills_while_the_module_comes_and_goes():
    rng = random.Random(2)
    with daemon() as qosd:
        qosd.write("one", contract("one"))
        qosd.start()
        program = start_program(qosd, "one")
        for change in [load, unload] * 2:
            changing = threading.Thread(target=change)
            changing.start()
            time.sleep(rng.uniform(0, 1))
            kill_daemon(qosd)
            changing.join()
            qosd.start()
            until(lambda there=change is load: bool(under_module(qosd)) == there, f"as after {change.__name__}", LONG)
            until(lambda: policy(program.pid)[0] != os.SCHED_OTHER, "it is scheduled", LONG)


def test_a_native_daemon_clears_what_is_left():
    with module() as nl, daemon() as qosd:
        qosd.write("one", contract("one"))
        qosd.start()
        start_program(qosd, "one")
        until(lambda: under_module(qosd), "it is the module's", LONG)
        kill_daemon(qosd)
        with open(qosd.config, "w", encoding="utf-8") as out:
            out.write(CONFIG.format(manager="native", monitor="bpf", lease="30s", slow_loop="500ms"))
        qosd.start()
        expect(threads(nl), {})
        expect(qosd.json("status")["module"]["state"], "not-wanted")
        until(lambda: qosd.stream("one")["threads"], "native", LONG)


def main():
    return run(chosen(globals()), twice=False)


if __name__ == "__main__":
    sys.exit(main())
