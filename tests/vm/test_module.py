# SPDX-License-Identifier: GPL-2.0-only
"""What the module does, one thing a test. As root in the lab: ./dev vm rt -- python3 tests/vm/test_module.py

Two CPUs, real time: nothing here depends on how fast the emulated machine is, but for generous timeouts.
"""
import os
import resource
import struct
import subprocess
import sys
import time

# pylint: disable=missing-function-docstring
from lab_test import (HISTOGRAMS, MS, N, Netlink, Program, Refused, attach, build_worker, chosen, contract,
                      counters, expect, module, policy, puppet, run, stats, stream, until, worker, FIFO,
                      OTHER, RR, BATCH, ALL, in_band, refused, events, listener)
import module_changes
import module_claims


# --- the family ---

def test_info_and_config():
    with module() as nl:
        info = nl.get("INFO_GET", "INFO")
        expect((info["VERSION"], info["BAND_FIRST"], info["BAND_LAST"]), (1, 10, 40))
        nl.set("CONFIG_SET", "CONFIG", BAND_FIRST=20, BAND_LAST=30, CAP_PPM=800000, LEASE=10000 * MS)
        info = nl.get("INFO_GET", "INFO")
        expect((info["BAND_LAST"], info["CAP_PPM"], info["LEASE_STATE"]), (30, 800000, 1))
        refused("three priorities", nl.set, "CONFIG_SET", "CONFIG", BAND_FIRST=29)
        refused("out of range", nl.set, "CONFIG_SET", "CONFIG", CAP_PPM=999999)
        refused("100 ms", nl.set, "CONFIG_SET", "CONFIG", LEASE=5)
        expect(nl.get("INFO_GET", "INFO")["BAND_FIRST"], 20)


def test_dump_to_a_fresh_socket():
    """The first message of a dump is small by default; it must have room for the largest object."""
    with module() as nl:
        contract(nl, "a", *[{**stream(i), "NAME": f"{i:a>31}"} for i in range(1, 33)])
        contract(nl, "b", stream(100))
        expect([s["ID"] for s in Netlink(nl).dump("STREAM_GET", "STREAM")], list(range(1, 33)) + [100])
        expect([len(c["STREAM"]) for c in Netlink(nl).dump("CONTRACT_GET", "CONTRACT")], [32, 1])


def test_refusals():
    with module() as nl:
        def bad(words, **change):
            refused(words, contract, nl, "a", {**stream(1), **change})
        bad("deadline is longer", DEADLINE=30 * MS)
        bad("longer than the deadline", RUNTIME=25 * MS, RUNTIME_MIN=1, RUNTIME_MAX=25 * MS)
        bad("between RUNTIME_MIN", RUNTIME_MIN=6 * MS)
        bad("more losses", X=3, Y=2)
        bad("out of range", Y=2000)
        bad("out of range", PERIOD=1000)
        bad("probes", JOB=N["JOB_PROBES"])
        bad("name is", NAME="Upper")
        bad("rounded down", RATE_MHZ=30000)
        refused("same id", contract, nl, "a", stream(1), stream(1))
        refused("missing", contract, nl, "a", {"ID": 1})
        refused("too many streams", contract, nl, "a", *[stream(i) for i in range(1, 40)])
        refused("no such contract", nl.set, "CONTRACT_DELETE", "CONTRACT", NAME="a")
        refused("no such stream", attach, nl, os.getpid(), 1)
        expect(nl.get("INFO_GET", "INFO")["STREAMS"], 0)
        contract(nl, "packets")  # with flows alone
        contract(nl, "a", stream(1))
        refused("another contract", contract, nl, "b", stream(1))
        refused("no such thread", attach, nl, 999999, 1)
        refused("kernel threads", attach, nl, 2, 1)
        refused("not online", attach, nl, os.getpid(), 1, 77)
        refused("by now", nl.set, "ATTACH", "THREAD", TID=os.getpid(), STREAM=1, CPU=0, START=1)
        refused("no such thread", nl.set, "DETACH", "THREAD", TID=os.getpid())
        refused("between", nl.set, "STREAM_SET", "STREAM", ID=1, RUNTIME=9 * MS)
        refused("no lease", nl.set, "LEASE_RENEW", "INFO")
        try:
            nl.raw(nl.family, N["CMD_FLUSH"], struct.pack("=HHI", 8, 1, 0))
        except Refused:
            return
        raise AssertionError("an unknown attribute was not refused")


