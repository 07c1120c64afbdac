#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A video over RTP (ffmpeg), eight bulk TCP transfers (iperf3) and pings share a link of 10 Mbit/s, in virtual time
(8 ns an instruction) on a stock RT kernel: once with a contract for the video, by the module and by the kernel's
own htb, and once with each queue that a person would set up by hand. The contract: of 50 packets at most 2 are
later than 50 ms. Counted at the two ends of the link, whoever queues. Last line: one JSON object.

  traffic.py [--json]

Bounds: with a contract no window is violated, and bulk gets nine tenths of what the video leaves; without one,
in a queue that knows nothing (pfifo), windows are.
"""
import os
import subprocess
import sys

import lab

SHIFT, SECONDS, BULK = 3, 20, 8
DEADLINE_NS, X, Y = 50e6, 2, 50
LINK_BPS, HEADERS = 10e6, 66 / 1514  # of a full TCP packet
ARMS = ("qosd, dwcs", "qosd, native", "pfifo", "prio", "htb", "fq", "fq_codel", "cake")
BUILD = os.path.join(lab.TOP, "build/traffic")


def build():
    """The video is drawn, and coded for a link: no second of it is larger than another by much."""
    os.makedirs(BUILD, exist_ok=True)
    sources = os.path.join(lab.TOP, "tests/vm")
    subprocess.run(["clang", "-g", "-O2", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror",
                    "-idirafter", "/usr/include/x86_64-linux-gnu",
                    "-c", f"{sources}/traffic.bpf.c", "-o", f"{BUILD}/traffic.bpf.o"], check=True)
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", f"{BUILD}/traffic",
                    f"{sources}/traffic.c", "-lbpf"], check=True)
    subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i",
                    f"testsrc2=size=640x360:rate=25:duration={3 * SECONDS}", "-c:v", "libx264", "-preset", "veryfast",
                    "-threads", "1", "-b:v", "2M", "-maxrate", "2M", "-bufsize", "160k", "-g", "50",
                    f"{BUILD}/video.mp4"], check=True)


def row(got):
    delays = [come - sent if come else None for _, sent, come in got["packets"]]
    shown = lab.judge(delays, DEADLINE_NS, X, Y)
    rows = {"arm": got["arm"], **shown, "bulk_bps": got["bulk_bps"], "ping_p50_ms": lab.part(got["ping"], .5),
            "ping_p99_ms": lab.part(got["ping"], .99)}
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in rows.items()}


def misses(rows):
    by_arm = {row["arm"]: row for row in rows}
    video = 2e6
    for row in rows:
        if not row["arm"].startswith("qosd"):
            continue
        if row["packets"] < 1000:
            yield f"{row['arm']}: only {row['packets']} packets of the video"
        if row["violations"]:
            yield f"{row['arm']}: {row['violations']} of {row['windows']} windows"
        if row["bulk_bps"] < 0.9 * (LINK_BPS - video) * (1 - HEADERS):
            yield f"{row['arm']}: bulk gets {row['bulk_bps']:.0f} bit/s"
    if not by_arm["pfifo"]["violations"]:
        yield "pfifo violates nothing: the link is not loaded"


def main():
    lab.build_module()
    build()
    jobs = [{"arm": arm, "seconds": SECONDS, "bulk": BULK} for arm in ARMS]
    answers, error = lab.run("traffic_guest.py", jobs, SHIFT, 3000)
    if error:
        sys.exit(error)
    rows = [row(got) for got in answers]
    if "--json" not in sys.argv:
        print(f"{'':14}{'packets':>8}{'lost':>6}{'late':>6}{'windows':>8}{'violated':>9}{'p50 ms':>8}{'p99 ms':>8}"
              f"{'bulk Mbit/s':>12}{'ping p50':>9}{'p99':>7}")
        for one in rows:
            print(f"{one['arm']:14}{one['packets']:8}{one['lost']:6}{one['late']:6}{one['windows']:8}"
                  f"{one['violations']:9}{one['p50_ms']:8.1f}{one['p99_ms']:8.1f}{one['bulk_bps'] / 1e6:12.2f}"
                  f"{one['ping_p50_ms']:9.1f}{one['ping_p99_ms']:7.1f}")
    lab.end(list(misses(rows)), bench="traffic", rows=rows)


if __name__ == "__main__":
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
    main()
