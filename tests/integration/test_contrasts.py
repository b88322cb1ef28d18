"""What the controls do to networks of pocket models; the study is docs/controls.md.

Squared distances are unbiased, so no contrast here is one of the number of draws or of their
spread. The seeds are not those of the study, from which the margins come.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import files_of
from study_controls import (
    AT,
    COPIES,
    EARLY,
    LATE,
    NETWORK,
    NORTH,
    across,
    agents_as,
    branches,
    curve,
    make,
    slope_z,
    told,
)

import lwd_agents as lwd
from lwd_agents.trajectory import Trajectory

STEPS = 15
SEEDS = (11, 12)
# Study, late over early distance across classes, seed by seed: 0.24 to 0.37 in the complete
# network, 0.77 to 1.08 in cliques, 0.92 to 1.71 in isolation; late distances of a seed differ by
# 0.06 to 0.10 between cliques and complete, and by 0.10 or more between isolated and complete.
KEPT = 0.65
MARGIN = 0.05
Branches = dict[str, list[Trajectory]]


@pytest.fixture(scope="module")
def parted(tmp_path_factory: pytest.TempPathFactory) -> Branches:
    """Two classes of two agents, isolated until AT, then under each network: a run a seed."""
    path = tmp_path_factory.mktemp("parted")
    made = [branches(path / str(seed), seed, steps=STEPS, draws=4) for seed in SEEDS]
    return {name: [runs[name] for runs in made] for name in made[0]}


def mean_across(runs: list[Trajectory], steps: slice) -> float:
    return float(np.mean([across(done)[steps] for done in runs]))


def mean_within(runs: list[Trajectory], steps: slice) -> float:
    """The distance between the two agents of one class."""
    return float(np.mean([curve(done, [(0, 1), (2, 3)])[steps] for done in runs]))


@pytest.mark.slow
def test_isolated_agents_stay_apart_and_those_who_hear_all_come_together(parted: Branches) -> None:
    start = mean_across(parted["isolated"], EARLY)
    assert start == mean_across(parted["complete"], EARLY)  # the shared steps
    assert start > MARGIN
    isolated, complete = (mean_across(parted[name], LATE) for name in ("isolated", "complete"))
    assert isolated > KEPT * start
    assert complete < KEPT * start
    assert isolated > complete + MARGIN


@pytest.mark.slow
def test_classes_that_hear_only_themselves_stay_apart(parted: Branches) -> None:
    late = {name: mean_across(runs, LATE) for name, runs in parted.items()}
    assert late["cliques"] > KEPT * mean_across(parted["cliques"], EARLY)
    assert late["cliques"] > late["complete"] + MARGIN / 2
    # and it is the classes that do: within them all agree, as isolated agents of one model do not
    within = {name: mean_within(runs, LATE) for name, runs in parted.items()}
    assert abs(within["cliques"]) < MARGIN / 2
    assert within["isolated"] > MARGIN


@pytest.mark.slow
def test_frozen_readers_show_no_trend(parted: Branches, tmp_path: Path) -> None:
    frozen = [curve(make(tmp_path / str(s), s, "reading.k=0", steps=STEPS)) for s in SEEDS]
    values = np.mean(frozen, axis=0)
    assert abs(slope_z(values)) < 3
    level, error = told(values)
    assert level > 5 * error  # there is a distance that could have fallen
    # The same test, over as many steps and seeds, sees isolated copies of a model drift apart.
    drifting = [curve(done, [(0, 1), (2, 3)]) for done in parted["isolated"]]
    assert slope_z(np.mean(drifting, axis=0)) > 3


@pytest.mark.slow
def test_copies_of_a_model_with_one_reading_are_at_the_draw_floor(tmp_path: Path) -> None:
    """Given what was read so far, the unbiased distance of copies has mean 0 at every step."""
    scores = {}
    for name, settings in COPIES.items():
        done = make(tmp_path / name, SEEDS[0], agents_as(NORTH), *settings, steps=11)
        mean, error = told(curve(done))
        scores[name] = mean / error
    assert abs(scores["shared"]) < 3
    assert scores["own"] > 3


@pytest.mark.slow
def test_a_fork_with_nothing_changed_is_its_parent_and_one_changed_is_not(
    parted: Branches, tmp_path: Path
) -> None:
    parent = parted["isolated"][0]
    same = lwd.fork(parent.path, at=AT, out=tmp_path / "same")
    assert files_of(same.path) == files_of(parent.path)
    other = parted["cliques"][0]
    assert np.array_equal(other.embeddings[:AT], parent.embeddings[:AT])
    assert not np.array_equal(other.embeddings[AT:], parent.embeddings[AT:])


@pytest.mark.slow
def test_the_contrasts_hold_over_seeds(tmp_path: Path) -> None:
    """Seeds are the replicates: paired differences in their standard errors, t with 3 freedoms."""
    late: dict[str, list[float]] = {name: [] for name in ("isolated", "cliques", "complete")}
    reading: dict[str, list[float]] = {"frozen": [], "live": []}
    for seed in range(20, 24):
        for name, done in branches(tmp_path / str(seed), seed, steps=STEPS).items():
            late[name].append(float(across(done)[LATE].mean()))
        for name in reading:
            done = make(tmp_path / f"{name}-{seed}", seed, *NETWORK[name], steps=STEPS)
            reading[name].append(float(curve(done).mean()))
    pairs = (
        (late["isolated"], late["complete"]),
        (late["cliques"], late["complete"]),
        (reading["frozen"], reading["live"]),  # to read the same Internet brings agents closer
    )
    for more, less in pairs:
        mean, error = told(np.subtract(more, less))
        assert mean > 3.2 * error  # 2.5 % of one side
