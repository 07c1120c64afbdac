#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Change with confidence: what is planned is what happens, and nothing happens before."""

import os
import signal
import subprocess
import time
import unittest

from contracts import PERIODIC, PYTHON, contract
from instance import QOSCTL, SCHED_DEADLINE, Instance, main, policy, until


def small(name, extra="", top="", **more):
    """Admitted beside whatever else runs on the machine."""
    return contract(name, extra, period="100ms", runtime=more.pop("runtime", "2ms"),
                    top="accept: best-effort\n" + top, **more)


def start(instance, tag):
    return instance.run(PYTHON, PERIODIC, tag, "100", "1")


def put(instance, name, text):
    """A file that is not installed."""
    path = os.path.join(instance.dir, name)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    return path


class Plan(unittest.TestCase):
    """A reload without its commit."""

    def test_new_contract_as_it_comes(self):
        with Instance() as qosd:
            qosd.start()
            program = start(qosd, "one")
            until("it runs", lambda: b"one" in open(f"/proc/{program.pid}/cmdline", "rb").read())
            path = put(qosd, "any.yaml", small("one"))
            before = policy(program.pid)
            plan = qosd.json("plan", path)
            self.assertEqual(policy(program.pid), before)
            self.assertEqual(qosd.json("list")["contracts"], [])
            self.assertEqual([c["change"] for c in plan["contracts"]], ["add"])
            thread = plan["threads"][0]
            self.assertEqual((thread["tid"], thread["change"]), (program.pid, "add"))
            self.assertEqual(thread["before"]["policy"], "other")
            self.assertEqual(thread["after"]["policy"], "deadline")
            qosd.ctl("apply", path)
            until("deadline policy", lambda: policy(program.pid)[0] == SCHED_DEADLINE)
            plan = qosd.json("plan")
            self.assertEqual((plan["contracts"], plan["threads"]), ([], []))

    def test_change_and_removal(self):
        with Instance() as qosd:
            qosd.write("one", small("one"))
            qosd.start()
            program = start(qosd, "one")
            until("deadline policy", lambda: policy(program.pid)[0] == SCHED_DEADLINE)
            path = put(qosd, "one.yaml", small("one", "  cpus: 0\n"))
            plan = qosd.json("plan", path)
            thread = plan["threads"][0]
            self.assertEqual(thread["change"], "change")
            self.assertEqual(thread["after"]["policy"], "fifo")
            self.assertEqual(thread["after"]["cpus"], "0")
            qosd.ctl("apply", path)
            until("fifo", lambda: policy(program.pid)[0] == os.SCHED_FIFO)
            self.assertEqual(policy(program.pid)[1], thread["after"]["priority"])
            qosd.remove("one")
            plan = qosd.json("plan")
            self.assertEqual(plan["contracts"][0]["change"], "remove")
            self.assertEqual(plan["threads"][0]["after"]["policy"], "other")
            self.assertEqual(policy(program.pid)[0], os.SCHED_FIFO)
            qosd.ctl("reload")
            self.assertEqual(policy(program.pid)[0], os.SCHED_OTHER)

    def test_others_give_way(self):
        with Instance() as qosd:
            qosd.write("low", small("low", "  cpus: 0\n  range: {runtime: 5ms..60ms}\n",
                                    top="importance: 10\n", runtime="5ms"))
            qosd.start()
            qosd.ctl("adjust", "low", "cpu.runtime=50ms")
            path = put(qosd, "big.yaml", small("big", "  cpus: 0\n", runtime="25ms",
                                               top="importance: 90\n"))
            changed = {c["after"]["contract"]: c for c in qosd.json("plan", path)["contracts"]}
            self.assertEqual(changed["big"]["change"], "add")
            self.assertEqual(changed["low"]["change"], "change")
            then = changed["low"]["after"]["streams"][0]["granted_ns"]
            self.assertLess(then, 50e6)
            self.assertEqual(qosd.stream("low")["runtime"]["granted_ns"], 50e6)

    def test_refusal_with_ways_out(self):
        with Instance() as qosd:
            qosd.start()
            path = put(qosd, "huge.yaml", small("huge", "  cpus: 0\n", runtime="99900us"))
            done = qosd.ctl("plan", path, check=False)
            self.assertEqual(done.returncode, 11)
            self.assertTrue(done.stdout.startswith("! huge: refused\n"), done.stdout)
            self.assertIn("was tried and is admitted", done.stderr)
            bad = put(qosd, "bad.yaml", "version: 1\ncontract: bad\n")
            self.assertEqual(qosd.ctl("plan", bad, check=False).returncode, 2)
            self.assertEqual(qosd.json("list")["contracts"], [])


