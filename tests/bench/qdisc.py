#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What a packet costs in each qdisc above no qdisc at all, in virtual time (2 ns an instruction) on a stock RT
kernel: a program sends over as many connected sockets as there are classes, in turn, into a device that takes
everything. Last line: one JSON object.

  qdisc.py [--json]

For dwcs and htb a socket is a class, for fq and fq_codel a flow; pfifo, prio and cake have nothing to tell
sockets apart by that costs more with more of them. Bounds: dwcs costs no more than fq with as many, and from 1
to 10,000 classes no more than log2(10,000) times. Virtual time knows no caches: 10,000 classes' memory is
free there.
"""
import math
import os
import sys

import lab

SHIFT, PACKETS, BY_FQ = 1, 5000, 1.0
CLASSES = {"noqueue": (1, 100, 10000), "pfifo": (1,), "prio": (1, 100, 10000), "htb": (1, 100, 10000),
           "fq_codel": (1, 100, 10000), "cake": (1, 100, 10000), "fq": (1, 100, 10000), "dwcs": (1, 100, 10000)}


def jobs():
    for kind, counts in CLASSES.items():
        for count in counts:
            yield {"qdisc": kind, "classes": count, "packets": max(PACKETS, count)}


def row(key, ns, above):
    kind, count = key
    got = {"qdisc": kind, "classes": count, "ns": ns, "above": round(above.get(key, 0.0), 1)}
    if kind == "dwcs":
        ratio = above[key] / above["fq", count]
        got |= {"by_fq": round(ratio, 4), "bound": BY_FQ, "good": ratio <= BY_FQ}
    return got


def main():
    packets = {}
    lab.build_module()
    answers, error = lab.run("qdisc_guest.py", list(jobs()), SHIFT, 1500)
    if error:
        sys.exit(error)
    for answer in answers:
        packets[answer["qdisc"], answer["classes"]] = answer["ns"]
    above = {key: ns - packets["noqueue", key[1]] for key, ns in packets.items() if key[0] != "noqueue"}
    if "--json" not in sys.argv:
        print(f"{'qdisc':9} {'classes':>7} {'ns a packet':>12} {'above noqueue':>14}   (virtual time)")
        for key, ns in packets.items():
            print(f"{key[0]:9} {key[1]:7} {ns:12.0f} {above.get(key, 0):14.0f}")
    rows = [row(key, ns, above) for key, ns in packets.items()]
    missed = [f"{one['classes']} classes: {one['above']:.0f} ns, fq {above['fq', one['classes']]:.0f}"
              for one in rows if not one.get("good", True)]
    if above["dwcs", 10000] > above["dwcs", 1] * math.log2(10000):
        missed.append("grows faster than log n")
    lab.end(missed, bench="qdisc", unit="virtual ns a packet", rows=rows)


if __name__ == "__main__":
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
    main()
