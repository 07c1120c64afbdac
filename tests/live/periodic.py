#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A periodic program under contract: periodic.py TAG PERIOD_MS WORK_MS [fork|spin].

Burns WORK_MS of its own CPU time each period and skips periods that it is too late for. The last
word: `fork` starts a child each second; `spin` never sleeps at all.
"""

import os
import sys
import time


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def main():
    period, work = float(sys.argv[2]) / 1e3, float(sys.argv[3]) / 1e3
    mode = sys.argv[4] if len(sys.argv) > 4 else ""
    release = time.monotonic()
    forked = release
    while True:
        if mode == "spin":
            burn(3600)
        burn(work)
        now = time.monotonic()
        if mode == "fork" and now - forked > 1:
            forked = now
            if os.fork() == 0:
                os._exit(0)
        while release <= now:
            release += period
        time.sleep(release - now)


main()
