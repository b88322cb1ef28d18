"""``--calibrate``: the controls among the runs given, and the verdict made on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lwd_agents import seeding
from lwd_agents.errors import BadInput
from lwd_agents.inference.assess import windows_of
from lwd_agents.inference.calibrate import (
    Calibration,
    draws_of_frozen_readers,
    frozen_readers,
    placebo_against_placebo,
)
from lwd_agents.inference.grouping import Condition, conditions
from lwd_agents.inference.measured import Floats, Measured, Reader
from lwd_agents.inference.options import Options
from lwd_agents.run_files import Run


def calibrations(
    runs: Sequence[Run], tested: Sequence[Condition], reader: Reader, options: Options
) -> tuple[Calibration, ...]:
    """The verdict on frozen readers, and on placebos against placebos, of each condition tested."""
    frozen = [c for c in conditions(runs) if c.frozen and c.live]
    found = []
    for condition in tested:
        try:
            measured = reader.measured(condition)
        except BadInput:  # said by the verdict itself
            continue
        windows, _ = windows_of(condition, measured, options, [])
        if windows is None:
            continue
        key = seeding.key(options.seed, "calibrate")
        placebos = _placebos(condition, measured, reader)
        found.append(placebo_against_placebo(placebos, windows, options.alpha, key))
        for control in [c for c in frozen if c.live[0].agents == condition.live[0].agents]:
            still = reader.measured(control)
            found.append(frozen_readers(_finite(still.live), windows, options.alpha, key))
            if control.live[0].world == "llm":
                found.append(draws_of_frozen_readers(_arrays(control), options.alpha, key))
    return tuple(found)


def _placebos(condition: Condition, measured: Measured, reader: Reader) -> dict[str, Floats]:
    """The curves of all placebos, also of those whose live run is not there."""
    if not condition.placebos:
        return _finite(measured.placebo)
    alone = Condition(condition.name, tuple(condition.placebos.values()), {})
    return _finite(reader.measured(alone).live)


def _finite(curves: dict[str, Floats]) -> dict[str, Floats]:
    """Without quantities that were never measured."""
    kept = {name: c for name, c in curves.items() if np.isfinite(c).any() or not len(c)}
    return kept or curves


def _arrays(control: Condition) -> list[NDArray[np.float32]]:
    """The embeddings of each frozen run, step by step; a step that cannot be read is left out."""
    found = []
    for run in control.live:
        steps = []
        for t in run.lines:
            try:
                steps.append(run.array(t))
            except BadInput:
                continue
        found.append(np.stack(steps))
    return found