class Explain(unittest.TestCase):
    """Why a thread is as it is, from the daemon's own matching and the kernel's word."""

    def test_winner_loser_and_place(self):
        with Instance() as qosd:
            qosd.write("high", small("high", "  cpus: 0\n", top="importance: 90\n", tag="same"))
            qosd.write("low", small("low", top="importance: 10\n", tag="same"))
            qosd.start()
            program = start(qosd, "same")
            def explained():
                """Not while it has used up a budget, as a program that starts may."""
                told = qosd.json("explain", str(program.pid))
                return told["actual"] and told["actual"]["policy"] == "fifo" and told
            why = until("fifo", explained)
            self.assertEqual((why["contract"], why["stream"], why["why"]), ("high", "main", None))
            self.assertTrue(why["match"]["file"].endswith("high.yaml"))
            with open(why["match"]["file"], encoding="utf-8") as text:
                self.assertIn("exe:", text.read().splitlines()[why["match"]["line"] - 1])
            self.assertEqual(why["wanted"], why["actual"])
            self.assertEqual(why["without_qosd"]["policy"], "other")
            self.assertEqual([(l["contract"], l["because"]) for l in why["losers"]],
                             [("low", "importance")])
            lost = qosd.json("explain", "low")["processes"]
            self.assertEqual([(p["pid"], p["lost_to"]) for p in lost], [(program.pid, "high")])

    def test_not_managed(self):
        with Instance() as qosd:
            qosd.write("one", small("one"))
            qosd.write("huge", small("huge", "  cpus: 0\n", runtime="99900us", tag="two"))
            qosd.start()
            first, second = start(qosd, "one"), start(qosd, "one")
            other = start(qosd, "two")
            until("one of them has the place", lambda: qosd.stream("one")["threads"] and
                  qosd.stream("one")["unmanaged_threads"])
            whys = [qosd.json("explain", str(p.pid))["why"] for p in (first, second)]
            self.assertEqual(sum("max-threads" in (why or "") for why in whys), 1)
            why = qosd.json("explain", str(other.pid))
            self.assertEqual(why["nearest"][0]["missing"], 1)
            self.assertIn("cmdline", why["nearest"][0]["condition"]["text"])
            self.assertEqual(why["not_in_force"][0]["contract"], "huge")
            self.assertEqual(qosd.json("explain", "one")["matching"], 2)
            qosd.write("idle", small("idle", tag="nobody"))
            qosd.ctl("reload", check=False)  # huge is refused again
            self.assertIn("none that runs matches", qosd.ctl("explain", "idle").stdout)
            self.assertIn("kernel thread", qosd.json("explain", "2")["why"])
            self.assertIn("PID 1", qosd.json("explain", "1")["why"])
            self.assertIn("qosd's own", qosd.json("explain", str(qosd.daemon.pid))["why"])

    def test_drift(self):
        with Instance() as qosd:
            qosd.write("one", small("one", "  cpus: 0\n"))
            qosd.start()
            program = start(qosd, "one")
            until("fifo", lambda: policy(program.pid)[0] == os.SCHED_FIFO)
            subprocess.run(["chrt", "-b", "-p", "0", str(program.pid)], check=True)
            why = until("drift is seen", lambda: (lambda w: w["drift"] and w)(
                qosd.json("explain", str(program.pid))))
            self.assertEqual(why["wanted"]["policy"], "fifo")
            self.assertEqual(why["actual"]["policy"], "batch")
            told = qosd.ctl("explain", str(program.pid)).stdout
            if qosd.has("drift_events"):
                self.assertRegex(why["changed_by"], r"^chrt \(pid \d+\)$")
                self.assertIn("somebody else changed it: chrt (pid ", told)
            else:
                self.assertIsNone(why["changed_by"])
                self.assertIn("who is not known", told)

    def test_nonsense(self):
        with Instance() as qosd:
            qosd.start()
            for words in (["2147483647"], ["udp:x"], ["lo", "5105:10"]):
                done = qosd.ctl("explain", *words, check=False)
                self.assertEqual(done.returncode, 1, words)
                self.assertIn("hint: ", done.stderr)
            self.assertEqual(qosd.ctl("explain", "nobody", check=False).returncode, 4)


