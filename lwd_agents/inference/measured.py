"""The curves of one condition's replicates side by side, live and placebo matched.

Axes: R replicates, T + 1 steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput
from lwd_agents.inference.curves import Curves, curves_of, of_replicates
from lwd_agents.inference.grouping import Condition
from lwd_agents.inference.windows import Windows
from lwd_agents.run_files import Run

Floats = NDArray[np.float64]
Quantities = dict[str, Floats]
ROUNDING = 1e-9  # a relative difference of this size between two learners' runs is none


@dataclass(frozen=True)
class Measured:
    """One condition's replicates.

    Attributes:
        keys: of the R replicates of ``live``: equal keys are equal random draws.
        live: quantity -> (R, T + 1), of those that the world measures.
        pairs: the keys of the P replicates that have a placebo.
        paired_live, placebo: quantity -> (P, T + 1), row by row matched.
        fresh: steps that alone may be tested, key by key, where runs stopped themselves.
        last: the last step that all have.
        said: what was left out, and why.
    """

    keys: tuple[str, ...]
    live: Quantities
    pairs: tuple[str, ...]
    paired_live: Quantities
    placebo: Quantities
    fresh: Mapping[str, range]
    last: int
    said: tuple[str, ...] = ()

    @property
    def stopped(self) -> bool:
        """Whether runs of it stopped themselves."""
        return bool(self.fresh)

    def tested(self, windows: Windows) -> tuple[Quantities, Quantities, Windows]:
        """(live, placebo, windows) of the pairs, as ``collapse`` takes them.

        Of runs that stopped themselves only the fresh steps count: their mean stands at a late step
        of its own, and nothing (the same 0 on both sides) at an early one.
        """
        if not self.stopped:
            return self.paired_live, self.placebo, windows
        live = {n: self._fresh_means(c, self.pairs) for n, c in self.paired_live.items()}
        placebo = {n: self._fresh_means(c, self.pairs) for n, c in self.placebo.items()}
        return live, placebo, Windows((0, 0), (1, 1))

    def level(self, name: str, windows: Windows) -> tuple[Floats, Windows]:
        """One quantity of all live runs as ``limit`` takes it; of stopped ones the fresh means."""
        if not self.stopped:
            return self.live[name], windows
        found = self._fresh_means(self.live[name], self.keys)
        found[:, 0] = np.nan
        return found, Windows((0, 0), (1, 1))

    def _fresh_means(self, curves: Floats, keys: Sequence[str]) -> Floats:
        length = max(len(steps) for steps in self.fresh.values())
        final = range(self.last + 1 - length, self.last + 1)
        found = np.zeros((len(curves), 2))
        for row, key in enumerate(keys):
            steps = self.fresh.get(key, final)
            part = curves[row, steps.start : steps.stop]
            enough = len(part) == len(steps) > 0 and np.isfinite(part).any()
            found[row, 1] = np.nanmean(part) if enough else np.nan
        return found


class Reader:
    """Reads the curves of runs, each once."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, str], Curves] = {}

    def curves(self, run: Run, side: str = "") -> Curves:
        """The curves of a run; ``side`` of a numeric world is "" or "placebo_".

        Raises:
            BadInput: there is no such side, or its arrays cannot be read.
        """
        at = (run.path, side)
        if at not in self._known:
            known = curves_of(run) if run.world == "llm" else of_replicates(run, side)
            self._known[at] = known
        return self._known[at]

    def measured(self, condition: Condition) -> Measured:
        """The curves of a condition.

        Raises:
            BadInput: none of its live runs can be measured.
        """
        said = list(condition.said)
        live, placebo, fresh = self._sides(condition, said)
        if not live:
            raise BadInput(f"{condition.name}: no live run of it can be measured")
        lengths = {_length(curves) for curves in live.values()}
        last = (max if fresh else min)(lengths) - 1
        if len(lengths) > 1 and not fresh:
            said.append(f"{condition.name}: runs of different lengths: steps 0 to {last} are used")
        names, pairs = list(next(iter(live.values()))), []
        for key in [key for key in live if key in placebo]:
            needed = fresh.get(key, range(last + 1)).stop - 1
            ends = _length(placebo[key]) - 1
            if ends < needed:
                said.append(
                    f"{condition.name}: the placebo of seed {key} ends at t = {ends}, and step "
                    f"{needed} is needed; the pair is left out (run it on with --steps)"
                )
            else:
                pairs.append(key)
        paired = [_stacked(names, side, pairs, last) for side in (live, placebo)]
        if condition.live[0].world == "graph":
            paired[1] = _but_for_rounding(*paired)
        return Measured(
            keys=tuple(live),
            live=_stacked(names, live, list(live), last),
            pairs=tuple(pairs),
            paired_live=paired[0],
            placebo=paired[1],
            fresh=fresh,
            last=last,
            said=tuple(dict.fromkeys(said)),
        )

    def _sides(
        self, condition: Condition, said: list[str]
    ) -> tuple[dict[str, Quantities], dict[str, Quantities], dict[str, range]]:
        """key -> quantity -> (T + 1,), of both sides; and the fresh steps."""
        live: dict[str, Quantities] = {}
        placebo: dict[str, Quantities] = {}
        fresh = {str(run.seed): run.fresh for run in condition.live if run.fresh is not None}
        for run in condition.live:
            self._take(run, "", live, said)
            if run.world != "llm" and run.config.get("placebo"):
                self._take(run, "placebo_", placebo, said)
        for run in condition.placebos.values():
            self._take(run, "", placebo, said)
        return live, placebo, fresh

    def _take(self, run: Run, side: str, into: dict[str, Quantities], said: list[str]) -> None:
        try:
            curves = self.curves(run, side)
        except BadInput as error:
            said.append(str(error))
            return
        said += curves.said
        found = self._over_readings(run, curves)
        count = len(curves.between)
        for replicate in range(count):
            several = count > 1 or run.world != "llm"
            key = f"{run.seed}/{replicate}" if several else f"{run.seed}"
            into[key] = {name: rows[replicate] for name, rows in found.items()}

    def _over_readings(self, run: Run, first: Curves) -> Quantities:
        """The quantities, (R, T + 1) each: of several readings a step, their mean over readings.

        Each reading's quantities have the same expectation; the mean has less noise.
        """
        every = [first, *(curves_of(run, r) for r in range(1, run.readings))]
        names = list(first.quantities)
        stack = np.stack([[c.quantities[name] for name in names] for c in every])
        known = np.isfinite(stack).sum(axis=0)
        mean = np.where(known > 0, np.nansum(stack, axis=0) / np.maximum(known, 1), np.nan)
        return dict(zip(names, mean, strict=True))


def _but_for_rounding(live: Quantities, placebo: Quantities) -> Quantities:
    """The placebo, with the live value itself where the two agree but for rounding.

    Learners that all shift alike keep the distances that they have in the placebo; what rounding
    leaves of the difference has a sign in every pair, and would be tested.
    """
    return {
        name: np.where(np.isclose(live[name], curves, rtol=ROUNDING, atol=0), live[name], curves)
        for name, curves in placebo.items()
    }


def _length(found: Quantities) -> int:
    """T + 1."""
    return len(next(iter(found.values())))


def _stacked(
    names: Sequence[str], found: Mapping[str, Quantities], keys: Sequence[str], last: int
) -> Quantities:
    return {
        name: np.array([_cut(found[key][name], last) for key in keys]).reshape(len(keys), last + 1)
        for name in names
    }


def _cut(curve: Floats, last: int) -> Floats:
    """Steps 0 .. last; NaN where a run has fewer."""
    short = last + 1 - len(curve)
    return curve[: last + 1] if short <= 0 else np.concatenate([curve, np.full(short, np.nan)])
