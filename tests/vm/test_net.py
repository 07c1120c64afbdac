# SPDX-License-Identifier: GPL-2.0-only
"""Links under the module's queue. As root in the lab, after ./dev build and ./dev kmod rt:

    ./dev vm rt --cpus 1 --timeout 600 -- python3 -B tests/vm/test_net.py [NAME...]

One CPU for the reason that test_daemon.py gives.
"""
import os
import subprocess
import sys

os.environ.setdefault("QOS_PATIENCE", "6")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))
# pylint: disable=missing-function-docstring,wrong-import-position
from instance import Instance  # noqa: E402
from lab_test import expect, load, module, run, unload, until  # noqa: E402
from test_network import Namespace, contract  # noqa: E402

CONFIG = ("version: 1\nslow-loop: 500ms\nmanagers: {network: %s}\nmonitor: none\n"
          "network:\n  interfaces:\n    va: {capacity: 100mbit}\n")
LONG = 60


class World:
    """A namespace and a daemon in it."""

    def __init__(self, manager="auto", config=CONFIG, namespace=Namespace):
        for name in ("sch_htb", "cls_bpf", "sch_ingress", "veth", "sch_fq"):
            subprocess.run(["modprobe", name], check=False)
        self.ns = namespace("qosd-vm")
        self.qosd = Instance(config % manager)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.qosd.__exit__()
        self.ns.remove()

    def start(self):
        self.qosd.start(under=self.ns.enter())

    def stream(self):
        return self.qosd.json("show", "rtp")["network"][0]

    def wait_sent(self, n):
        seen = []
        try:
            until(lambda: seen.append(self.stream()["stats"]) or seen[-1]["sent_packets"] == n, n, LONG)
        except AssertionError as error:
            raise AssertionError(f"{n} packets: {seen[-1]}\n" + self.ns.run(
                "tc", "-s", "class", "show", "dev", "va")) from error

    def wait_state(self, words):
        until(lambda: words in self.stream()["state"], words, LONG)


def text(more=""):
    """Late packets are sent: the machine is emulated, and a burst is late as it comes."""
    return contract(more="  late: send\n" + more) + "accept: best-effort\n"


def test_windows():
    """The queue is dwcs, serves windows and counts them; stop gives the link back."""
    with module(), World() as world:
        world.qosd.write("rtp", text())
        world.start()
        world.wait_state("in force")
        expect(world.ns.root()[:2], ("dwcs", "5105:"), "the root")
        status = world.qosd.json("status")["network"]
        expect(status, {"manager": "module", "interfaces": 1, "windows_enforced": True}, "status")
        world.ns.send(5004, 50)
        world.ns.send(5005, 50)
        world.wait_sent(50)
        expect(world.stream()["stats"]["windows_by"], "packet", "who counts windows")
        expect("fq_codel" in world.ns.run("tc", "qdisc", "show", "dev", "va", "parent", "5105:ffff"), True, "the rest")
        expect("class dwcs 5105:10" in world.ns.run("tc", "-s", "class", "show", "dev", "va"), True, "tc's view")
        world.qosd.stop()
        expect(world.ns.root()[0], "noqueue", "the root")


def test_module_comes():
    """Until it does, htb; then its queue takes over, under traffic."""
    with World() as world:
        world.qosd.write("rtp", text())
        world.start()
        world.wait_state("in force")
        expect(world.ns.root()[0], "htb", "the root")
        load()
        until(lambda: world.ns.root()[0] == "dwcs", "the module's queue", LONG)
        world.ns.send(5004, 20)
        world.wait_sent(20)
        refused = subprocess.run(["rmmod", "qos_dwcs"], check=False, capture_output=True).returncode
        expect(refused != 0, True, "rmmod is refused while a queue is there")
        world.qosd.stop()
        unload()


def test_drift():
    with module(), World() as world:
        world.qosd.write("rtp", text(more="on-drift: restore\n"))
        world.start()
        world.wait_state("in force")
        world.ns.run("tc", "qdisc", "del", "dev", "va", "root")
        until(lambda: world.ns.root()[0] == "dwcs", "it is set again", LONG)
        world.ns.send(5004, 5)
        world.wait_sent(5)


def test_named_and_absent():
    with World("module") as world:
        world.qosd.write("rtp", text())
        world.start()
        world.wait_state("is not loaded")
        expect(world.ns.root()[0], "noqueue", "the root")
        load()
        world.wait_state("in force")
        world.qosd.stop()
        unload()


TESTS = [test_windows, test_module_comes, test_drift, test_named_and_absent]


def main():
    chosen = [test for test in TESTS if not sys.argv[1:] or test.__name__[5:] in sys.argv[1:]]
    return run(chosen)


if __name__ == "__main__":
    sys.exit(main())
