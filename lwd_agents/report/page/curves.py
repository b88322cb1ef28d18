"""What a run's curves are: the journal's, the measures', the band, the theory. Columns by step.

Axes: T committed steps (those of ``Source.steps``), N agents, R replicates, B components.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.blocks import Blocks
from lwd_agents.errors import BadInput
from lwd_agents.measures.unbiased import signed_root
from lwd_agents.report.page.numbers import number, numbers
from lwd_agents.report.page.sources import Source

if TYPE_CHECKING:
    from lwd_agents.inference.bands import Band
    from lwd_agents.measures.table import Measures
    from lwd_agents.run_files import Run

MOST_CURVES = 50  # replicates drawn one by one
MOST_NUMBERS = 200_000  # of one kind: weights, errors, replicates' norms, measures of pairs
BY_AGENT = ("weights", "errors", "errors_se", "expected", "spreads", "expected_spreads")
"""Columns of a numeric world by step and agent, each null where the world has none of it."""


def journal_curves(lines: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """What the lines of rounds.jsonl say of each step, by name, (T,) each."""
    found = {
        "norm": [number(line.get("norm")) for line in lines],
        "internet_size": [number(line.get("internet_size")) for line in lines],
        "synthetic_share": [_share(line) for line in lines],
        "seconds": [_seconds(line.get("seconds")) for line in lines],
        "cost": [number(line.get("cost")) for line in lines],
        "placebo_norm": [number(line.get("placebo_norm")) for line in lines],
    }
    always = ("norm", "internet_size", "synthetic_share", "seconds")
    return {
        name: column
        for name, column in found.items()
        if name in always or any(value is not None for value in column)
    }


def readings_of(lines: Sequence[Mapping[str, Any]], agents: Sequence[str]) -> list[Any] | None:
    """k_t: how many posts each agent read, [[N] per T]; null for one that was absent.

    Of a learner the rows that it fits. None where they would be too many for a page.
    """
    every = [line.get("k") for line in lines]
    many = len(lines) * len(agents) > MOST_NUMBERS
    if many or not any(isinstance(k, dict) for k in every):
        return None
    return [[number(k.get(a)) if isinstance(k, dict) else None for a in agents] for k in every]


def _share(line: Mapping[str, Any]) -> float | int | None:
    written, size = number(line.get("synthetic")), number(line.get("internet_size"))
    return number(written / size) if written is not None and size else None


def _seconds(found: Any) -> float | int | None:
    known = [number(v) for v in found.values()] if isinstance(found, dict) else []
    return number(float(sum(v for v in known if v is not None))) if known else None


def measured(source: Source, found: Measures) -> dict[str, Any]:
    """The tables of ``lwd.measure`` as columns: a part of the run's data.

    The journal's norm is the run's; the measured one goes by ``norm_mean`` where it is a mean over
    replicates, and by ``norm_measured`` where it leaves out agents or queries.
    """
    t, names = source.steps, source.agents
    curves = {str(name): numbers(found.steps[name].loc[t].to_numpy()) for name in found.steps}
    own = curves.pop("norm", None)
    if own is not None and source.world != "llm":
        curves = {"norm_mean": own, **curves}
        curves = {"placebo_norm_mean" if n == "placebo_norm" else n: c for n, c in curves.items()}
    elif own is not None and source.run is not None and partial(source.run):
        curves["norm_measured"] = own
    pairs = _pairs(found, names)
    return {
        "curves": curves,
        "floor": _floor(source, found),
        "agent_measures": {
            str(name): _by_step(found.agents[name].to_numpy(), t, len(names))
            for name in found.agents
            if name not in ("x", "y", "off_the_plane")  # in a frame of this run alone
            and len(t) * len(names) <= MOST_NUMBERS
        },
        "pairs": pairs,
        "pair_measures": {
            str(name): _by_step(found.pairs[name].to_numpy(), t, len(pairs))
            for name in found.pairs
            if pairs
        },
        "gain": [{k: _cell(v) for k, v in row.items()} for row in _rows(found.responses)],
    }


def partial(run: Run) -> bool:
    """Whether the measured norm is of fewer agents or queries than the journal's."""
    return len(run.always) < len(run.agents) or run.queries > 1


def _floor(source: Source, found: Measures) -> list[Any] | None:
    """What ||D||_F shows with equal means: where it is about the same D as the norm."""
    run = source.run
    if "draw_floor" not in found.steps or (run is not None and partial(run)):
        return None
    return list(numbers(signed_root(found.steps["draw_floor"].loc[source.steps].to_numpy())))


