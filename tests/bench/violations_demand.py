# SPDX-License-Identifier: GPL-2.0-only
"""What each job of the workloads of violations.py needs, in us of CPU time."""

import functools
import os
import subprocess

import lab

BUILD = os.path.join(lab.TOP, "build/violations")
FILM = f"{BUILD}/video.mp4"
LOW_US, HIGH_US, STEADY_US = 150, 600, 300
VIDEO = ("ffmpeg -nostdin -loglevel error -y -f lavfi -i testsrc2=size=320x180:rate=25:duration=20 -c:v libx264"
         " -preset veryfast -threads 1 -g 12").split()
SIZES = "ffprobe -v error -select_streams v -show_entries packet=size -of csv=p=0".split()


def intervals(rng, n, jobs):
    """The number of the interval that each of n jobs is in. One has about so many jobs, so that nobody who polls is in
    step with the changes; the first has half of them."""
    numbers, length = [], jobs - jobs // 2
    while len(numbers) < n:
        numbers += [numbers[-1] + 1 if numbers else 0] * length
        length = max(1, round(jobs * rng.uniform(0.75, 1.25)))
    return numbers[:n]


def step(rng, n, jobs):
    return [HIGH_US if i % 2 else LOW_US for i in intervals(rng, n, jobs)]


def ramp(_, n, jobs):
    return [LOW_US + (HIGH_US - LOW_US) * abs((i / jobs) % 2 - 1) for i in range(n)]


def burst(rng, n, jobs):
    return [HIGH_US if i % 4 == 3 else LOW_US for i in intervals(rng, n, jobs)]


def jitter(rng, n, jobs):
    """A sensor that sees more at one time than at another."""
    numbers = intervals(rng, n, jobs)
    levels = [rng.uniform(LOW_US, HIGH_US) for _ in range(numbers[-1] + 1)]
    return [levels[i] for i in numbers]


def video(rng, n, jobs):
    """A picture's demand goes with its size; it is shown for so many jobs."""
    sizes = frame_sizes()
    first, most = rng.randrange(len(sizes)), max(sizes)
    return [LOW_US + (HIGH_US - LOW_US) * sizes[(first + i // jobs) % len(sizes)] / most for i in range(n)]


def steady(_, n, __):
    return [STEADY_US] * n


WORKLOADS = {"step": step, "ramp": ramp, "burst": burst, "jitter": jitter, "video": video, "overload": steady}


def build():
    subprocess.run([*VIDEO, FILM], check=True)


@functools.lru_cache
def frame_sizes():
    done = subprocess.run([*SIZES, FILM], capture_output=True, text=True, check=True)
    return [int(line.strip(",")) for line in done.stdout.split()]


def demand(rng, workload, n, jobs):
    """n jobs, of which one and the next differ by noise, and after about so many jobs by more."""
    return [max(1, round(us * rng.uniform(0.98, 1.02))) for us in WORKLOADS[workload](rng, n, jobs)]


def rises(us):
    """(first, end) of each run of jobs that need a fifth more than the job before it did."""
    jumps = [i for i in range(1, len(us)) if abs(us[i] - us[i - 1]) > us[i - 1] / 5]
    return [(at, end) for at, end in zip(jumps, jumps[1:] + [len(us)]) if us[at] > us[at - 1]]
