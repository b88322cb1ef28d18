"""The words that end a run of learners: verdict, simulation and prediction, from its summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lwd_agents.report.wording import count, number, printable

Found = Mapping[str, Any]
_MOST = 12  # learners with a line each
_LONG = 24  # characters of a name
_RARE = (
    "no z where the radius of E[M (x) M] is above 1: rare replicates carry the mean of such errors."
)
_SLOPE = (
    "A finite run's slope is no verdict: slow transients look like growth, and slow growth flat."
)


def learner_lines(said: Found) -> list[str]:
    """The verdict on each graph, the learners one by one, and what the prediction is."""
    last = said["verdicts"][-1]
    told = [_verdict(one, len(said["verdicts"]) > 1) for one in said["verdicts"]]
    told += _norm(said)
    told += _error(said)
    told += _table(said["learners"], last["basis"])
    theory = said["theory"]
    if not theory["applies"]:
        told.append(f"theory: nothing is predicted: {theory['refused']}.")
    else:
        if not theory["exact"]:
            told.append("theory: to first order in 1 / rows; it misses what grows beyond that.")
        if _withheld(said):
            told.append(_RARE)
    if any(one["collapses"] for one in said["verdicts"]):
        told.append(_SLOPE)
    return told


def _verdict(one: Found, several: bool) -> str:
    since = f"from t = {one['from']}" if several else "verdict"
    if not one["applies"]:
        return f"{since}: none is claimed: {one['why']}."
    falling = one["collapses"]
    n = len(falling) + len(one["stable"])
    verb = "collapses" if len(falling) == 1 else "collapse"
    who = f"{len(falling)} of {count(n, 'learner')} {verb}" if falling else "no learner collapses"
    names = f" ({_names(falling)})" if falling and len(falling) < n else ""
    return f"{since}: {who}{names}: {one['why']}."


def _names(names: Sequence[str]) -> str:
    said = ", ".join(_cut(name) for name in names[:8])
    return said if len(names) <= 8 else f"{said} and {len(names) - 8} more"


def _norm(said: Found) -> list[str]:
    """||D||_F over replicates, where there are several."""
    if said["replicates"] == 1:
        return []
    first, last = (number(said[f"norm_rms_{end}"]) for end in ("first", "last"))
    over = count(said["replicates"], "replicate")
    return [f"root mean square of ||D||_F over {over}: {first} at t = 0, {last} at the end."]


def _error(said: Found) -> list[str]:
    """The squared distance from the truth at both ends, and the placebo's."""
    times = f" ({said['growth']:.3g} times)" if said["growth"] is not None else ""
    over = count(said["replicates"], "replicate")
    told = [
        f"squared distance from the truth, mean over learners and {over}: "
        f"{_ends(said, 'error')}{times}."
    ]
    if "placebo_error_last" in said:
        told.append(
            f"placebo, real data in place of the learners' labels: {_ends(said, 'placebo_error')}."
        )
    return told


def _ends(said: Found, what: str) -> str:
    values = (said[f"{what}_{end}"] for end in ("first", "last"))
    first, last = ("not finite" if value is None else f"{value:.4g}" for value in values)
    return f"{first} at t = 0, {last} at the end"


def _withheld(said: Found) -> bool:
    """Whether learners with an expected error and several replicates have no z."""
    return said["replicates"] > 1 and any(
        one["z"] is None and one["moment_radius"] is not None and one["moment_radius"] > 1
        for one in said["learners"]
    )


def _table(learners: Sequence[Found], basis: str) -> list[str]:
    """A row a learner, in columns; its radius is that which decides."""
    if not learners:
        return []
    of = "mean_error" if "mean_error_last" in learners[0] else "error"
    radius = {"graph": "radius", "moments": "moment_radius"}.get(basis)
    title = "error of the mean" if of == "mean_error" else "error"
    rows = [("learner", "verdict", "radius", f"{title} at t = 0", "at the end", "expected", "z")]
    for one in learners[:_MOST]:
        se = one[f"{of}_last_se"]
        rows.append(
            (
                _cut(one["name"]),
                {True: "collapses", False: "stable", None: "-"}[one["collapses"]],
                "-" if radius is None else _radius(one[radius]),
                _number(one[f"{of}_first"]),
                _number(one[f"{of}_last"]) + (f" +- {se:.2g}" if se is not None else ""),
                _number(one[f"predicted_{of}_last"]),
                "-" if one["z"] is None else f"{one['z']:+.1f}",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    if len(learners) > _MOST:
        lines.append(f"and {len(learners) - _MOST} more learners (summary.json)")
    return [f"  {line}" for line in lines]


def _cut(name: str) -> str:
    name = printable(name)
    return name if len(name) <= _LONG else f"{name[: _LONG - 3]}..."


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _radius(value: float | None) -> str:
    if value is None:
        return "-"
    return f"1 - {1 - value:.1e}" if 0.9995 < value < 1 else f"{value:.3g}"