def _pairs(found: Measures, names: Sequence[str]) -> list[list[int]]:
    """The places of the pairs that are measured; none where they would be too many for a page."""
    if not len(found.pairs.columns) or found.pairs.size > MOST_NUMBERS:
        return []
    return [[i, j] for i in range(len(names)) for j in range(i + 1, len(names))]


def _by_step(values: NDArray[Any], t: Sequence[int], width: int) -> list[Any]:
    return list(numbers(values.reshape(-1, width)[list(t)]))


def _rows(table: Any) -> list[dict[Any, Any]]:
    return list(table.to_dict("records"))


def _cell(value: Any) -> Any:
    return value if isinstance(value, str) else number(value)


def band(found: Band, t: Sequence[int]) -> dict[str, Any]:
    """The band of ||D||_F without draw noise at the committed steps, by signed roots."""
    norm = found.of_norm()
    ends = ("centre", "low", "high", "low_all", "high_all")
    return {
        **{name: numbers(at_steps(getattr(norm, name), t)) for name in ends},
        "about": f"{found.confidence:.0%}, {found.method}; {found.assumes}",
    }


def at_steps(values: NDArray[Any], t: Sequence[int]) -> NDArray[np.float64]:
    """(T, ...) rows of an array by step; NaN for a step that it does not have."""
    found = np.full((len(t), *values.shape[1:]), np.nan)
    there = [i for i, step in enumerate(t) if step < len(values)]
    found[there] = values[[t[i] for i in there]]
    return found


def numeric(source: Source) -> dict[str, Any]:
    """Of a numeric world: replicates, theory, weights of the first replicate, learners' errors.

    Raises:
        BadInput: an array file is damaged.
    """
    arrays, t = Blocks(source.path).read(), source.steps
    if "norm" not in arrays:
        return {}
    replicates: dict[str, Any] = {"count": len(arrays["norm"])}
    for side in ("", "placebo_"):
        if f"{side}norm" in arrays:
            norms = arrays[f"{side}norm"]
            many = max(1, min(MOST_CURVES, MOST_NUMBERS // max(len(t), 1)))
            replicates[f"{side}norm"] = [numbers(at_steps(row, t)) for row in norms[:many]]
            replicates[f"{side}rms"] = numbers(at_steps(_rms(norms), t))
    theory = {
        f"{side}{name}": numbers(at_steps(_rms(arrays[key]), t))
        for side in ("", "placebo_")
        for name, key in (
            ("predicted", f"{side}predicted_rms"),
            ("mean_field", f"{side}predicted_mean_field"),
        )
        if key in arrays
    }
    weights = arrays.get("weights")
    small = weights is not None and weights[0].size <= MOST_NUMBERS
    return {
        "replicates": replicates,
        "theory": theory,
        **dict.fromkeys(BY_AGENT),
        "weights": numbers(at_steps(weights[0], t)) if weights is not None and small else None,
        **(_errors(source, arrays) if source.world == "graph" else {}),
    }


def _errors(source: Source, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Of learners: means over replicates, (T, N), their standard errors, and what is expected.

    Of Gaussians the error is that of the mean, which has an expectation; ``spreads`` are the traces
    of their covariances. Nothing of learners that are too many for a page.

    Raises:
        BadInput: an array is gone, or not of the run's learners.
    """
    t, n = source.steps, len(source.agents)
    of = "mean_error" if "mean_error" in arrays else "error"
    names = (of, f"predicted_{of}", "spread", "predicted_spread")
    if of not in arrays or any(arrays[a].shape[2:] != (n,) for a in names if a in arrays):
        raise BadInput(f"{source.path}: damaged: no {of} of {n} learners in its arrays")
    if len(t) * n > MOST_NUMBERS:
        return {}
    found = {
        "errors": _mean(arrays[of]),
        "errors_se": _standard_error(arrays[of]),
        "expected": _mean(arrays.get(f"predicted_{of}")),
        "spreads": _mean(arrays.get("spread")),
        "expected_spreads": _mean(arrays.get("predicted_spread")),
    }
    return {n: None if a is None else numbers(at_steps(a, t)) for n, a in found.items()}


def _mean(values: NDArray[Any] | None) -> NDArray[Any] | None:
    with np.errstate(over="ignore", invalid="ignore"):  # errors may outgrow what numbers hold
        return None if values is None else np.asarray(values.mean(axis=0))


def _standard_error(values: NDArray[Any]) -> NDArray[Any] | None:
    if len(values) < 2:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(len(values)))


def _rms(values: NDArray[Any]) -> NDArray[Any]:
    """The root mean square over replicates: (R, T) -> (T,)."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.sqrt(np.mean(values**2, axis=0)))
