"""The commands that read runs and run nothing: ``lwd test``, ``lwd plan``, ``lwd measure``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

Runs = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUN...", help="Run directories, folders of runs, or patterns with a *."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Early = Annotated[
    str | None,
    typer.Option(metavar="A:B", help="Early window; default: the experiment's, or step 0."),
]
Late = Annotated[
    str | None,
    typer.Option(metavar="A:B", help="Late window; default: the experiment's, or the last fifth."),
]
Alpha = Annotated[float, typer.Option(help="The level of each family of tests.")]
Seed = Annotated[int, typer.Option(help="The seed of the permutations.")]


def test_(
    runs: Runs,
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="RUN", help="Runs of another condition; one contrast each."),
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="Steps to test inside: 0,30,60, all, or none.")
    ] = None,
    early: Early = None,
    late: Late = None,
    alpha: Alpha = 0.05,
    permutations: Annotated[
        int | None, typer.Option(help="Of each permutation test; default: 9999, or what is needed.")
    ] = None,
    margin: Annotated[
        float | None, typer.Option(help="||D||_F below which agents count as agreeing.")
    ] = None,
    window: Annotated[
        int | None, typer.Option(help="Steps in a row that must be below it; default: 5.")
    ] = None,
    radius: Annotated[
        float | None, typer.Option(help="Of a ball that holds all embeddings; 1 if of unit length.")
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Test the controls too, and say the level seen.")
    ] = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Say what runs show: collapse or not, by how much, how surely, and what cannot be said.

    Live runs and placebos (lwd run --with-placebo) are matched by their seeds; six pairs or more
    make evidence. Nothing is run. What is found is printed, and written to each run's summary.json.
    """
    from lwd_agents.inference import verdict
    from lwd_agents.report.verdict_words import tell

    found = verdict.test(
        runs,
        against=against or [],
        at=at,
        early=early,
        late=late,
        alpha=alpha,
        permutations=permutations,
        margin=margin,
        window=window,
        radius=radius,
        calibrate=calibrate,
        seed=seed,
    )
    _print(found.as_json()) if as_json else tell(found.as_json())


def _print(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False, allow_nan=False))


def plan(
    runs: Runs,
    effect: Annotated[
        float,
        typer.Option(
            help="The change of ||D||_F^2 (of learners: of the error), live less placebo, to find."
        ),
    ],
    draws: Annotated[
        str | None, typer.Option(metavar="L,L", help="The draws to consider: 10,20,40.")
    ] = None,
    readings: Annotated[
        str, typer.Option(metavar="M,M", help="The readings per step to consider.")
    ] = "1",
    early: Early = None,
    late: Late = None,
    alpha: Alpha = 0.05,
    power: Annotated[float, typer.Option(help="The chance to find the effect.")] = 0.8,
    as_json: AsJson = False,
) -> None:
    """Say how many draws, readings and pairs of runs an effect needs, from a pilot's pairs.

    The pilot: two live runs or more of one condition, and their placebos.
    """
    from lwd_agents.inference import pilot
    from lwd_agents.report.plan_words import tell

    found = pilot.plan(
        runs,
        effect,
        draws=_numbers(draws, "--draws") if draws else None,
        readings=_numbers(readings, "--readings"),
        early=early,
        late=late,
        alpha=alpha,
        power=power,
    )
    _print(found.as_json()) if as_json else tell(found.as_json())


def measure(
    runs: Runs,
    query: Annotated[int, typer.Option(help="Which query, from 0, where there are several.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write steps.csv, agents.csv, ... there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure runs at every step: geometry, diversity, texts, lineage, response curves.

    Prints the first and the last step; --out writes all of them as tables.
    """
    from lwd_agents.errors import BadInput
    from lwd_agents.inference.grouping import expand
    from lwd_agents.measures.table import measure as measured
    from lwd_agents.report import measure_words

    places = expand(runs)
    if out is not None and len(places) > 1:
        raise BadInput(f"--out {out}: {len(places)} runs are given; give one, or no --out")
    found = {place: measured(place, query=query) for place in places}
    if out is not None:
        measure_words.write(next(iter(found.values())), out)
    if as_json:
        _print({str(place): measure_words.as_json(one) for place, one in found.items()})
        return
    for place, one in found.items():
        measure_words.tell(place, one)


def _numbers(text: str, name: str) -> list[int]:
    """Positive numbers from ``10,20,40``."""
    from lwd_agents.errors import BadInput

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise BadInput(f"{name} {text}: give numbers such as 10,20,40")
    return [int(part) for part in parts]


COMMANDS: dict[str, Callable[..., None]] = {"test": test_, "plan": plan, "measure": measure}
