#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Links in network namespaces: queues set, packets told apart, what others do, and all put back.

The daemon runs in a namespace of the test's own, with a veth pair.
"""

import contextlib
import os
import signal
import subprocess
import unittest
import xml.dom.minidom

import kills_leaks as leaks
from instance import Instance, main, until

CAPACITY = ("version: 1\nslow-loop: 500ms\nmanagers: {network: native}\n"
            "network:\n  interfaces:\n    va: {capacity: 100mbit%s}\n")
FLOW = "proto: udp, dport: 5004"
SENDER = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(int(sys.argv[3])):
    s.sendto(b'x' * 1000, (sys.argv[1], int(sys.argv[2])))
"""
CONNECTED = """
import socket, sys
server = socket.create_server(('127.0.0.1', int(sys.argv[1])))
client = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
client.sendall(b'x' * 1000)
sys.stdin.read()
"""


def contract(name="rtp", flow=FLOW + ", cgroup: /", more="", rate="12mbit", interface="va"):
    """A contract of one network stream; nobody's processes."""
    return (f"version: 1\ncontract: {name}\nmatch: {{exe: /usr/bin/true, user: root}}\n"
            f"network:\n  interface: {interface}\n  match: {{{flow}}}\n  rate: {rate}\n"
            f"  packet: 1400B\n  deadline: 50ms\n  window: 2/100\n{more}")


class Namespace:
    """A network namespace with va and vb, connected."""

    def __init__(self, name):
        self.name = name
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.run("ip", "link", "set", "lo", "up")
        self.add_pair()

    def enter(self, *command):
        """Not by `ip netns exec`, which would hide the cgroups and the bpf file system."""
        return ["nsenter", f"--net=/run/netns/{self.name}", *command]

    def run(self, *command, check=True):
        return subprocess.run(self.enter(*command), check=check, capture_output=True,
                              text=True).stdout

    def add_pair(self):
        self.run("ip", "link", "add", "va", "type", "veth", "peer", "name", "vb")
        for end in ("va", "vb"):
            self.run("ip", "link", "set", end, "up")
        self.run("ip", "address", "add", "10.9.9.1/24", "dev", "va")
        self.run("ip", "-6", "address", "add", "fd00:9::1/64", "dev", "va", "nodad")
        for family, to in (("-4", "10.9.9.2"), ("-6", "fd00:9::2")):
            self.run("ip", family, "neighbour", "add", to, "lladdr", "02:00:00:00:00:02",
                     "dev", "va")

    def send(self, port, n, to="10.9.9.2"):
        self.run("python3", "-c", SENDER, to, str(port), str(n))

    def root(self):
        """(kind, handle, options) of va's root; tc has no JSON for kinds that it does not know."""
        lines = self.run("tc", "qdisc", "show", "dev", "va").splitlines()
        words = next(line for line in lines if " root " in line).split()
        return words[1], words[2], " ".join(words[words.index("root") + 3:])

    def has_clsact(self):
        return "clsact" in self.run("tc", "qdisc", "show", "dev", "va")

    def remove(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False)


