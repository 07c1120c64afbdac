#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""In the guest of `./dev bench bottleneck`: for each line {"arm": NAME, "rates_mbit": [...], "each_s": S} of the file
JOBS what became of the packets of a sender whose way changes its rate, in RESULTS: "sent", and "packets" as
[number, when it was sent, when it came], in ns.

Three namespaces in a row. The queue of the first one's interface is qosd's; the bottleneck is netem in the second,
which the first knows nothing of.
"""
import contextlib
import json
import os
import subprocess
import sys
import time

os.environ.setdefault("QOS_PATIENCE", "20")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))
# pylint: disable=wrong-import-position
from instance import Instance  # noqa: E402
from lab_test import module, until  # noqa: E402

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build/bottleneck/bottleneck")
NAMES = ("1", "qosd-way", "qosd-far")  # the first is the guest's own, where the module's family is known
FAR, RATE_MBIT, PACKET, QUEUE = "10.9.2.2", 8, 1300, 200

CONFIG = "version: 1\nslow-loop: 1s\nnetwork:\n  interfaces:\n    va: {capacity: 100mbit}\n"
CONTRACT = f"""version: 1
contract: video
accept: best-effort
match: {{exe: /usr/bin/true, user: root}}
network:
  interface: va
  match: {{dst: {FAR}, cgroup: /}}
  rate: {RATE_MBIT}mbit
  packet: {PACKET + 14}B
  deadline: 50ms
  window: 2/10
  late: send
  excess: hold
  limit: 100
  range: {{rate: 1mbit..{RATE_MBIT}mbit}}
"""
RULES = """adapt:
  placement: {placement}
  rules:
    - event: {event}
      when: network.rtt > 60ms
      set:
        network.rate: max(network.rate * 3/4, 1500kbit)
    - event: {event}
      when: network.rtt < 50ms
      set:
        network.rate: min(network.rate * 105%, 8mbit)
"""
ARMS = {"none": "", "slow loop, 1s": RULES.format(placement="kernel", event="tick 1s"),
        "tick 10ms": RULES.format(placement="kernel", event="tick 10ms"),
        "user": RULES.format(placement="user", event="network.window"),
        "kernel": RULES.format(placement="kernel", event="network.window")}


def within(name, *command):
    where = "/proc/1/ns/net" if name == NAMES[0] else f"/run/netns/{name}"
    return ["nsenter", f"--net={where}", *command]


def do(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def make_way():
    for name in NAMES[1:]:
        do("ip", "netns", "add", name)
    ends = ((0, "va", "10.9.1.1", 1, "vb", "10.9.1.2"), (1, "vc", "10.9.2.1", 2, "vd", FAR))
    for left, here, address, right, there, other in ends:
        do(*within(NAMES[left], "ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", NAMES[right]))
        for name, device, own in ((NAMES[left], here, address), (NAMES[right], there, other)):
            do(*within(name, "ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off"))
            do(*within(name, "ip", "address", "add", f"{own}/24", "dev", device))
            do(*within(name, "ip", "link", "set", device, "up"))
    do(*within(NAMES[1], "sysctl", "-q", "net.ipv4.ip_forward=1"))
    do("ip", "route", "add", "10.9.2.0/24", "via", "10.9.1.2")
    do(*within(NAMES[2], "ip", "route", "add", "default", "via", "10.9.2.1"))


def limit_way(mbit, verb="change"):
    do(*within(NAMES[1], "tc", "qdisc", verb, "dev", "vc", "root", "netem", "rate", f"{mbit}mbit", "limit", str(QUEUE)))


@contextlib.contextmanager
def way():
    make_way()
    try:
        yield
    finally:
        subprocess.run(["ip", "link", "delete", "va"], check=False)
        for name in NAMES[1:]:
            subprocess.run(["ip", "netns", "del", name], check=False)


def in_force(qosd, rules):
    shown = qosd.json("show", "video")
    return shown["network"][0]["state"].startswith("in force") and (
        not rules or (shown["rules"] or {}).get("state") == "running")


def run_one(job):
    seconds = len(job["rates_mbit"]) * job["each_s"]
    limit_way(job["rates_mbit"][0], "add")
    with subprocess.Popen(within(NAMES[2], PROGRAM, "receive", str(seconds + 4)), stdout=subprocess.PIPE,
                          text=True) as receiver:
        receiver.stdout.readline()
        period = PACKET * 8 * 1000 // RATE_MBIT
        start = time.monotonic()
        with subprocess.Popen(within(NAMES[0], PROGRAM, "send", FAR, str(PACKET), str(period), str(seconds)),
                              stdout=subprocess.PIPE, text=True) as sender:
            for i, mbit in enumerate(job["rates_mbit"][1:], 1):
                time.sleep(max(0, start + i * job["each_s"] - time.monotonic()))
                limit_way(mbit)
            job["sent"] = int(sender.communicate()[0])
        job["packets"] = [list(map(int, line.split())) for line in receiver.communicate()[0].splitlines()]


def main():
    jobs, results = sys.argv[1:]
    do("modprobe", "sch_netem")
    with open(jobs, encoding="utf-8") as lines, open(results, "a", encoding="utf-8") as out:
        for job in map(json.loads, lines):
            rules = ARMS[job["arm"]]
            with way(), module(), Instance(CONFIG) as qosd:
                qosd.write("video", CONTRACT + rules)
                qosd.start(under=within(NAMES[0]))
                until(lambda qosd=qosd, rules=rules: in_force(qosd, rules), "in force", 60)
                run_one(job)
                job["rules"] = qosd.json("show", "video")["rules"]
                qosd.stop()
            print(json.dumps(job), file=out, flush=True)


main()
