# SPDX-License-Identifier: GPL-2.0-only
"""Rules of contracts whose streams the module schedules, from the file to what is in force. As root in the
lab, after ./dev build and ./dev kmod rt:

    ./dev vm rt --cpus 1 --timeout 900 -- python3 -B tests/vm/test_rules.py [NAME...]
"""
import os
import signal
import subprocess
import sys

# pylint: disable=missing-function-docstring,wrong-import-position
from test_daemon import LONG, daemon, jobs, problem, start_program, under_module  # noqa: E402
from contracts import RANGE, contract as contract_text, rule, with_rules as text_with_rules  # noqa: E402
from lab_test import MS, chosen, counters, expect, load, module, run, unload, until  # noqa: E402

UP = rule("cpu.job", "cpu.used > 1us", "min(cpu.runtime + 1ms, 8ms)")


def with_rules(*rules, accept="best-effort", period="50ms", placement="kernel"):
    return text_with_rules(*rules, name="one", period=period, placement=placement, top=f"accept: {accept}\n")


def rules_of(qosd):
    return qosd.json("show", "one")["rules"]


def granted(qosd):
    return qosd.stream("one")["runtime"]["granted_ns"]


def in_module(nl):
    """What the module itself says is in force."""
    return nl.dump("STREAM_GET", "STREAM")[0]["RUNTIME"]


def begin(qosd, text, work_ms=2):
    qosd.write("one", text)
    qosd.start()
    program = start_program(qosd, "one", 50, work_ms)
    until(lambda: under_module(qosd), "it is the module's", LONG)
    until(lambda: jobs(qosd) > 3, "jobs", LONG)
    return program


def cannot_be_unloaded():
    done = subprocess.run(["rmmod", "qos_dwcs"], capture_output=True, text=True, check=False)
    return done.returncode != 0 and "in use" in done.stderr


def test_rules_act_in_the_module():
    with module() as nl, daemon() as qosd:
        begin(qosd, with_rules(UP))
        until(lambda: in_module(nl) == 8 * MS, "the top of the range, in the kernel", LONG)
        until(lambda: granted(qosd) == 8 * MS, "and the daemon knows", LONG)
        rules = rules_of(qosd)
        expect(rules["state"], "running")
        expect((rules["set"] >= 4, rules["runs"] > 3, rules["ns_a_run"] > 0), (True, True, True), rules)
        expect(rules["breaches"] + rules["dropped"], 0)
        expect("rules" in {a["by"] for a in qosd.json("show", "one")["adaptations"]}, True)
        expect(cannot_be_unloaded(), True)
        qosd.write("one", contract_text("one", RANGE, period="50ms", top="accept: best-effort\n"))
        qosd.ctl("reload")
        expect(rules_of(qosd), None)
        unload()
        until(lambda: not under_module(qosd), "the contract went on without it", LONG)
        load()


def test_ticks_and_signals():
    with module(), daemon() as qosd:
        begin(qosd, with_rules(rule("tick 500ms", "cpu.jobs > 0", emit="busy"),
                               rule("cpu.job", "cpu.used > 0ms", emit="done"),
                               rule("tick 1s", "cpu.used.p99 < 40ms and cpu.used.p50 > 1us", "3ms")))
        until(lambda: {"busy", "done"} <= {e["text"] for e in qosd.json("events", "one")["events"]
                                           if e["kind"] == "signal"}, "both signals", LONG)
        until(lambda: granted(qosd) == 3 * MS, "a tick sets it", LONG)


def test_who_overruns_is_given_more_at_once():
    """Each job begins with less than it needs, beside one who takes what is left to SCHED_OTHER; nobody is demoted for
    it."""
    with module() as nl, daemon() as qosd:
        text = with_rules(rule("cpu.overrun", "cpu.slack > 0ms", "150ms"), rule("cpu.job", None, "2ms"), period="400ms")
        qosd.write("one", text.replace(RANGE, "  range: {runtime: 2ms..150ms}\n"))
        qosd.start()
        qosd.run("nice", "-n", "-20", "sh", "-c", "while :; do :; done")
        start_program(qosd, "one", 400, 5)
        until(lambda: under_module(qosd), "it is the module's", LONG)
        until(lambda: rules_of(qosd)["set"] > 4, "more and less", LONG)
        before, demoted = qosd.stream("one")["stats"], counters(nl)["DEMOTED"]
        until(lambda: jobs(qosd) > before["jobs"] + 30, "jobs", LONG)
        overruns = qosd.stream("one")["stats"]["overruns"] - before["overruns"]
        demoted = counters(nl)["DEMOTED"] - demoted
        expect((overruns >= 8, demoted * 4 <= overruns), (True, True), (overruns, demoted, rules_of(qosd)))


