# SPDX-License-Identifier: GPL-2.0-only
"""One daemon after another dies by SIGKILL, under load and while clients change what they can.

What is judged: a thread of a contract that stays in force is never without its policy for longer than one period
(kills_watch.py looks), queues of a link stay while nobody runs, what was acknowledged is there after the next start,
and nothing is left behind: no descriptor, BPF object, pin or file beyond what the first start had.
"""
import collections
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import kills_leaks as leaks
from contracts import PERIODIC, PYTHON, RANGE, contract, rule, with_rules
from instance import SCHED_DEADLINE, Instance, policy, until
from test_network import CAPACITY, Namespace
from test_network import contract as flow

WATCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kills_watch.py")
PERIOD_MS, CHECK_EACH = 50, 50
POLICY = {"deadline": [SCHED_DEADLINE], "fifo": [os.SCHED_FIFO], "dwcs": [os.SCHED_FIFO, os.SCHED_OTHER]}
FIXED = ("dead", "fifo", "rule", "over", "temp")
CHURN = ("one", "two")


def small(name, extra="", runtime="2ms", top=""):
    return contract(name, extra, period=f"{PERIOD_MS}ms", runtime=runtime, top="accept: best-effort\n" + top)


def texts():
    """Of the contracts that stay in force."""
    pinned = "  cpus: 0\n" if os.cpu_count() > 1 else ""
    return {"dead": small("dead"), "fifo": small("fifo", pinned), "over": small("over", RANGE),
            "rule": with_rules(rule("cpu.job", "cpu.used > 1us", "min(cpu.runtime + 1ms, 4ms)"), name="rule",
                               period=f"{PERIOD_MS}ms", runtime="2ms", top="accept: best-effort\n")}


class Disturbed(Exception):
    """Nothing can be said: another daemon runs on this machine."""