def test_unprivileged():
    with module() as nl:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.setuid(65534)
                mine = Netlink()
                mine.get("INFO_GET", "INFO")
                mine.set("FLUSH", "INFO")
            except Refused:
                code = 0
            finally:
                os._exit(code)
        expect(os.waitpid(child, 0)[1], 0, "exit code")
        expect(nl.get("INFO_GET", "INFO")["CONTRACTS"], 0)


def test_contracts_round_trip():
    with module() as nl:
        full = stream(7, 33.333333, 8, 1, 10, RATE_MHZ=30000, DEADLINE=20 * MS, RUNTIME_MIN=4 * MS,
                      RUNTIME_MAX=12 * MS, RUNTIME_BASE=6 * MS, OVERRUN=N["OVERRUN_ALLOW"],
                      SILENCE=N["SILENCE_LOST"], LATENCY=200000, MAX_THREADS=3, JOB=N["JOB_PERIOD"])
        contract(nl, "cam", full, stream(8), ON_EXPIRY=2, ON_DRIFT=1)
        got = nl.get("CONTRACT_GET", "CONTRACT", NAME="cam")
        expect((got["ON_EXPIRY"], got["ON_DRIFT"], len(got["STREAM"])), (2, 1, 2))
        expect({k: got["STREAM"][0][k] for k in full}, full)
        contract(nl, "cam", stream(8, runtime=4), stream(9))
        expect([s["ID"] for s in nl.dump("STREAM_GET", "STREAM")], [8, 9])
        nl.set("CONTRACT_DELETE", "CONTRACT", NAME="cam")
        expect(nl.dump("STREAM_GET", "STREAM"), [])


def test_dumps_resume():
    with module() as nl:
        for i in range(100):
            contract(nl, f"c{i}", *[stream(10 * i + j) for j in range(1, 5)])
        ids = [s["ID"] for s in nl.dump("STREAM_GET", "STREAM")]
        expect(ids, [10 * i + j for i in range(100) for j in range(1, 5)])
        expect(len(nl.dump("CONTRACT_GET", "CONTRACT")), 100)
        expect(nl.interrupted, False)
        refused("too many", lambda: [contract(nl, f"d{i}", stream(5000 + i)) for i in range(200)])


def test_dump_is_interrupted():
    with module() as nl, module_other() as other:
        for i in range(100):
            contract(nl, f"c{i}", *[stream(10 * i + j) for j in range(1, 5)])
        nl.send(nl.family, N["CMD_STREAM_GET"], b"", 0x300)
        seen = list(nl.messages())
        other.set("STREAM_SET", "STREAM", ID=1, RUNTIME=5 * MS)
        flags = 0
        while True:
            for kind, mflags, _, _ in nl.messages():
                flags |= mflags
                seen.append(kind)
            if 3 in seen:
                break
        expect(bool(flags & 16), True, "NLM_F_DUMP_INTR")


def module_other():
    class Other:
        def __enter__(self):
            return Netlink()

        def __exit__(self, *_):
            pass
    return Other()


# --- threads ---

def check_restored(set_up, wanted):
    with module() as nl, puppet() as p:
        set_up(p.pid)
        contract(nl, "a", stream(1))
        attach(nl, p.pid, 1, 1)
        until(lambda: in_band(p.pid), "in the band")
        expect(os.sched_getaffinity(p.pid), {1})
        refused("already", attach, nl, p.pid, 1)
        nl.set("DETACH", "THREAD", TID=p.pid)
        expect(policy(p.pid), wanted)
        expect(os.sched_getaffinity(p.pid), ALL)


