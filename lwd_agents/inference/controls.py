"""``--calibrate``: the controls among the runs given, and the verdict made on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lwd_agents import seeding
from lwd_agents.errors import BadInput
from lwd_agents.inference.assess import windows_of
from lwd_agents.inference.calibrate import (
    FROZEN,
    PLACEBOS,
    Calibration,
    draws_of_frozen_readers,
    frozen_readers,
    placebo_against_placebo,
    untried,
)
from lwd_agents.inference.grouping import Condition, conditions
from lwd_agents.inference.measured import Floats, Measured, Reader
from lwd_agents.inference.options import Options
from lwd_agents.inference.windows import Windows
from lwd_agents.run_files import Run


def calibrations(
    runs: Sequence[Run], tested: Sequence[Condition], reader: Reader, options: Options
) -> tuple[Calibration, ...]:
    """The verdict on frozen readers, and on placebos against placebos, of each condition tested."""
    frozen = [c for c in conditions(runs) if c.frozen and c.live]
    key = seeding.key(options.seed, "calibrate")
    found = []
    for condition in tested:
        try:
            measured = reader.measured(condition)
        except BadInput:  # said by the verdict itself
            continue
        windows, _ = windows_of(condition, measured, options, [])
        if windows is None:
            continue
        found.append(_of_placebos(condition, measured, reader, windows, options, key))
        for control in [c for c in frozen if c.live[0].agents == condition.live[0].agents]:
            found += _of_frozen(control, reader, windows, options, key)
    return tuple(found)


def _of_placebos(
    condition: Condition,
    measured: Measured,
    reader: Reader,
    windows: Windows,
    options: Options,
    key: int,
) -> Calibration:
    try:
        curves = _placebos(condition, measured, reader)
        return placebo_against_placebo(curves, windows, options.alpha, key)
    except BadInput as error:
        return untried(PLACEBOS, options.alpha, str(error))


def _of_frozen(
    control: Condition, reader: Reader, windows: Windows, options: Options, key: int
) -> list[Calibration]:
    try:
        curves = _finite(reader.measured(control).live)
        found = [frozen_readers(curves, windows, options.alpha, key)]
    except BadInput as error:
        found = [untried(FROZEN, options.alpha, str(error))]
    if control.live[0].world == "llm":
        found.append(draws_of_frozen_readers(_arrays(control), options.alpha, key))
    return found


def _placebos(condition: Condition, measured: Measured, reader: Reader) -> dict[str, Floats]:
    """The curves of all placebos, also of those whose live run is not there."""
    if not condition.placebos:
        return _finite(measured.placebo)
    alone = Condition(condition.name, tuple(condition.placebos.values()), {})
    return _finite(reader.measured(alone).live)


def _finite(curves: dict[str, Floats]) -> dict[str, Floats]:
    """Without quantities that were never measured."""
    return {name: c for name, c in curves.items() if np.isfinite(c).any() or not len(c)}


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
        if steps:
            found.append(np.stack(steps))
    return found
