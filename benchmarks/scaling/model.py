"""How training scales beyond this machine, on paper: tables and a plot.

    python -m benchmarks.scaling.model --docs

cost.py says what a step of k ranks costs; constants.py measures what there is to measure here.
Writes what it found into docs/scaling.md, docs/scaling.png and the constants into
docs/scaling.json; without --docs it only prints. --constants FILE takes them from there instead.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.scaling.constants import (
    CHECKED,
    SAMPLES,
    line_through,
    of_one_process,
    of_two_ranks,
)
from benchmarks.scaling.cost import RANKS, WIRES, WORTH_IT, Line, Wire, cheapest, pays_up_to, talk
from benchmarks.scaling.page import DOCS, write
from benchmarks.speed.report import seconds, table, where

WHOLE_BATCH = 2048
"""Samples of a batch that ranks share: two for each of 1,024 ranks."""

OWN_BATCH = 32
"""Samples per rank if the batch grows with the number of ranks."""

SHOWN = (2, 16, 128)
"""Numbers of ranks for which it is shown what overlapping could save."""


@dataclass(frozen=True)
class Trained:
    """A network: its parameters, and what a step and its backward pass take on one core."""

    name: str
    parameters: int
    step: Line
    backward: Line
    adding: float

    @property
    def size(self) -> float:
        return 4.0 * self.parameters

    def shared(self, ranks: int, wire: Wire) -> float:
        """Return the seconds of a step on a batch that the ranks share."""
        return self.of_rank(ranks, WHOLE_BATCH / ranks, wire)

    def of_rank(self, ranks: int, samples: float, wire: Wire) -> float:
        return self.step(samples) + talk(ranks, self.size, wire, self.adding)

    def strong(self, ranks: int, wire: Wire) -> float:
        """Return the speed-up by sharing a batch, divided by the number of ranks."""
        return self.step(WHOLE_BATCH) / (ranks * self.shared(ranks, wire))

    def weak(self, ranks: int, wire: Wire) -> float:
        """Return the samples per second of a rank, as a share of those of a single process."""
        return self.step(OWN_BATCH) / self.of_rank(ranks, OWN_BATCH, wire)

    def hidden(self, ranks: int, wire: Wire) -> float:
        """Return the largest share of a step that communication during backward could save."""
        talking = talk(ranks, self.size, wire, self.adding)
        hidden = min(talking, self.backward(WHOLE_BATCH / ranks))
        return hidden / self.shared(ranks, wire)


def trained(constants: dict[str, Any]) -> list[Trained]:
    """Return the networks that were measured."""
    found = []
    for name, one in constants["networks"].items():
        lines = [
            line_through({samples: one[what][str(samples)] for samples in SAMPLES})
            for what in ("step", "backward")
        ]
        found.append(Trained(name, one["parameters"], *lines, constants["adding"]))
    return found


# ---------------------------------------------------------------- tables


def everything(constants: dict[str, Any]) -> str:
    networks = trained(constants)
    return "\n\n".join(
        [
            "\n".join(constants["where"]),
            "Measured here:",
            measured(constants, networks),
            f"Two ranks here share a batch of {CHECKED}, by the model and in fact. They also share "
            f"the machine, so the model is given what a step of {CHECKED // 2} takes on both at "
            "once, without talking:",
            check(constants, networks),
            f"Efficiency where ranks share a batch of {WHOLE_BATCH:,} (strong scaling), in per "
            "cent. It pays up to the number of ranks from which on twice as many make a step less "
            f"than {100 * WORTH_IT:.0f} % shorter; behind it, how many times faster than one they "
            "are. The last column is where a step is shortest:",
            strong(networks),
            f"Efficiency where each rank has {OWN_BATCH} samples (weak scaling), in per cent:",
            by_ranks(networks, RANKS, Trained.weak),
            f"What overlapping could save at most of a step on a shared batch of "
            f"{WHOLE_BATCH:,}, in per cent:",
            by_ranks(networks, SHOWN, Trained.hidden),
        ]
    )


def measured(constants: dict[str, Any], networks: Sequence[Trained]) -> str:
    body = []
    for each in networks:
        times = constants["networks"][each.name]["step"]
        worst = max(abs(each.step(n) / times[str(n)] - 1) for n in SAMPLES)
        body.append(
            [
                "-".join(map(str, constants["networks"][each.name]["sizes"])),
                f"{each.parameters:,}",
                *(seconds(times[str(n)]) for n in SAMPLES),
                seconds(each.step.fixed),
                seconds(each.step.each),
                f"{100 * worst:.0f} %",
            ]
        )
    header = ["network", "parameters", *(f"step of {n}" for n in SAMPLES)]
    lines = table([*header, "fixed", "each sample", "line off by"], body)
    two = constants["two"]
    return (
        f"{lines}\n\nTo add up: γ = {1e12 * constants['adding']:.0f} ps a byte. Two ranks in this "
        f"machine: α = {1e6 * two['latency']:.1f} µs, β = {1e12 * two['per_byte']:.0f} ps a byte."
    )


def check(constants: dict[str, Any], networks: Sequence[Trained]) -> str:
    two = constants["two"]
    wire = Wire("this machine", two["latency"], two["per_byte"])
    body = []
    for each in networks:
        found, times = two["networks"][each.name], constants["networks"][each.name]
        talking = talk(2, each.size, wire, each.adding)
        body.append(
            [
                each.name,
                seconds(times["step"][str(CHECKED)]),
                seconds(times["step"][str(CHECKED // 2)]),
                seconds(found["apart"]),
                seconds(talking),
                seconds(found["allreduce"]),
                seconds(found["apart"] + talking),
                seconds(found["step"]),
                seconds(times["backward"][str(CHECKED // 2)]),
            ]
        )
    header = ["network", f"one rank, {CHECKED}", f"one rank, {CHECKED // 2}", "two at once, apart"]
    header += ["talking: model", "allreduce: measured", "two: model", "two: measured"]
    return table([*header, f"backward of {CHECKED // 2}"], body)


def strong(networks: Sequence[Trained]) -> str:
    body = []
    for each in networks:
        for wire in WIRES:
            times = {1: each.step(WHOLE_BATCH)} | {k: each.shared(k, wire) for k in RANKS}
            ends = [
                f"{k:,}: {times[1] / times[k]:.3g} ×" for k in (pays_up_to(times), cheapest(times))
            ]
            shares = [per_cent(each.strong(k, wire)) for k in RANKS]
            body.append([each.name, wire.name, *shares, *ends])
    return table([*head(RANKS), "pays up to", "shortest at"], body)


def by_ranks(
    networks: Sequence[Trained],
    ranks: Sequence[int],
    share: Callable[[Trained, int, Wire], float],
) -> str:
    body = [
        [each.name, wire.name, *(per_cent(share(each, k, wire)) for k in ranks)]
        for each in networks
        for wire in WIRES
    ]
    return table(head(ranks), body)


def head(ranks: Sequence[int]) -> list[str]:
    return ["parameters", "network", *(f"{k:,}" for k in ranks)]


def per_cent(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.095 else f"{100 * share:.1f}"


# ---------------------------------------------------------------- the plot

COLOURS = ["#1f77b4", "#ff7f0e", "#2ca02c"]


def plot(networks: Sequence[Trained], path: Path) -> None:
    """Draw the efficiency against the ranks; a point where more of them stop paying."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, rows = plt.subplots(
        2, len(networks), figsize=(9, 5.6), sharex=True, sharey=True, layout="constrained"
    )
    for column, each in enumerate(networks):
        draw(rows[0][column], each, shared=True)
        draw(rows[1][column], each, shared=False)
        rows[0][column].set_title(f"{each.name} parameters", fontsize="medium")
        rows[1][column].set_xlabel("ranks")
    rows[0][0].set_ylabel(f"efficiency, batch of {WHOLE_BATCH:,} shared")
    rows[1][0].set_ylabel(f"efficiency, {OWN_BATCH} samples a rank")
    handles = rows[0][0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=4, frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def draw(axes: Any, each: Trained, shared: bool) -> None:
    for colour, wire in zip(COLOURS, WIRES, strict=True):
        efficiency = each.strong if shared else each.weak
        values = {1: 1.0} | {k: efficiency(k, wire) for k in RANKS}
        axes.plot(list(values), list(values.values()), color=colour, label=wire.name)
        if shared:
            last = pays_up_to({k: 1 / (k * value) for k, value in values.items()})
            axes.plot(last, values[last], "o", color=colour, ms=6)
    axes.set_xscale("log", base=2)
    axes.set_ylim(0, 1.05)
    axes.set_xticks([1, 4, 16, 64, 256, 1024], ["1", "4", "16", "64", "256", "1,024"])
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.grid(alpha=0.2)


# ---------------------------------------------------------------- the command line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--constants", type=Path, metavar="FILE", help="measured before")
    parser.add_argument("--docs", action="store_true", help="write docs/scaling.*")
    options = parser.parse_args()
    if options.constants:
        text = options.constants.read_text("utf-8")
    else:
        found = {"where": where([]).splitlines()[:1], **of_one_process(), "two": of_two_ranks()}
        text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    constants = json.loads(text)
    shown = everything(constants)
    print(shown)
    if options.docs:
        (DOCS / "scaling.json").write_text(text, "utf-8")
        plot(trained(constants), DOCS / "scaling.png")
        write("model", shown)


if __name__ == "__main__":
    main()