class Generations(unittest.TestCase):
    """Who changed what."""

    def test_numbered(self):
        with Instance() as qosd:
            qosd.write("one", small("one"))
            qosd.start()
            qosd.write("two", small("two"))
            qosd.remove("one")
            qosd.ctl("reload")
            qosd.ctl("plan")  # is none
            qosd.daemon.send_signal(signal.SIGHUP)
            known = until("all three", lambda: (lambda g: g["number"] == 3 and g)(
                qosd.json("status")["generations"]))
            latest = known["latest"]
            self.assertEqual([(g["generation"], g["by"], g["uid"]) for g in latest],
                             [(1, "itself", None), (2, "reload", 0), (3, "SIGHUP", 0)])
            changes = {os.path.basename(f["file"]): f["change"] for f in latest[1]["files"]}
            self.assertEqual(changes, {"one.yaml": "remove", "two.yaml": "add"})
            self.assertEqual(latest[2]["files"], [])


def runtime(instance, name):
    return instance.stream(name)["runtime"]["contract_ns"]


class Confirm(unittest.TestCase):
    """What was applied is put back by the daemon, unless somebody confirms it in time."""

    def test_put_back_in_time(self):
        with Instance() as qosd:
            qosd.write("one", small("one"))
            qosd.start()
            new = put(qosd, "new.yaml", small("one", runtime="3ms"))
            done = qosd.ctl("apply", new, "--confirm", "2s")
            self.assertIn("put back in 2 s unless confirmed", done.stdout)
            self.assertEqual(runtime(qosd, "one"), 3e6)
            status = qosd.json("status")
            self.assertTrue(status["unconfirmed"]["file"].endswith("/one.yaml"))
            self.assertTrue(any("waits for its confirmation" in p["text"]
                                for p in status["problems"]))
            until("it is put back", lambda: runtime(qosd, "one") == 2e6)
            self.assertIsNone(qosd.json("status")["unconfirmed"])
            self.assertEqual(os.listdir(qosd.contracts), ["one.yaml"])
            with open(os.path.join(qosd.contracts, "one.yaml"), encoding="utf-8") as text:
                self.assertEqual(text.read(), small("one"))
            self.assertIn("rolled-back", [e["kind"] for e in qosd.json("events")["events"]])

    def test_what_stood_there_was_removed(self):
        """It cannot be put back, which is said until somebody confirms what stands there now."""
        with Instance() as qosd:
            qosd.write("one", small("one"))
            qosd.start()
            qosd.ctl("apply", put(qosd, "new.yaml", small("one", runtime="3ms")), "--confirm", "1s")
            os.unlink(os.path.join(qosd.contracts, ".one.yaml.before"))
            until("it is told", lambda: "cannot be put back" in qosd.ctl("status").stdout)
            self.assertIn("No such file", qosd.ctl("events").stdout)
            done = qosd.ctl("confirm", "--undo", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("one.yaml cannot be put back: No such file", done.stderr)
            qosd.ctl("confirm")
            self.assertEqual(qosd.json("status")["problems"], [])
            self.assertEqual(os.listdir(qosd.contracts), ["one.yaml"])

    def test_confirmed_stays(self):
        with Instance() as qosd:
            qosd.start()
            new = put(qosd, "new.yaml", small("one"))
            qosd.ctl("apply", new, "--confirm", "2s")
            self.assertIn("kept", qosd.ctl("confirm").stdout)
            time.sleep(3)  # as long as it would have had
            self.assertEqual(runtime(qosd, "one"), 2e6)
            self.assertEqual(os.listdir(qosd.contracts), ["one.yaml"])
            done = qosd.ctl("confirm", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("nothing waits", done.stderr)

    def test_second_one_is_refused(self):
        with Instance() as qosd:
            qosd.start()
            qosd.ctl("apply", put(qosd, "a.yaml", small("a")), "--confirm", "60s")
            other = put(qosd, "b.yaml", small("b"))
            for words in (["apply", other], ["apply", other, "--confirm", "60s"]):
                done = qosd.ctl(*words, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn("waits for its confirmation", done.stderr)
                self.assertIn("qosctl confirm --undo", done.stderr)
            self.assertEqual(qosd.ctl("show", "b", check=False).returncode, 4)
            qosd.ctl("confirm", "--undo")
            self.assertEqual(qosd.ctl("show", "a", check=False).returncode, 4)
            self.assertEqual(os.listdir(qosd.contracts), [])
            qosd.ctl("apply", other)

    def test_refused_by_admission(self):
        with Instance() as qosd:
            qosd.write("one", small("one"))
            qosd.start()
            huge = put(qosd, "huge.yaml", small("one", "  cpus: 0\n", runtime="99900us"))
            self.assertEqual(qosd.ctl("apply", huge, "--confirm", "60s",
                                      check=False).returncode, 11)
            self.assertIsNone(qosd.json("status")["unconfirmed"])
            self.assertEqual(runtime(qosd, "one"), 2e6)
            self.assertEqual(os.listdir(qosd.contracts), ["one.yaml"])

    def test_what_nobody_confirmed_is_no_last_good_version(self):
        """Where what is put back cannot rule, nothing does."""
        refused = small("one", "  cpus: 0\n", runtime="99900us")
        for before, state in (("version: 9\n", "invalid"), (refused, "refused")):
            with Instance() as qosd:
                qosd.write("one", before)
                qosd.start()
                program = start(qosd, "one")
                qosd.ctl("apply", put(qosd, "new.yaml", small("one")), "--confirm", "1s")
                until("deadline policy", lambda: policy(program.pid)[0] == SCHED_DEADLINE)
                until("it is put back", lambda: not qosd.json("status")["unconfirmed"])
                self.assertEqual([c["state"] for c in qosd.json("list")["contracts"]], [state])
                self.assertEqual(policy(program.pid)[0], os.SCHED_OTHER)

    def test_confirmed_is_the_last_good_version(self):
        with Instance() as qosd:
            qosd.write("one", "version: 9\n")
            qosd.start()
            qosd.ctl("apply", put(qosd, "new.yaml", small("one")), "--confirm", "60s")
            qosd.ctl("confirm")
            qosd.write("one", "version: 9\n")
            qosd.ctl("reload", check=False)
            self.assertEqual(runtime(qosd, "one"), 2e6)

    def test_time_goes_on_without_the_daemon(self):
        with Instance() as qosd:
            qosd.write("one", small("one"))
            qosd.start()
            qosd.ctl("apply", put(qosd, "new.yaml", small("one", runtime="3ms")), "--confirm", "4s")
            qosd.stop(signal.SIGKILL)
            qosd.start()
            self.assertEqual(runtime(qosd, "one"), 3e6)
            self.assertIsNotNone(qosd.json("status")["unconfirmed"])
            until("it is put back", lambda: runtime(qosd, "one") == 2e6)
            qosd.ctl("apply", put(qosd, "new.yaml", small("one", runtime="3ms")), "--confirm", "1s")
            qosd.stop(signal.SIGKILL)
            time.sleep(1.1)  # its time is over before the next one starts
            qosd.start()
            self.assertEqual(runtime(qosd, "one"), 2e6)
            self.assertEqual(os.listdir(qosd.contracts), ["one.yaml"])

    def test_killed_client(self):
        """At any moment: what it was about to write goes too."""
        with Instance() as qosd:
            qosd.write("one", small("one"))
            qosd.start()
            new = put(qosd, "new.yaml", small("one", runtime="3ms"))
            client = qosd.run(QOSCTL, "--socket", qosd.socket, "--contracts", qosd.contracts,
                              "--config", qosd.config, "apply", new, "--confirm", "2s")
            until("the daemon knows", lambda: qosd.json("status")["unconfirmed"])
            client.kill()
            client.wait()
            put(qosd, "contracts.d/.one.yaml.AbCdEf.qosd~", "half of")
            until("it is put back", lambda: not qosd.json("status")["unconfirmed"])
            self.assertEqual(runtime(qosd, "one"), 2e6)
            self.assertEqual(os.listdir(qosd.contracts), ["one.yaml"])

    def test_without_daemon(self):
        with Instance() as qosd:
            new = put(qosd, "new.yaml", small("one"))
            self.assertEqual(qosd.ctl("apply", new, "--confirm", "60s", check=False).returncode, 3)
            self.assertEqual(os.listdir(qosd.contracts), [])


if __name__ == "__main__":
    main()