def test_detach_restores_other():
    check_restored(lambda pid: os.setpriority(os.PRIO_PROCESS, pid, 7), (OTHER, 0, False))


def test_detach_restores_batch():
    check_restored(lambda pid: os.sched_setscheduler(pid, BATCH, os.sched_param(0)), (BATCH, 0, False))


def test_detach_restores_rr():
    check_restored(lambda pid: os.sched_setscheduler(pid, RR | 0x40000000, os.sched_param(55)), (RR, 55, True))


def test_detach_restores_affinity():
    with module() as nl, puppet() as p:
        os.sched_setaffinity(p.pid, {1})
        contract(nl, "a", stream(1))
        refused("affinity", attach, nl, p.pid, 1, 0)
        attach(nl, p.pid, 1, 1)
        nl.set("CONTRACT_DELETE", "CONTRACT", NAME="a")
        expect((policy(p.pid)[0], os.sched_getaffinity(p.pid)), (OTHER, {1}))


def test_flush():
    with module() as nl, puppet() as p, worker(20000, 3000) as w:
        contract(nl, "a", stream(1), stream(2))
        attach(nl, p.pid, 1)
        attach(nl, w.pid, 2)
        w.go()
        until(lambda: stats(nl, 2)["SERVED"] > 3, "served")
        nl.set("FLUSH", "INFO")
        for pid in (p.pid, w.pid):
            expect((policy(pid), os.sched_getaffinity(pid)), ((OTHER, 0, False), ALL))
        expect(nl.get("INFO_GET", "INFO")["THREADS"], 0)


def test_helpers_are_raised_and_restored():
    def priority(name):
        out = subprocess.run(["ps", "-eLo", "rtprio,comm"], stdout=subprocess.PIPE, text=True, check=True)
        return [line.split()[0] for line in out.stdout.splitlines() if line.split()[1:] == [name]]
    names = ("ktimers/1", "rcuc/1", "irq_work/1")
    before = {n: priority(n) for n in names}
    with module() as nl, puppet() as p:
        contract(nl, "a", stream(1))
        attach(nl, p.pid, 1, 1)
        for name in names:
            expect(priority(name), ["47"] if before[name] else [], name)
        expect(priority("qos_dwcs/1"), ["49"])
        expect(priority("ktimers/0"), before["ktimers/1"])
        nl.set("DETACH", "THREAD", TID=p.pid)
        expect({n: priority(n) for n in names}, before)
        expect(priority("qos_dwcs/1"), [])


def test_fork_gives_the_child_what_the_parent_had():
    with module() as nl, puppet() as p:
        os.sched_setscheduler(p.pid, RR, os.sched_param(7))
        contract(nl, "a", stream(1))
        attach(nl, p.pid, 1)
        until(lambda: in_band(p.pid), "in the band")
        pids = [int(n) for n in p.ask("grandchildren 5").split()] + [int(p.ask("fork"))]
        for pid in pids:
            until(lambda pid=pid: policy(pid)[:2] == (RR, 7) and os.sched_getaffinity(pid) == ALL,
                  f"child as its parent was: {policy(pid)} {os.sched_getaffinity(pid)}")
        subprocess.run(["kill", "-9", *map(str, pids)], check=True)


def test_exit_is_noticed():
    with module() as nl, puppet() as p:
        heard = listener()
        contract(nl, "a", stream(1))
        attach(nl, p.pid, 1)
        p.go("leave")
        event = events(heard, "GONE")
        expect((event["STREAM"], event["TID"]), (1, p.pid))
        until(lambda: nl.dump("THREAD_GET", "THREAD") == [], "no thread")
        expect(nl.get("STREAM_GET", "STREAM", ID=1)["THREADS"], 0)


def test_exec_is_noticed():
    with module() as nl, puppet() as p:
        heard = listener()
        contract(nl, "a", stream(1))
        attach(nl, p.pid, 1)
        expect(p.ask("exec_self"), "ready")
        expect(events(heard, "EXEC")["TID"], p.pid)
        expect(len(nl.dump("THREAD_GET", "THREAD")), 1)


# --- requests ---

