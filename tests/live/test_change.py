#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Change with confidence: what is planned is what happens, and nothing happens before."""

import os
import unittest

from contracts import PERIODIC, PYTHON, contract
from instance import SCHED_DEADLINE, Instance, main, policy, until


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


if __name__ == "__main__":
    main()