def test_a_request_is_given_more_eight_times():
    """A rule that raises by a little would run for each bit."""
    with module(), daemon() as qosd:
        text = with_rules(rule("cpu.overrun", None, "min(cpu.runtime + 1ms, 150ms)"), rule("cpu.job", None, "2ms"),
                          period="400ms")
        qosd.write("one", text.replace(RANGE, "  range: {runtime: 2ms..150ms}\n"))
        qosd.start()
        start_program(qosd, "one", 400, 60)
        until(lambda: under_module(qosd), "it is the module's", LONG)
        until(lambda: jobs(qosd) > 2, "jobs", LONG)
        before, runs = qosd.stream("one")["stats"], rules_of(qosd)["runs"]
        until(lambda: jobs(qosd) > before["jobs"] + 20, "jobs", LONG)
        after, runs = qosd.stream("one")["stats"], rules_of(qosd)["runs"] - runs
        requests = after["served"] + after["lost"] - before["served"] - before["lost"]
        expect((runs > requests, runs <= 10 * (requests + 1)), (True, True), (runs, requests))


def test_late_while_the_job_runs_on():
    with module(), daemon() as qosd:
        qosd.write("one", with_rules(rule("cpu.late", "cpu.slack < 0ms", emit="late")))
        qosd.start()
        start_program(qosd, "one", 50, 700)
        until(lambda: under_module(qosd), "it is the module's", LONG)
        until(lambda: rules_of(qosd)["signals"] > 0, "late", LONG)
        expect(jobs(qosd), 0, "the first one runs on")


def test_not_late_when_in_time():
    with module(), daemon() as qosd:
        begin(qosd, with_rules(rule("cpu.late", emit="late")))
        until(lambda: jobs(qosd) > 60, "jobs", LONG)
        expect(rules_of(qosd)["runs"] <= qosd.stream("one")["stats"]["late"], True, rules_of(qosd))


def test_a_person_and_other_versions():
    with module() as nl, daemon() as qosd:
        begin(qosd, with_rules(UP))
        until(lambda: granted(qosd) == 8 * MS, "the top of the range", LONG)
        qosd.ctl("adjust", "one", "cpu.runtime=3ms")
        expect((granted(qosd), in_module(nl)), (3 * MS, 3 * MS))
        until(lambda: rules_of(qosd)["refused"]["held"] > 0, "a refusal", LONG)
        expect((granted(qosd), in_module(nl)), (3 * MS, 3 * MS))
        qosd.ctl("revert", "one")
        until(lambda: granted(qosd) == 8 * MS, "rules go on", LONG)
        runs = rules_of(qosd)["runs"]
        qosd.write("one", with_rules(UP.replace("8ms", "7ms")))
        qosd.ctl("reload")
        expect(rules_of(qosd)["runs"] >= runs, True)
        until(lambda: granted(qosd) == 7 * MS, "the new rule", LONG)
        qosd.write("one", with_rules(rule("cpu.job", value="5ms")))
        qosd.ctl("reload")
        until(lambda: granted(qosd) == 5 * MS, "another rule", LONG)


def test_quarantine():
    with module() as nl, daemon() as qosd:
        begin(qosd, with_rules(rule("cpu.job", value="10ms - cpu.runtime"), rule("cpu.job", value="2ms")))
        until(lambda: rules_of(qosd)["state"] == "quarantined", "quarantine", LONG)
        expect((granted(qosd), in_module(nl)), (4 * MS, 4 * MS))
        runs = rules_of(qosd)["runs"]
        done = jobs(qosd)
        until(lambda: jobs(qosd) > done + 5, "it goes on", LONG)
        expect(rules_of(qosd)["runs"], runs, "no event is raised")
        qosd.ctl("readmit", "one")
        expect(rules_of(qosd)["state"], "running")
        until(lambda: rules_of(qosd)["runs"] > runs, "they run again", LONG)