class Network(unittest.TestCase):
    """One namespace and one daemon each."""

    def setUp(self):
        self.ns = Namespace(f"qosd-{os.getpid()}")
        self.addCleanup(self.ns.remove)
        self.qosd = self.instance()

    def instance(self, more=""):
        qosd = Instance(CAPACITY % more)
        self.addCleanup(qosd.__exit__)
        return qosd

    def start(self, qosd=None):
        (qosd or self.qosd).start(under=self.ns.enter())

    def stream(self, name="rtp"):
        return self.qosd.json("show", name)["network"][0]

    def wait_state(self, part, name="rtp"):
        until(f"state {part}", lambda: part in self.stream(name)["state"])

    def is_ours(self):
        return self.ns.root()[:2] == ("htb", "5105:")

    def test_packets_of_a_flow(self):
        self.qosd.write("rtp", contract())
        self.start()
        self.assertTrue(self.is_ours())
        self.assertEqual(self.stream()["state"], "in force")
        self.assertEqual(self.stream()["guarantee"], "proven")
        self.ns.send(5004, 30)
        self.ns.send(5005, 20)
        self.ns.send(5004, 10, "fd00:9::2")
        until("40 packets are counted", lambda: self.stream()["stats"]["sent_packets"] == 40)
        self.assertEqual(self.stream()["stats"]["dropped"], 0)
        sent = '\nqosd_network_sent_packets_total{contract="rtp",stream="main"} 40\n'
        until("the metrics have them too", lambda: sent in self.qosd.ctl("metrics").stdout)
        rate = '\nqosd_network_granted_bytes_per_second{contract="rtp",stream="main"} 1500000\n'
        self.assertIn(rate, self.qosd.ctl("metrics").stdout)
        self.assertEqual(self.qosd.json("top")["contracts"][0]["network"][0]["granted_bps"], 12000000)
        status = self.qosd.json("status")
        self.assertEqual(status["network"],
                         {"manager": "native", "interfaces": 1, "windows_enforced": False})
        self.assertIn("measured, not enforced", self.qosd.ctl("status").stdout)

    def test_verified_soon(self):
        """The daemon stands still while the verifier looks: 200,000 instructions took a slow machine ten seconds."""
        self.qosd.write("rtp", contract())
        self.start()
        self.assertTrue(self.is_ours())
        verified = leaks.verified(self.qosd.daemon.pid)
        self.assertGreater(len(verified), 5)
        self.assertLess(sum(verified), 60000, verified)

    def test_report(self):
        """What became of packets lately, as text, JSON and page."""
        self.qosd.write("rtp", contract(more="  limit: 10\n", rate="1mbit"))
        self.start()

        def points():
            return self.qosd.json("report", "rtp")["contracts"][0]["network"][0]["points"]

        until("a sample to count from", points)
        self.ns.send(5004, 200)
        until("a point that is kept, and one that is not", lambda: len(points()) > 1, 30)
        self.assertGreaterEqual(sum(point["packets"] for point in points()), 200)
        self.assertGreater(sum(point["dropped"] for point in points()), 100)
        self.assertGreater(sum(point["violations"] for point in points()), 0)
        self.assertEqual(points()[0]["granted_bps"], [1000000, 1000000])
        self.assertGreater(sum(point["sent_bytes"] for point in points()), 1000)
        self.assertIn("DROPPED", self.qosd.ctl("report", "rtp").stdout)
        path = os.path.join(self.qosd.dir, "report.html")
        self.qosd.ctl("--quiet", "report", "--html", path)
        with open(path, encoding="utf-8") as file:
            page = file.read()
        self.assertIn("Rate: granted, and sent", page)
        for svg in page.split("<svg")[1:]:
            xml.dom.minidom.parseString("<svg" + svg.split("</svg>")[0] + "</svg>")

    def rest(self, parent):
        lines = self.ns.run("tc", "qdisc", "show", "dev", "va").splitlines()
        return " ".join(line for line in lines if f"parent {parent} " in line)

    def test_the_rest_is_a_persons_choice(self):
        self.qosd.write("rtp", contract())
        self.start()
        self.ns.run("tc", "qdisc", "replace", "dev", "va", "parent", "5105:2", "handle", "9:",
                    "pfifo", "limit", "99")
        self.qosd.write("rtp", contract(rate="10mbit"))
        self.qosd.ctl("reload")
        until("the other rate", lambda: self.stream()["granted_bps"] == 10000000)
        self.assertIn("pfifo 9: ", self.rest("5105:2"))

    def test_window_is_measured(self):
        self.qosd.write("rtp", contract(more="  limit: 10\n", rate="1mbit"))
        self.start()
        self.ns.send(5004, 200)
        until("a violated turn", lambda: self.stream()["stats"]["violations"] > 0)
        self.assertGreater(self.stream()["stats"]["dropped"], 100)

    def test_rules(self):
        rules = ("adapt:\n  rules:\n"
                 "    - event: tick 100ms\n      when: network.dropped > 0\n"
                 "      set: {network.rate: 8mbit}\n      emit: drops\n"
                 "    - event: tick 100ms\n      when: network.sent < 1B and network.rate > 8mbit\n"
                 "      set: {network.rate: 2mbit}\n")
        self.qosd.write("rtp", contract(more="  limit: 10\n  range: {rate: 1mbit..12mbit}\n" + rules))
        self.start()
        self.assertEqual(self.stream()["guaranteed_bps"], 12000000)
        until("idle, it gives back", lambda: self.stream()["granted_bps"] == 2000000)
        self.assertIn("rate 2", self.ns.run("tc", "class", "show", "dev", "va"))
        self.ns.send(5004, 200)
        until("drops raise it", lambda: self.stream()["granted_bps"] == 8000000)
        events = self.qosd.json("events", "rtp")["events"]
        self.assertTrue({"adapted", "signal"} <= {event["kind"] for event in events}, events)
        self.assertEqual(self.qosd.json("show", "rtp")["rules"]["state"], "running")
        self.qosd.write("rtp", contract(more="  limit: 10\n"))
        self.qosd.ctl("reload")
        until("without rules it is the contract's", lambda: self.stream()["granted_bps"] == 12000000)

    def test_planned_and_explained(self):
        self.start()
        before = self.ns.root()
        path = os.path.join(self.qosd.dir, "new.yaml")
        with open(path, "w", encoding="utf-8") as out:
            out.write(contract())
        plan = self.qosd.json("plan", path)
        self.assertEqual(self.ns.root(), before)
        link = plan["links"][0]
        self.assertEqual((link["interface"], link["before"], link["after"]), ("va", before[0], "htb"))
        self.assertEqual([c["change"] for c in link["classes"]], ["add"])
        self.assertEqual(plan["contracts"][0]["after"]["network"][0]["granted_bps"], 12000000)
        self.qosd.ctl("apply", path)
        self.assertTrue(self.is_ours())
        self.assertEqual(self.qosd.json("plan")["links"], [])
        for words in (["udp:10.9.9.2:5004"], ["udp:[fd00:9::2]:5004"], ["va", "5105:10"]):
            stream = self.qosd.json("explain", *words)["streams"][0]
            self.assertEqual((stream["contract"], stream["class"]["class"]), ("rtp", "5105:10"))
            self.assertEqual(stream["class"]["actual"], "htb")
        other = self.qosd.json("explain", "udp:10.9.9.2:5005")
        self.assertEqual((other["streams"], other["others"][0]["match"]["text"]), ([], "dport"))
        self.qosd.remove("rtp")
        link = self.qosd.json("plan")["links"][0]
        self.assertEqual((link["before"], link["classes"][0]["class"]), ("htb", "5105:10"))
        self.assertTrue(self.is_ours())

    def test_rules_know_round_trips(self):
        """Of the stream's own TCP sockets; and events of network streams are compiled, but only the module has them."""
        rules = ("adapt:\n  rules:\n"
                 "    - event: tick 100ms\n      when: network.rtt > 0ms and network.rtt < 10s\n      emit: known\n"
                 "    - event: tick 200ms\n      when: network.rtt == 0ms\n      emit: unknown\n"
                 "    - event: network.drop\n      emit: dropped\n"
                 "    - event: network.late\n      set: {network.rate: 2mbit}\n"
                 "    - event: network.window\n      when: network.violations > 0\n      set: {network.rate: 2mbit}\n")
        self.qosd.write("rtp", contract(flow="proto: tcp, dport: 5004, cgroup: /",
                                        more="  limit: 10\n  range: {rate: 1mbit..12mbit}\n" + rules))
        self.start()

        def signals():
            return {event["text"] for event in self.qosd.json("events", "rtp")["events"] if event["kind"] == "signal"}

        until("none is known", lambda: "unknown" in signals())
        self.assertEqual(signals(), {"unknown"})
        with subprocess.Popen(self.ns.enter("python3", "-c", CONNECTED, "5004"), stdin=subprocess.PIPE) as process:
            until("one is known", lambda: "known" in signals())
            self.assertGreater(self.stream()["sockets"]["rtt_max_ns"], 0)
            process.stdin.close()
        rules = self.qosd.json("show", "rtp")["rules"]
        self.assertEqual(rules["state"], "running")
        self.assertEqual(self.stream()["granted_bps"], 12000000)
        self.assertEqual(signals(), {"unknown", "known"})

    def test_rules_without_statistics(self):
        """Silence is not taken for zeros: ticks stand still, and status says so."""
        rules = "adapt:\n  rules:\n    - event: tick 100ms\n      when: network.sent < 1B\n      emit: idle\n"
        self.qosd.write("rtp", contract(more="on-drift: warn\n" + rules))
        self.start()
        until("ticks", lambda: self.qosd.json("show", "rtp")["rules"]["runs"] > 2)
        self.ns.run("tc", "qdisc", "del", "dev", "va", "root")
        until("status says so", lambda: any("stand still" in p["text"] for p in self.qosd.json("status")["problems"]))
        runs = self.qosd.json("show", "rtp")["rules"]["runs"]
        self.wait_state("drift")
        self.assertEqual(self.qosd.json("show", "rtp")["rules"]["runs"], runs)
        self.qosd.write("rtp", contract(more="on-drift: restore\n" + rules))
        self.qosd.ctl("reload")
        until("they go on", lambda: self.qosd.json("show", "rtp")["rules"]["runs"] > runs)
        self.assertFalse(any("stand still" in p["text"] for p in self.qosd.json("status")["problems"]))

    def test_rules_of_who_is_thrown_out(self):
        """The link became slower: no contract, no rules; whatever becomes of the file then."""
        rules = "adapt:\n  rules:\n    - event: tick 100ms\n      when: network.sent < 1B\n      emit: idle\n"
        self.ns.run("ip", "tuntap", "add", "mode", "tap", "name", "tp")
        self.ns.run("ip", "link", "set", "tp", "up")
        self.ns.run("ethtool", "-s", "tp", "speed", "100")
        self.qosd.write("rtp", contract(more=rules, interface="tp"))
        self.start()
        until("ticks", lambda: self.qosd.json("show", "rtp")["rules"]["runs"] > 2)
        self.ns.run("ethtool", "-s", "tp", "speed", "10")
        for text in (None, contract(more=rules, interface="tp", rate="300mbit"), "version: 1\n\tcontract: [\n"):
            if text:
                self.qosd.write("rtp", text)
            self.qosd.ctl("reload", check=False)
            self.assertIn(self.qosd.json("status")["contracts"][0]["state"], ("waiting", "refused", "invalid"))
        self.ns.run("ethtool", "-s", "tp", "speed", "100")
        self.qosd.write("rtp", contract(more=rules, interface="tp"))
        self.qosd.ctl("reload")
        until("ticks again", lambda: self.qosd.json("show", "rtp")["rules"]["runs"] > 2)
        self.qosd.remove("rtp")
        self.qosd.ctl("reload")
        self.assertEqual(self.qosd.json("status")["contracts"], [])

    def test_own_processes(self):
        mounts = [line.split() for line in open("/proc/self/mounts", encoding="utf-8")]
        mount = next((m[1] for m in mounts if m[2] == "cgroup2"), None)
        if not mount:
            self.skipTest("no unified cgroup hierarchy")
        group = os.path.join(mount, f"qosd-net-{os.getpid()}")
        os.mkdir(group)
        self.addCleanup(lambda: until("the cgroup is empty", lambda: self.drop(group)))
        self.qosd.write("rtp", contract(flow=FLOW).replace(
            "{exe: /usr/bin/true, user: root}", "{cgroup: /%s}" % os.path.basename(group)))
        self.start()
        self.wait_state("no packet is known")
        code = ("import os,sys,time; open(sys.argv.pop(1)+'/cgroup.procs','w').write(str(os.getpid()));"
                "os.execvp('python3', ['python3', '-c', 'import time; time.sleep(0.3)\\n' + sys.argv.pop(1)"
                "+ '\\ntime.sleep(9)', *sys.argv[1:]])")
        self.qosd.run(*self.ns.enter("python3", "-c", code, group, SENDER, "10.9.9.2", "5004", "25"))
        self.wait_state("in force")
        self.ns.send(5004, 50)  # somebody else's
        until("packets of its own alone", lambda: self.stream()["stats"]["sent_packets"] == 25)

    @staticmethod
    def drop(group):
        with contextlib.suppress(OSError):
            os.rmdir(group)
        return not os.path.exists(group)

    def test_drift_is_left(self):
        self.qosd.write("rtp", contract())
        self.start()
        self.ns.run("tc", "qdisc", "del", "dev", "va", "root")
        self.wait_state("drift")
        self.assertEqual(self.ns.root()[0], "noqueue")
        self.assertIn("drift", self.qosd.ctl("events").stdout)
        checked = self.qosd.ctl("status", "--check", "--quiet", check=False)
        self.assertEqual(checked.returncode, 12)
        self.assertIn("the queue of va was changed", checked.stderr)
        self.ns.run("tc", "qdisc", "replace", "dev", "va", "root", "handle", "7:", "pfifo")
        self.qosd.ctl("reload")
        self.qosd.stop()
        self.assertEqual(self.ns.root()[:2], ("pfifo", "7:"))  # a person's stays
        self.assertFalse(self.ns.has_clsact())

    def test_drift_is_restored(self):
        self.qosd.write("rtp", contract(more="on-drift: restore\n"))
        self.start()
        for command in (("del", "dev", "va", "root"),
                        ("replace", "dev", "va", "root", "handle", "7:", "pfifo"),
                        ("del", "dev", "va", "clsact")):
            self.ns.run("tc", "qdisc", *command)
            until("it is set again", lambda: self.is_ours() and self.ns.has_clsact())
        self.ns.send(5004, 5)
        until("it counts", lambda: self.stream()["stats"]["sent_packets"] == 5)

    def test_takeover(self):
        self.ns.run("tc", "qdisc", "add", "dev", "va", "root", "handle", "12:", "pfifo", "limit",
                    "77")
        self.qosd.write("rtp", contract())
        self.start()
        self.assertEqual(self.qosd.json("list")["contracts"][0]["state"], "refused")
        self.assertIn("takeover", self.qosd.ctl("show", "rtp").stdout)
        self.assertEqual(self.ns.root(), ("pfifo", "12:", "limit 77p"))
        self.qosd.stop()
        taker = self.instance(", takeover: yes")
        taker.write("rtp", contract())
        self.start(taker)
        self.assertTrue(self.is_ours())
        taker.stop(signal.SIGKILL)
        self.assertTrue(self.is_ours())
        self.start(taker)
        taker.remove("rtp")
        taker.ctl("reload")
        self.assertEqual(self.ns.root(), ("pfifo", "12:", "limit 77p"))

    def test_what_cannot_be_put_back(self):
        self.ns.run("tc", "qdisc", "add", "dev", "va", "root", "handle", "12:", "htb")
        taker = self.qosd = self.instance(", takeover: yes")
        taker.write("rtp", contract())
        self.start()
        self.wait_state("has classes")
        self.assertEqual(self.ns.root()[:2], ("htb", "12:"))

    def test_killed(self):
        self.qosd.write("rtp", contract())
        self.start()
        self.qosd.stop(signal.SIGKILL)
        self.assertTrue(self.is_ours())
        subprocess.run(self.ns.enter(
            os.path.join(os.path.dirname(self.qosd_ctl()), "qosctl"), "--socket", self.qosd.socket,
            "panic", "--pin-dir", self.qosd.pin_dir), check=True, capture_output=True)
        self.assertEqual(self.ns.root()[0], "noqueue")
        self.assertFalse(self.ns.has_clsact())
        self.start()
        self.assertTrue(self.is_ours())
        self.qosd.stop(signal.SIGKILL)
        self.qosd.remove("rtp")
        self.start()
        self.assertEqual(self.ns.root()[0], "noqueue")

    @staticmethod
    def qosd_ctl():
        from instance import QOSCTL  # pylint: disable=import-outside-toplevel
        return QOSCTL

    def test_panic_and_stop(self):
        self.qosd.write("rtp", contract())
        self.ns.run("tc", "qdisc", "add", "dev", "va", "clsact")
        self.start()
        self.qosd.ctl("panic")
        self.assertEqual(self.ns.root()[0], "noqueue")
        self.assertTrue(self.ns.has_clsact())  # it was there before
        self.qosd.ctl("reload")
        self.assertTrue(self.is_ours())
        self.qosd.stop()
        self.assertEqual(self.ns.root()[0], "noqueue")
        self.assertTrue(self.ns.has_clsact())

    def test_interfaces_come_and_go(self):
        self.ns.run("ip", "link", "del", "va")
        self.qosd.write("rtp", contract())
        self.start()
        self.wait_state("waiting for its interface")
        self.assertIn("is not there", self.qosd.ctl("status").stdout)
        self.ns.add_pair()
        self.wait_state("in force")
        other = Namespace(f"qosd-{os.getpid()}-b")
        self.addCleanup(other.remove)
        other.run("ip", "link", "del", "va")
        self.ns.run("ip", "link", "set", "va", "netns", other.name)
        self.wait_state("waiting for its interface")
        other.run("ip", "link", "set", "va", "netns", f"/run/netns/{self.ns.name}")
        self.wait_state("in force")
        self.assertTrue(self.is_ours())

    def test_two_of_one_flow(self):
        self.qosd.write("a", contract("a"))
        self.qosd.write("b", contract("b"))
        self.start()
        states = {c["contract"]: c for c in self.qosd.json("list")["contracts"]}
        self.assertEqual(states["a"]["state"], "in-force")
        self.assertIn("those of a already", states["b"]["reason"])

    def test_too_much(self):
        self.qosd.write("rtp", contract(rate="95mbit"))
        self.start()
        self.assertIn("is free for packets of its size", self.qosd.ctl("show", "rtp").stdout)
        self.assertEqual(self.ns.root()[0], "noqueue")

    def test_sockets(self):
        self.qosd.write("rtp", contract(flow="proto: tcp, cgroup: /"))
        self.start()
        program = ("import socket,time\nl = socket.socket(); l.bind(('127.0.0.1', 5004)); l.listen()\n"
                   "s = socket.create_connection(('127.0.0.1', 5004)); a, _ = l.accept()\n"
                   "s.send(b'x' * 100000); time.sleep(60)")
        self.qosd.run(*self.ns.enter("python3", "-c", program))
        until("both ends are seen", lambda: self.stream()["sockets"]["n"] == 2)
        until("a round trip", lambda: self.stream()["sockets"]["rtt_max_ns"] > 0)


if __name__ == "__main__":
    main()