class Kills:
    """A context manager: the daemon in a network namespace, its programs, load, and the watcher, who gets `watching`."""

    niceness = 0  # of the load

    def __init__(self, seed, namespace=Namespace, watching=()):
        self.random = random.Random(seed)
        self.ns, self.watching = namespace(f"qosd-kills-{os.getpid()}"), watching
        self.qosd = Instance(CAPACITY % "")
        self.faults, self.restarts = [], []
        self.adjusted = {3.0}  # ms, one of them
        self.pending = None    # a confirmation is due: True, False, None (nobody was told)
        self.objects = {}      # all that a daemon had, by kind and number
        self.kept = None       # those of them that stay when it dies
        self.watcher = None
        self.done = 0
        self.began = []        # (when, which kill)
        self.churned = {}
        self.working = threading.Event()

    def __enter__(self):
        try:
            self.begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def begin(self):
        qosd = self.qosd
        self.watched = os.path.join(qosd.dir, "watched")
        # pylint: disable=consider-using-with
        self.watcher = subprocess.Popen([PYTHON, "-B", WATCH, self.watched, *self.watching], stdin=subprocess.PIPE, text=True)
        for name, text in texts().items():
            qosd.write(name, text)
        qosd.write("rtp", flow())
        self.fixed = {name: qosd.run(PYTHON, PERIODIC, name, str(PERIOD_MS), "0.3") for name in FIXED}
        for _ in range(os.cpu_count()):
            qosd.run("nice", "-n", str(self.niceness), PYTHON, "-c", "while True: pass")
        time.sleep(1)
        self.start()
        with open(os.path.join(qosd.dir, "temp.new"), "w", encoding="utf-8") as out:
            out.write(small("temp"))
        qosd.ctl("apply", "--runtime", os.path.join(qosd.dir, "temp.new"))
        qosd.ctl("adjust", "over", "cpu.runtime=3ms", "--for", "1h")
        for name, program in self.fixed.items():
            until(f"{name} is scheduled", lambda name=name, pid=program.pid: self.is_scheduled(name, pid))
        self.baseline = self.counted()
        words = [word for program in self.fixed.values() for word in (program.pid, PERIOD_MS)]
        print(*words, file=self.watcher.stdin, flush=True)

    def __exit__(self, *_):
        if self.watcher:
            self.watcher.stdin.close()
            self.watcher.wait()
        self.qosd.__exit__()
        self.ns.remove()

    def start(self, ready=True):
        self.qosd.start(ready, under=self.ns.enter())

    def fault(self, what):
        self.faults.append(what)
        print(f"FAULT  {what}", file=sys.stderr, flush=True)

    def expect(self, good, what):
        if not good:
            self.fault(what)

    # --- what clients do ---

    def tried(self, *words):
        try:
            return self.qosd.ctl(*words, check=False).returncode == 0
        except subprocess.TimeoutExpired:
            self.fault(f"qosctl {' '.join(words)} hangs")
            return False

    def adjust(self, rng):
        value = float(rng.randint(3, 6))
        self.adjusted = self.adjusted | {value}
        if self.tried("adjust", "over", f"cpu.runtime={value:g}ms", "--for", "1h"):
            self.adjusted = {value}

    def confirm(self, rng):
        """fifo is applied until it is confirmed; nobody but us does so."""
        path = os.path.join(self.qosd.dir, "fifo.new")
        with open(path, "w", encoding="utf-8") as out:
            out.write(texts()["fifo"].replace("2ms", "3ms"))
        due, self.pending = self.pending, None
        if due is False:
            self.pending = True if self.tried("apply", path, "--confirm", "1h") else None
        else:
            self.pending = False if self.tried("confirm", "--undo") else None

    def churn(self, rng):
        name = rng.choice(CHURN)
        step = rng.randrange(3)
        path = os.path.join(self.qosd.contracts, name + ".yaml")
        if step == 0:
            self.qosd.write(name, small(name, rng.choice(["", "  cpus: 0\n", RANGE]), rng.choice(["2ms", "3ms"])))
        elif step == 1 and os.path.exists(path):
            os.unlink(path)
        elif name in self.churned:
            self.churned.pop(name).kill()
        else:
            self.churned[name] = self.qosd.run(PYTHON, PERIODIC, name, str(PERIOD_MS), "0.3")
        self.qosd.daemon.send_signal(signal.SIGHUP)

    def work(self, seed, *steps):
        rng = random.Random(seed)
        while self.working.is_set():
            rng.choice(steps)(rng)
            time.sleep(rng.uniform(0, 0.03))

    def more_clients(self):
        """Lists of steps, of which one after another is taken."""
        return []

    def killed_under_load(self):
        reads = [lambda rng, words=words: self.tried(*words) for words in (["plan"], ["reload"], ["status"])]
        self.working.set()
        clients = [threading.Thread(target=self.work, args=(self.random.random(), *steps))
                   for steps in ([self.adjust, *reads], [self.confirm], [self.churn], *self.more_clients())]
        for client in clients:
            client.start()
        time.sleep(self.random.uniform(0, 0.5))
        self.objects |= leaks.objects_of(self.qosd.daemon.pid)
        self.qosd.daemon.kill()
        self.working.clear()
        for client in clients:
            client.join()
        self.qosd.stop(signal.SIGKILL)

    # --- what must hold ---

    def others(self):
        """Threads under SCHED_DEADLINE that are not ours, such as another qosd's: not free for contracts."""
        ours = {str(program.pid) for program in (self.watcher, *self.qosd.programs, self.qosd.daemon)}
        listed = subprocess.run(["ps", "-eLo", "pid=,cls=,rtprio=,comm="], capture_output=True, text=True, check=True)
        threads = [line.split(None, 3) for line in listed.stdout.splitlines()]
        return [" ".join(words) for words in threads if words[1] == "DLN" and words[0] not in ours]

    def check_state(self, where):
        qosd = self.qosd
        listed = {c["contract"]: c for c in qosd.json("list")["contracts"]}
        states = {name: brief["state"] for name, brief in listed.items()}
        if any(states.get(name) != "in-force" for name in FIXED) and self.others():
            raise Disturbed(f"{where}: others took what contracts need: {', '.join(self.others())}")
        for name in (*FIXED, "rtp"):
            self.expect(states.get(name) == "in-force", f"{where}: {name}: {listed.get(name)}")
        if states.get("over") != "in-force":
            return
        kept = (qosd.stream("over")["override"] or {"value_ns": 0})["value_ns"] / 1e6
        self.expect(kept in self.adjusted, f"{where}: over is adjusted to {kept}, not {self.adjusted}")
        self.adjusted = {kept}
        waits = qosd.json("status")["unconfirmed"] is not None
        self.expect(self.pending in (None, waits), f"{where}: unconfirmed {waits}, was {self.pending}")
        self.pending = waits
        with open(os.path.join(qosd.contracts, "fifo.yaml"), encoding="utf-8") as file:
            text = file.read()
        new, old = texts()["fifo"].replace("2ms", "3ms"), texts()["fifo"]
        self.expect(text in ((new, old) if waits else (old,)),  # begun, and not written yet: undone all the same
                    f"{where}: fifo.yaml, unconfirmed {waits}, says {text}")
        for name, program in {**self.fixed, **self.churned}.items():
            self.check_thread(where, name, program.pid, states.get(name) == "in-force")

    def is_scheduled(self, name, pid):
        stream = self.qosd.stream(name)
        return policy(pid)[0] in POLICY[stream["policy"]] and [t["tid"] for t in stream["threads"]] == [pid]

    def check_thread(self, where, name, pid, in_force):
        def good():
            return self.is_scheduled(name, pid) if in_force else policy(pid)[:2] == (os.SCHED_OTHER, 0)
        try:
            until("", good, 5)  # a program that starts may overrun, and is demoted until it sleeps
        except AssertionError:
            told = self.qosd.ctl("explain", str(pid), check=False).stdout
            self.fault(f"{where}: {name}, in force {in_force}, is {policy(pid)}: {told}")

    def counted(self):
        qosd = self.qosd
        return {"fds": leaks.descriptors(qosd.daemon.pid), "objects": len(leaks.objects_of(qosd.daemon.pid)),
                "files": leaks.files(qosd.run_dir, qosd.contracts), "pins": sorted(os.listdir(qosd.pin_dir)),
                "filters": len(self.ns.run("tc", "filter", "show", "dev", "va", "egress").splitlines())}

    def grown(self):
        """What is not as at first, by what it was and is. Of descriptors there may be fewer: parsers come and go."""
        now, was = self.counted(), self.baseline
        changed = {what: (was[what], now[what]) for what in was if what != "fds" and now[what] != was[what]}
        more = now["fds"] - was["fds"] - collections.Counter(socket=1)
        return {**changed, "fds": more} if more else changed

    def check_leaks(self, where):
        """Once what comes and goes has gone, all is as after the first start; once it died, only pins are left."""
        qosd = self.qosd
        for name in CHURN:
            if os.path.exists(os.path.join(qosd.contracts, name + ".yaml")):
                qosd.remove(name)
        for name in list(self.churned):
            self.churned.pop(name).kill()
        if self.pending:
            qosd.ctl("confirm", "--undo")
            self.pending = False
        qosd.ctl("reload")
        try:
            until("", lambda: not self.grown(), 5)
        except AssertionError:
            self.fault(f"{where}: {self.grown()}")
        self.objects |= leaks.objects_of(qosd.daemon.pid)
        qosd.stop(signal.SIGKILL)
        self.check_left(where)
        self.start()

    def left(self):
        alive = leaks.alive()
        return sorted(what for key, what in self.objects.items() if key in alive)

    def check_left(self, where):
        if self.kept is None:
            time.sleep(1)
            self.kept = self.left()
        try:
            until("", lambda: self.left() == self.kept, 5)
        except AssertionError:
            self.fault(f"{where}: {self.kept} became {self.left()}")

    # --- all of it ---

    def run(self, kills):
        self.check_leaks("at first")
        for number in range(1, kills + 1):
            where = f"kill {number}"
            self.began.append((time.monotonic(), where))
            self.killed_under_load()
            self.expect(self.ns.root()[:2] == ("htb", "5105:"), f"{where}: the queues are gone")
            if self.random.randrange(3) == 0:  # and again while it starts
                self.start(ready=False)
                time.sleep(self.random.uniform(0, 0.3))
                self.qosd.stop(signal.SIGKILL)
            begin = time.monotonic()
            self.start()
            self.restarts.append(time.monotonic() - begin)
            self.check_state(where)
            self.done = number
            if number % CHECK_EACH == 0 or number == kills:
                self.check_leaks(where)
                print(f"        {number} kills, {len(self.faults)} faults", file=sys.stderr, flush=True)

    def lapses(self):
        """What the watcher saw, and what it says of itself."""
        self.watcher.stdin.close()
        self.watcher.wait()
        names = {program.pid: name for name, program in self.fixed.items()}
        with open(self.watched, encoding="utf-8") as file:
            found = [json.loads(line) for line in file]
        for lapse in found[:-1]:
            lapse["contract"] = names[lapse["pid"]]
            lapse["where"] = max((began for began in self.began if began[0] < lapse["at"]), default=(0, "at first"))[1]
        return found[:-1], found[-1]

    def found(self):
        lapses, watch = self.lapses()
        return {"done": self.done, "faults": self.faults, "restarts": self.restarts, "lapses": lapses, "watch": watch}
