# SPDX-License-Identifier: GPL-2.0-only
"""Random sets of streams "(T,C,x/y,phase) ...", and what dwcs.h makes of them (predict.c)."""

import json
import os
import random
import subprocess
from fractions import Fraction
from typing import NamedTuple

BUILD = os.environ.get("QOS_BUILD", "build")


class Stream(NamedTuple):
    period: int
    cost: int
    x: int
    y: int
    phase: int

    def demand(self):
        return Fraction(self.cost, self.period)

    def least(self):
        """What of it must be served."""
        return self.demand() * (self.y - self.x) / self.y

    def scaled(self, unit):
        return Stream(self.period * unit, self.cost * unit, self.x, self.y, self.phase * unit)

    def __str__(self):
        return f"({self.period},{self.cost},{self.x}/{self.y},{self.phase})"


def text(streams):
    return " ".join(map(str, streams))


def demand(streams):
    return float(sum(stream.demand() for stream in streams))


def least(streams):
    return float(sum(stream.least() for stream in streams))


def draw(rng, period_max, cost_max):
    """One set of 2 to 16 streams, half of the sets with one period for all."""
    n = rng.choice([2, 3, 4, 5, 6, 8, 10, 12, 16])
    period_max = max(period_max, 3 * n)
    equal = rng.randint(n, period_max) if rng.random() < 0.5 else None
    streams = []
    for _ in range(n):
        period = equal or rng.randint(2, period_max)
        y = rng.randint(1, 5)
        streams.append(Stream(period, rng.randint(1, min(cost_max, period)), rng.randint(0, y - 1),
                              y, rng.randrange(period)))
    return streams


# (name, is it one?): demand is what all streams ask for, least what their windows cannot do without.
# An admitted set keeps its windows in the simulator.
KINDS = [
    ("light", lambda d, u, kept: d <= 0.9 and kept),
    ("admitted", lambda d, u, kept: d > 1.0 and u <= 0.9 and kept),
    ("not admitted", lambda d, u, kept: d > 1.0 and u <= 1.0 and not kept),
    ("overload", lambda d, u, kept: 1.05 <= u <= 1.5),
]


def stagger(slot, streams):
    """How much later than the one before it each stream is released, so that no two times that decide
    fall together: who goes first then would hang on which of two timers the kernel took first. Virtual
    deadlines d + x'T/m' lie on twelfths of a slot, as long as y <= 5."""
    return slot // 12 // len(streams)


class Oracle:
    """predict.c, as a coprocess. Slots are `slot` units long; of each `interval` of time the cap
    leaves `taken` to others."""

    def __init__(self, slot, horizon, interval=0, taken=0):
        self.slot = slot
        self.interval, self.taken, self.horizon = interval, taken, horizon
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen([f"{BUILD}/tests/predict"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, streams, ordering="fin", offset=None, less=0, early=0, permille=0, switch=0):
        """`less`: of C; the other ones as in predict.c."""
        scaled = (stream.scaled(self.slot) for stream in streams)
        late = stagger(self.slot, streams)
        scaled = text(stream._replace(cost=stream.cost - less, phase=stream.phase + i * late)
                      for i, stream in enumerate(scaled))
        self.process.stdin.write(
            f"{ordering} {self.horizon} {self.interval},{self.taken},{offset or self.interval} "
            f"{early},{permille},{switch} {scaled}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["streams"]

    def keeps(self, streams, ordering="fin"):
        """Every window, as admission charges: C and its dispatch in full."""
        return not any(stream["violations"] for stream in self.ask(streams, ordering))

    def range(self, streams, variants):
        """(least, most) share of bad windows of each stream over what nobody knows exactly: where the
        cap's interval begins, how early a job ends, what a switch costs."""
        runs = [[share(stream) for stream in self.ask(streams, **variant)] for variant in variants]
        return [(min(some), max(some)) for some in zip(*runs)]


def share(stream):
    return stream["violations"] / stream["windows"] if stream["windows"] else 0.0


def make(oracle, seed, number, period_max=20, cost_max=6):
    """`number` sets, a list of (kind, streams): of every five three are admitted ones."""
    rng = random.Random(seed)
    turns = ["admitted", "light", "admitted", "overload", "admitted", "not admitted"]
    kinds, found = dict(KINDS), []
    while len(found) < number:
        kind = turns[len(found) % len(turns)]
        streams = draw(rng, period_max, cost_max)
        asked, needed = demand(streams), least(streams)
        if not any(kinds[kind](asked, needed, kept) for kept in (True, False)):
            continue
        if kind == "overload" or kinds[kind](asked, needed, oracle.keeps(streams)):
            found.append((kind, streams))
    return found
