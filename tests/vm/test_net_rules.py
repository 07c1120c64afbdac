# SPDX-License-Identifier: GPL-2.0-only
"""Rules over packets where the module serves the link: its events, the rate that they set, packets that are
held. As root in the lab, after ./dev build and ./dev kmod rt:

    ./dev vm rt --cpus 1 --timeout 600 -- python3 -B tests/vm/test_net_rules.py [NAME...]
"""
import subprocess
import sys
import time

# pylint: disable=missing-function-docstring,wrong-import-position
from test_net import CONFIG, LONG, World as Links, contract  # noqa: E402
from test_network import Namespace  # noqa: E402
from lab_test import expect, module, run, until  # noqa: E402

RANGE = "  excess: hold\n  range: {rate: 1mbit..12mbit}\n"
MBIT = 1000000


class Guest(Namespace):
    """The guest's own namespace: the module's family is known in no other."""

    def __init__(self, _):  # pylint: disable=super-init-not-called
        self.add_pair()

    def enter(self, *command):
        return list(command)

    def remove(self):
        subprocess.run(["ip", "link", "delete", "va"], check=False)


def World():  # pylint: disable=invalid-name
    """Rules live in the monitor's chain."""
    return Links(config=CONFIG.replace("monitor: none\n", ""), namespace=Guest)


def rule(event, when, rate=None, emit=None):
    text = f"    - event: {event}\n      when: {when}\n"
    text += f"      set:\n        network.rate: {rate}\n" if rate else ""
    return text + (f"      emit: {emit}\n" if emit else "")


def text(*rules, more="", placement="kernel"):
    return (contract(more="  late: send\n" + RANGE + more) + "accept: best-effort\n"
            f"adapt:\n  placement: {placement}\n  rules:\n" + "".join(rules))


def in_kernel(world):
    """What tc's class is told apart by: the period in force, in the module's own statistics."""
    return world.qosd.json("show", "rtp")["network"][0]["granted_bps"]


def rules_of(world):
    return world.qosd.json("show", "rtp")["rules"]


def begin(world, contract_text):
    world.qosd.write("rtp", contract_text)
    world.start()
    world.wait_state("in force")
    until(lambda: rules_of(world)["state"] == "running", "its rules run", LONG)


DROP = rule("network.drop", "network.dropped > 0", "max(network.rate - 3mbit, 3mbit)")


def falls(placement):
    with module(), World() as world:
        begin(world, text(DROP, more="  limit: 5\n", placement=placement))
        expect(in_kernel(world), 12 * MBIT)

        def low():
            world.ns.send(5004, 40)
            return in_kernel(world) == 3 * MBIT
        until(low, "drops bring it down", LONG)
        expect(rules_of(world)["set"], 3)
        expect(rules_of(world)["breaches"] + rules_of(world)["dropped"], 0, rules_of(world))
        expect([a for a in world.qosd.json("events", "rtp")["events"] if "network.main.rate" in a["text"]] != [],
               True, "it is told")


def test_drops_lower_the_rate():
    falls("kernel")


def test_the_same_in_a_process():
    falls("user")


def test_held_at_the_rate():
    """20 packets of 1,000 bytes have a place each 11.2 ms (1,400 bytes at 1 Mbit/s), whatever the link could do."""
    with module(), World() as world:
        begin(world, text(rule("tick 100ms", "network.backlog >= 0B", "1mbit")))
        until(lambda: in_kernel(world) == MBIT, "a tick sets it", LONG)
        world.ns.send(5004, 1)  # the class looks at the rate as a packet comes
        time.sleep(0.1)
        start = time.monotonic()
        world.ns.send(5004, 20)
        world.wait_sent(21)
        expect(time.monotonic() - start > 18 * 0.0112, True, "they were held")


def test_windows_and_a_signal():
    with module(), World() as world:
        begin(world, text(rule("network.window", "network.served + network.lost == 100", emit="window"),
                          rule("network.late", "network.late > 0 and network.delay > 50ms", emit="late"),
                          more="  limit: 1000\n"))
        world.ns.send(5004, 300)
        until(lambda: "window" in {e["text"] for e in world.qosd.json("events", "rtp")["events"]
                                   if e["kind"] == "signal"}, "a window", LONG)


def test_a_person_holds_it_and_stop_gives_back():
    with module(), World() as world:
        begin(world, text(DROP, more="  limit: 5\n"))
        world.ns.send(5004, 40)
        until(lambda: in_kernel(world) < 12 * MBIT, "it fell", LONG)
        world.qosd.write("rtp", contract(more="  late: send\n") + "accept: best-effort\n")
        world.qosd.ctl("reload")
        until(lambda: in_kernel(world) == 12 * MBIT, "without rules it is the contract's", LONG)
        world.qosd.stop()
        expect(world.ns.root()[0], "noqueue", "the root")


def test_round_trips():
    """Of a TCP connection to a namespace behind 30 ms of delay."""
    with module(), World() as world:
        world.ns.run("ip", "netns", "add", "qosd-far", check=False)
        try:
            world.ns.run("ip", "link", "set", "vb", "netns", "qosd-far")
            far = ["ip", "netns", "exec", "qosd-far"]
            for words in ("ip link set vb up", "ip address add 10.9.9.2/24 dev vb",
                          "tc qdisc add dev vb root netem delay 30ms"):
                subprocess.run(far + words.split(), check=True)
            world.ns.run("ip", "neighbour", "delete", "10.9.9.2", "dev", "va")
            begin(world, text(rule("network.window", "network.rtt > 20ms and network.rtt < 300ms", "2mbit"))
                  .replace("proto: udp", "proto: tcp").replace("window: 2/100", "window: 1/10"))
            serve = subprocess.Popen(far + ["python3", "-c", "import socket\ns = socket.create_server(('', 5004))\n"
                                            "c = s.accept()[0]\nwhile c.recv(65536): pass"])
            try:
                until(lambda: world.ns.run(*far, "ss", "-Hltn", "sport", "=", ":5004"), "it listens", LONG)
                world.ns.run("python3", "-c", "import socket, time\ns = socket.create_connection(('10.9.9.2', 5004))\n"
                                              "for _ in range(60):\n s.send(b'x' * 1000)\n time.sleep(0.02)")
                until(lambda: in_kernel(world) == 2 * MBIT, "the rule saw the round trip", LONG)
            finally:
                serve.kill()
                serve.wait()
        finally:
            subprocess.run(["ip", "netns", "del", "qosd-far"], check=False)


TESTS = [test_drops_lower_the_rate, test_the_same_in_a_process, test_held_at_the_rate, test_windows_and_a_signal,
         test_a_person_holds_it_and_stop_gives_back, test_round_trips]


def main():
    chosen = [test for test in TESTS if not sys.argv[1:] or test.__name__[5:] in sys.argv[1:]]
    return run(chosen)


if __name__ == "__main__":
    sys.exit(main())