def test_windows_are_counted():
    with module() as nl, worker(20000, 2000, "-n", 100) as w:
        contract(nl, "a", stream(1, y=5))
        attach(nl, w.pid, 1)
        w.go()
        w.process.wait()
        got = until(lambda: nl.get("STREAM_GET", "STREAM", ID=1) if not nl.dump("THREAD_GET", "THREAD") else None,
                    "the end")["STATS"]
        requests = got["SERVED"] + got["LOST"]
        if not 95 <= requests <= 110:
            raise AssertionError(f"{requests} requests of 100 jobs")
        expect(got["WINDOWS"], requests // 5)
        expect(sum(got["RESPONSE"]), got["JOBS"])
        expect(sum(got["SLACK"]) + got["LATE"], got["JOBS"])
        if not 90 <= got["JOBS"] <= 101 or not got["USED"] >= 180 * MS:
            raise AssertionError({k: v for k, v in got.items() if k not in HISTOGRAMS})


def test_silence_is_lost():
    with module() as nl, puppet() as p:
        contract(nl, "a", stream(1, SILENCE=N["SILENCE_LOST"], x=0, y=2))
        attach(nl, p.pid, 1)
        p.ask("naps 1 0.01")
        p.ask("naps 1 2")
        lost = stats(nl, 1)["LOST"]
        if not 95 <= lost <= 105:
            raise AssertionError(f"{lost} lost in 100 silent periods")


def test_overrun_is_demoted_and_comes_back():
    with module() as nl, worker(20000, 60000, "-x") as w, Program("/bin/sh", "-c", "echo ready; read x; while :; do :; done") as hog:
        heard = listener()
        os.sched_setaffinity(hog.pid, {0})
        contract(nl, "a", stream(1, 100, 20))
        attach(nl, w.pid, 1)
        w.go()
        hog.go()
        expect(events(heard, "OVERRUN")["STREAM"], 1)
        seen = set()
        until(lambda: seen.add(policy(w.pid)[0]) or seen == {OTHER, FIFO}, "both policies")
        until(lambda: stats(nl, 1)["OVERRUNS"] > 20, "overruns")
        if cpu_seconds(hog.pid) < 0.3:
            raise AssertionError("SCHED_OTHER got no time")


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_never_other_while_asleep():
    with module() as nl, puppet() as p:
        contract(nl, "a", stream(1, 200, 20))
        attach(nl, p.pid, 1)
        p.ask("burn 0.08")
        until(lambda: stats(nl, 1)["OVERRUNS"] > 0, "overrun")
        until(lambda: in_band(p.pid), "asleep in the band")


def test_allow_stays_in_the_band():
    """Twice its budget in each period, but far from the cap and from the pace of spare work."""
    with module() as nl, worker(100000, 40000) as w:
        contract(nl, "a", stream(1, 100, 20, OVERRUN=N["OVERRUN_ALLOW"]))
        attach(nl, w.pid, 1)
        w.go()
        until(lambda: stats(nl, 1)["OVERRUNS"] > 5, "overruns")
        expect(counters(nl)["DEMOTED"], 0)


def test_the_cap_leaves_something():
    with module() as nl, worker(20000, 60000, "-x") as w, worker(30000, 60000, "-x") as v:
        with Program("/bin/sh", "-c", "echo ready; read x; while :; do :; done") as hog:
            os.sched_setaffinity(hog.pid, {0})
            both = {"OVERRUN": N["OVERRUN_ALLOW"]}
            nl.set("CONFIG_SET", "CONFIG", CAP_PPM=500000, CAP_INTERVAL=200 * MS)
            contract(nl, "a", stream(1, 20, 20, **both), stream(2, 30, 30, **both))
            attach(nl, w.pid, 1)
            attach(nl, v.pid, 2)
            for program in (w, v, hog):
                program.go()
            until(lambda: counters(nl)["CAPPED"] > 2, "the cap")
            begin, start, from_ = cpu_seconds(hog.pid), time.monotonic(), counters(nl)["MANAGED"]
            time.sleep(4)
            span = time.monotonic() - start
            managed = (counters(nl)["MANAGED"] - from_) / 1e9 / span
            if managed > 0.55 or cpu_seconds(hog.pid) - begin < 0.1 * span:
                raise AssertionError(f"managed {managed:.2f}, other {(cpu_seconds(hog.pid) - begin) / span:.2f}")


def test_change_of_runtime():
    with module() as nl, worker(20000, 3000) as w:
        contract(nl, "a", stream(1, RUNTIME_MIN=1 * MS, RUNTIME_MAX=9 * MS))
        attach(nl, w.pid, 1)
        w.go()
        until(lambda: stats(nl, 1)["SERVED"] > 3, "served")
        nl.set("STREAM_SET", "STREAM", ID=1, RUNTIME=1 * MS)
        until(lambda: stats(nl, 1)["OVERRUNS"] > 3, "overruns with less")
        nl.set("STREAM_SET", "STREAM", ID=1, RUNTIME=9 * MS)
        served = stats(nl, 1)["SERVED"]
        until(lambda: stats(nl, 1)["SERVED"] > served + 5, "served again")
        contract(nl, "a", stream(1, 40, 3))
        until(lambda: stats(nl, 1)["SERVED"] > served + 12, "served with another period")


def test_orderings():
    with module() as nl, worker(20000, 3000) as w, worker(20000, 3000) as v:
        contract(nl, "a", stream(1), stream(2))
        attach(nl, w.pid, 1)
        attach(nl, v.pid, 2)
        w.go()
        v.go()
        for ordering in range(7):
            nl.set("CPU_SET", "CPU", ID=0, ORDERING=ordering)
            expect(nl.get("CPU_GET", "CPU", ID=0)["ORDERING"], ordering)
            served = stats(nl, 1)["SERVED"], stats(nl, 2)["SERVED"]
            until(lambda s=served: stats(nl, 1)["SERVED"] > s[0] + 2 and stats(nl, 2)["SERVED"] > s[1] + 2,
                  f"served by ordering {ordering}")


def test_violation_tells_who_ran():
    with module() as nl, worker(20000, 15000) as w, worker(20000, 15000) as v:
        heard = listener()
        contract(nl, "a", stream(1, 20, 16, 0, 2), stream(2, 20, 16, 0, 2))
        attach(nl, w.pid, 1)
        attach(nl, v.pid, 2)
        w.go()
        v.go()
        event = events(heard, "VIOLATION")
        expect((event["CONTRACT"], event["CPU"], event["OUTCOMES_N"]), ("a", 0, 2))
        span = event["TO"] - event["FROM"]
        told = sum(i["TIME"] for i in event["INSTEAD"])
        if not event["LOST"] or abs(told - span) > span // 100:
            raise AssertionError(event)
        seen, last = 0, None
        end = time.monotonic() + 3
        while time.monotonic() < end:
            for _, fields in heard.heard(0.3):
                seen += fields["KIND"] == N["EVENT_VIOLATION"]
                if last is not None:
                    expect(fields["SEQ"], last + 1, "sequence")
                last = fields["SEQ"]
        if not 1 <= seen <= 35:
            raise AssertionError(f"{seen} violations told in 3 s")


def test_telemetry():
    with module() as nl, worker(20000, 3000) as w:
        heard = listener("telemetry")
        contract(nl, "a", stream(1), stream(2))
        attach(nl, w.pid, 1)
        w.go()
        nl.set("CONFIG_SET", "CONFIG", TELEMETRY=100 * MS)
        messages = []
        until(lambda: messages.extend(heard.heard(1)) or len(messages) >= 10, "10 messages")
        expect([f["SEQ"] for _, f in messages], list(range(1, len(messages) + 1)))
        expect({f["ID"] for _, f in messages}, {1, 2})
        if messages[-1][1]["TIME"] <= messages[0][1]["TIME"]:
            raise AssertionError("time stands still")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_RTPRIO, (99, 99))
    build_worker()
    sys.exit(run(chosen({**globals(), **vars(module_changes), **vars(module_claims)})))
