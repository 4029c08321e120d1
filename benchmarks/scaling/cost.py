"""What a step of k ranks costs, on paper.

    T(k, b) = compute(b) + allreduce(k, n) + 2 exchanges(k)

b is the number of samples per rank, n the bytes of the gradient. A message of m bytes takes
α + mβ, and adding m bytes takes mγ (Hockney, 1994). The allreduce is the cheapest of those of
Thakur, Rabenseifner and Gropp (2005), which MPI libraries choose from, for k a power of two:

    recursive doubling   log₂k (α + nβ + nγ)
    Rabenseifner         2 log₂k α + 2 (k-1)/k nβ + (k-1)/k nγ
    ring                 2 (k-1) α + 2 (k-1)/k nβ + (k-1)/k nγ

In the exchanges, one in each step and one after it (docs/parallel.md), each rank sends six numbers
to all others: an allgather, log₂k α + (k-1) 48 β. The model assumes that nothing overlaps, that the
switches of the network are no bottleneck, and that all ranks are equally fast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

EXCHANGES = 2
EXCHANGED_BYTES = 6 * 8
WORTH_IT = 0.05
RANKS = [2**power for power in range(1, 11)]


@dataclass(frozen=True)
class Line:
    """Seconds for a number of samples: `fixed` + `each` · samples."""

    fixed: float
    each: float

    def __call__(self, samples: float) -> float:
        return self.fixed + self.each * samples


@dataclass(frozen=True)
class Wire:
    """What carries messages: `latency` α in seconds, `per_byte` β in seconds per byte."""

    name: str
    latency: float
    per_byte: float


def ethernet(gigabits: float, latency: float) -> Wire:
    """Return a network at its nominal rate."""
    return Wire(f"{gigabits:g} Gbit/s", latency, 8 / (gigabits * 1e9))


WIRES = [ethernet(1, 25e-6), ethernet(10, 10e-6), ethernet(100, 2e-6)]
"""Assumed, because these networks were not available. One-way latencies measured by others:

- 1 Gbit/s: 24.6 to 26 µs and 116 MB/s, MPICH over TCP (osu_latency, osu_bw:
  https://gist.github.com/jfgrimm/3af692a5475bdd4ed836b5a18197a209).
- 10 Gbit/s: 10 µs, TCP, no other traffic (Larsen, Sarangam and Huggahalli, "Architectural Breakdown
  of End-to-End Latency in a TCP/IP Network", SBAC-PAD 2007).
- 100 Gbit/s: 2 µs, bypassing the operating system (1.93 µs with usNIC at 40 Gbit/s:
  https://blogs.cisco.com/performance/mpi-over-40gb-ethernet). TCP would take about 10 µs here too.
"""


def allreduce(ranks: int, size: float, wire: Wire, adding: float) -> float:
    """Return the seconds in which the gradients of all ranks, of this many bytes, are summed."""
    if ranks == 1:
        return 0.0
    rounds, share = math.log2(ranks), (ranks - 1) / ranks
    once = 2 * share * size * wire.per_byte + share * size * adding
    return min(
        rounds * (wire.latency + size * wire.per_byte + size * adding),
        2 * rounds * wire.latency + once,
        2 * (ranks - 1) * wire.latency + once,
    )


def exchanges(ranks: int, wire: Wire) -> float:
    """Return the seconds of the exchanges in a step and after it."""
    once = math.log2(ranks) * wire.latency + (ranks - 1) * EXCHANGED_BYTES * wire.per_byte
    return EXCHANGES * once


def talk(ranks: int, size: float, wire: Wire, adding: float) -> float:
    """Return the seconds of a step that are communication."""
    return allreduce(ranks, size, wire, adding) + exchanges(ranks, wire)


def cheapest(times: dict[int, float]) -> int:
    """Return the number of ranks with the shortest step."""
    return min(times, key=lambda ranks: (times[ranks], ranks))


def pays_up_to(times: dict[int, float]) -> int:
    """Return the number of ranks up to which each doubling makes a step shorter by `WORTH_IT`."""
    ranks = 1
    while 2 * ranks in times and times[2 * ranks] <= (1 - WORTH_IT) * times[ranks]:
        ranks *= 2
    return ranks
