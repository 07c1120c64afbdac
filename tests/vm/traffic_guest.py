#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""In the guest of `./dev bench traffic`: for each line {"arm": NAME, "seconds": S, "bulk": N} of the file JOBS what
became of a video, of N bulk transfers and of pings that share a link, in RESULTS: "packets", the video's as
[sequence number, when it went into the queue, when it came out], in ns, 0: it did not; "ping", round trips in
ms; "bulk_bps".

The link is a veth pair between two namespaces; the queue of the near end makes it a link of 10 Mbit/s. Offloads
are off: 64 KiB in one piece are 52 ms there.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import time

os.environ.setdefault("QOS_PATIENCE", "20")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))
# pylint: disable=wrong-import-position
from instance import Instance  # noqa: E402
from lab_test import module, until  # noqa: E402

BUILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build/traffic")
NEAR, FAR, ADDRESS, PORT = "qosd-near", "qosd-far", "10.9.9.2", 5004
RATE, VIDEO, PACKET, DSCP = "10mbit", "6mbit", 1300, 46

CONFIG = f"version: 1\nslow-loop: 500ms\nmonitor: none\nnetwork:\n  interfaces:\n    va: {{capacity: {RATE}}}\n"
CONTRACT = f"""version: 1
contract: video
accept: best-effort
match: {{exe: /usr/bin/true, user: root}}
network:
  interface: va
  match: {{proto: udp, dport: {PORT}, cgroup: /}}
  rate: {VIDEO}
  packet: {PACKET}B
  deadline: 50ms
  window: 2/50
  late: send
"""

# The best that a person would set up by hand with each. {f}: the video's packets, to class or band.
TBF = ["qdisc add dev va root handle 1: tbf rate 10mbit burst 3000 limit 3000000"]
FILTER = "filter add dev va parent {} protocol ip prio 1 u32 match ip dport 5004 0xffff match ip protocol 17 0xff flowid {}"
BY_HAND = {
    "pfifo": [*TBF, "qdisc add dev va parent 1:1 handle 2: pfifo limit 1000"],
    "prio": [*TBF, "qdisc add dev va parent 1:1 handle 2: prio", FILTER.format("2:", "2:1")],
    "fq": [*TBF, "qdisc add dev va parent 1:1 handle 2: fq"],
    "fq_codel": [*TBF, "qdisc add dev va parent 1:1 handle 2: fq_codel"],
    "cake": ["qdisc add dev va root handle 1: cake bandwidth 10mbit diffserv4"],
    "htb": ["qdisc add dev va root handle 1: htb default 2",
            "class add dev va parent 1: classid 1:10 htb rate 10mbit",
            f"class add dev va parent 1:10 classid 1:1 htb rate {VIDEO} ceil 10mbit prio 0",
            "class add dev va parent 1:10 classid 1:2 htb rate 4mbit ceil 10mbit prio 1",
            FILTER.format("1:", "1:1")],
}


def near(*command):
    return ["nsenter", f"--net=/run/netns/{NEAR}", *command]


def far(*command):
    return ["nsenter", f"--net=/run/netns/{FAR}", *command]


def do(command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def make_link():
    for name in (NEAR, FAR):
        do(["ip", "netns", "add", name])
        do(["ip", "-n", name, "link", "set", "lo", "up"])
    do(["ip", "-n", NEAR, "link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", FAR])
    for name, device, address in ((NEAR, "va", "10.9.9.1"), (FAR, "vb", ADDRESS)):
        do(["nsenter", f"--net=/run/netns/{name}", "ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off"])
        do(["ip", "-n", name, "address", "add", f"{address}/24", "dev", device])
        do(["ip", "-n", name, "link", "set", device, "up"])


@contextlib.contextmanager
def link():
    make_link()
    try:
        yield
    finally:
        for name in (NEAR, FAR):
            subprocess.run(["ip", "netns", "del", name], check=False)


@contextlib.contextmanager
def daemon():
    with Instance(CONFIG) as qosd:
        qosd.write("video", CONTRACT)
        qosd.start(under=near())
        until(lambda: qosd.json("show", "video")["network"][0]["state"].startswith("in force"), "in force", 60)
        yield qosd


@contextlib.contextmanager
def queue(arm):
    if arm == "qosd, dwcs":
        with module(), daemon() as qosd:
            yield qosd
    elif arm == "qosd, native":
        with daemon() as qosd:
            yield qosd
    else:
        for line in BY_HAND[arm]:
            do(near("tc", *line.split()))
        yield None


def start(command, **options):
    # pylint: disable=consider-using-with
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **options)


def start_video():
    return start(near("ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-i", f"{BUILD}/video.mp4", "-c", "copy",
                      "-f", "rtp", f"rtp://{ADDRESS}:{PORT}?pkt_size={PACKET - 28}&dscp={DSCP}"))


def sent(watch):
    watch.stdin.write("\n")
    watch.stdin.flush()
    return int(watch.stdout.readline())


def run_traffic(job):
    """The video first, then the others beside it, and what is measured is while they run."""
    seconds = job["seconds"]
    with start([f"{BUILD}/traffic", f"{BUILD}/traffic.bpf.o", f"/run/netns/{NEAR}", "va", f"/run/netns/{FAR}", "vb"],
               stdin=subprocess.PIPE) as watch:
        watch.stdout.readline()
        with start_video() as video, start(far("iperf3", "--server", "--one-off")):
            until(lambda: sent(watch) > 10, "the video", 60)
            bulk = start(near("iperf3", "--client", ADDRESS, "--parallel", str(job["bulk"]), "--omit", "2",
                              "--time", str(seconds), "--json"))
            time.sleep(2)
            begin = time.monotonic_ns()
            with start(near("ping", "-i", "0.1", "-c", str(seconds * 10 - 20), ADDRESS)) as ping:
                job["ping"] = [float(ms) for ms in re.findall(r"time=([\d.]+) ms", ping.communicate()[0])]
            end = time.monotonic_ns()
            job["bulk_bps"] = json.loads(bulk.communicate()[0])["end"]["sum_received"]["bits_per_second"]
            time.sleep(2)  # what is under way arrives
            video.kill()
        lines = [list(map(int, line.split())) for line in watch.communicate()[0].splitlines()]
        job["packets"] = [line for line in lines if begin <= line[1] < end]


def main():
    jobs, results = sys.argv[1:]
    with open(jobs, encoding="utf-8") as lines, open(results, "a", encoding="utf-8") as out:
        for job in map(json.loads, lines):
            with link(), queue(job["arm"]) as qosd:
                run_traffic(job)
                if qosd:
                    job["stats"] = qosd.json("show", "video")["network"][0]["stats"]
            print(json.dumps(job), file=out, flush=True)


main()