def test_rules_move_with_the_contract():
    """From the kernel's own scheduling to the module and back; what they remember goes along."""
    with daemon() as qosd:
        qosd.write("one", with_rules(UP))
        qosd.start()
        start_program(qosd, "one")
        until(lambda: rules_of(qosd)["set"] > 0, "without the module", LONG)
        load()
        until(lambda: under_module(qosd), "it is the module's", LONG)
        until(lambda: rules_of(qosd)["state"] == "running" and cannot_be_unloaded(), "with it", LONG)
        until(lambda: granted(qosd) == 8 * MS, "the top of the range", LONG)
        qosd.stop(signal.SIGKILL)
        unload()  # what held it died with the daemon
        qosd.start()
        until(lambda: granted(qosd) == 8 * MS, "without it again", LONG)


def test_a_killed_daemon_is_followed():
    with module() as nl, daemon() as qosd:
        begin(qosd, with_rules(UP))
        until(lambda: granted(qosd) == 8 * MS, "the top of the range", LONG)
        qosd.stop(signal.SIGKILL)
        qosd.start()
        until(lambda: rules_of(qosd)["state"] == "running" and in_module(nl) == 8 * MS, "again", LONG)
        qosd.ctl("panic")
        expect(rules_of(qosd)["state"], "not loaded")
        qosd.ctl("reload")
        until(lambda: granted(qosd) == 8 * MS, "they are back", LONG)
        expect(problem(qosd, "rules"), False)


def test_rules_in_a_process():
    """What they ask for is judged by the module."""
    with module() as nl, daemon() as qosd:
        begin(qosd, with_rules(UP, rule("tick 500ms", "cpu.jobs > 0", emit="busy"), placement="user"))
        until(lambda: in_module(nl) == 8 * MS, "the top of the range, in the kernel", LONG)
        until(lambda: granted(qosd) == 8 * MS, "and the daemon knows", LONG)
        until(lambda: rules_of(qosd)["signals"] > 0, "a tick", LONG)
        rules = rules_of(qosd)
        expect((rules["state"], rules["placement"]), ("running", "user"))
        expect((rules["set"] >= 4, rules["runs"] > 3, rules["dropped"]), (True, True, 0), rules)
        qosd.write("one", with_rules(UP.replace("8ms", "7ms"), placement="user"))
        qosd.ctl("reload")
        until(lambda: in_module(nl) == 7 * MS, "the next version", LONG)
        os.kill(rules_of(qosd)["pid"], signal.SIGKILL)
        until(lambda: rules_of(qosd)["state"] == "quarantined", "quarantine", LONG)
        expect((granted(qosd), in_module(nl)), (4 * MS, 4 * MS))
        qosd.ctl("readmit", "one")
        until(lambda: in_module(nl) == 7 * MS, "they act again", LONG)
        unload_after(qosd, with_rules(UP, placement="kernel"))


def unload_after(qosd, text):
    """With rules in the module, whose counters go on, and then without it."""
    runs = rules_of(qosd)["runs"]
    qosd.write("one", text)
    qosd.ctl("reload")
    expect((rules_of(qosd)["placement"], rules_of(qosd)["pid"]), ("kernel", None))
    until(lambda: rules_of(qosd)["runs"] > runs and granted(qosd) == 8 * MS, "in the kernel", LONG)
    qosd.write("one", contract_text("one", RANGE, period="50ms", top="accept: best-effort\n"))
    qosd.ctl("reload")
    unload()
    load()


def test_events_without_room_are_counted():
    with module(), daemon() as qosd:
        qosd.write("one", with_rules(UP, period="10ms", placement="user"))
        qosd.start()
        start_program(qosd, "one", 10, 1)
        until(lambda: under_module(qosd) and rules_of(qosd)["runs"] > 3, "it is the module's", LONG)
        os.kill(rules_of(qosd)["pid"], signal.SIGSTOP)
        until(lambda: rules_of(qosd)["state"] == "quarantined", "it does not answer", LONG)
        expect(rules_of(qosd)["dropped"] > 0, True)


if __name__ == "__main__":
    sys.exit(run(chosen(globals())))
