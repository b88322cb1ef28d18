"""The figures that can be asked for by name: of which worlds, what they show, how they are drawn.

Importing this imports no module that draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lwd_agents.report.figures.style import COLUMN
from lwd_agents.report.figures.subject import CannotDraw, Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True)
class Figure:
    """A figure that can be asked for by name.

    Attributes:
        worlds: those whose runs have it.
        about: what it shows, in a line.
        draw: (subject, titles) -> the drawing. It raises CannotDraw where this run lacks what the
            figure shows, and BadInput where a file is damaged.
        fits: whether it is drawn of a run where no name is asked for.
    """

    worlds: tuple[str, ...]
    about: str
    draw: Callable[[Subject, bool], Drawing]
    fits: Callable[[Subject], bool] = lambda subject: True


def names_of(world: str) -> list[str]:
    """The names of the figures that a world's runs have."""
    return [name for name, figure in FIGURES.items() if world in figure.worlds]


def _figure2(subject: Subject, titles: bool) -> Drawing:
    from lwd_agents.report.figures.llm import norm_figure

    if not np.isfinite(subject.trajectory.norms).any():
        raise CannotDraw("||D||_F is known at no step")
    return norm_figure(subject.trajectory, width=COLUMN, titles=titles)


def _figure3(subject: Subject, titles: bool) -> Drawing:
    from lwd_agents.report.figures.llm import responses_figure

    trajectory = subject.trajectory
    steps = trajectory.first_and_last
    if not any(np.isfinite(trajectory.step_embeddings(t)).any() for t in steps):
        raise CannotDraw(f"no response is there at t = {' and '.join(map(str, steps))}")
    return responses_figure(trajectory, titles=titles)


def _norms(subject: Subject, titles: bool) -> Drawing:
    from lwd_agents.report.figures.gmm import norm_figure

    subject.trajectory.replicated("norm")  # or BadInput, which says what is gone
    return norm_figure(subject.trajectory, titles=titles)


def _figure5(subject: Subject, titles: bool) -> Drawing:
    from lwd_agents.report.figures.gmm import histograms_figure

    subject.trajectory.replicated("weights")
    return histograms_figure(subject.trajectory, titles=titles)


def _graph(subject: Subject, titles: bool) -> Drawing:
    from lwd_agents.report.figures.learners import graph_figure

    return graph_figure(subject.trajectory, titles=titles)


def _errors(subject: Subject, titles: bool) -> Drawing:
    from lwd_agents.report.figures.learners import errors_figure

    return errors_figure(subject.trajectory, titles=titles)


def _norm(subject: Subject, titles: bool) -> Drawing:
    from lwd_agents.report.figures.learners import norm_figure

    subject.trajectory.replicated("norm")
    return norm_figure(subject.trajectory, titles=titles)


def _trajectories(subject: Subject, titles: bool) -> Drawing:
    from lwd_agents.report.figures.trajectories import trajectories_figure

    return trajectories_figure(subject, titles=titles)


def _diversity(subject: Subject, titles: bool) -> Drawing:
    from lwd_agents.report.figures.measures import diversity_figure

    return diversity_figure(subject, titles=titles)


def _lineage(subject: Subject, titles: bool) -> Drawing:
    from lwd_agents.report.figures.measures import lineage_figure

    return lineage_figure(subject, titles=titles)


def _contrast(subject: Subject, titles: bool) -> Drawing:
    from lwd_agents.report.figures.contrast import contrast_figure

    return contrast_figure(subject, titles=titles)


def _two_components(subject: Subject) -> bool:
    return bool(subject.manifest["config"].get("components") == 2)


_BOTH = ("llm", "gmm")
FIGURES: dict[str, Figure] = {
    "figure2": Figure(
        ("llm",), "||D||_F over the steps, and the synthetic share of the Internet", _figure2
    ),
    "figure3": Figure(
        ("llm",), "all responses at t = 1 and t = T in the plane, by classical MDS", _figure3
    ),
    "figure4": Figure(
        ("gmm",),
        "||D||_F of every replicate, with theory and placebo (drawn of B = 2 by default)",
        _norms,
        _two_components,
    ),
    "figure5": Figure(("gmm",), "histograms of the mixtures at t = 1 and t = T", _figure5),
    "figure6": Figure(
        ("gmm",),
        "the same as figure4 (drawn of more components by default)",
        _norms,
        lambda subject: not _two_components(subject),
    ),
    "trajectories": Figure(
        ("llm",), "the agents' perspectives in one frame for all steps", _trajectories
    ),
    "diversity": Figure(
        _BOTH, "spread, Vendi score, effective rank, distinct n-grams and copies", _diversity
    ),
    "contrast": Figure(
        (*_BOTH, "graph"),
        "||D||_F (of learners: the error) of live runs and placebos; changes beyond the placebo",
        _contrast,
    ),
    "lineage": Figure(("llm",), "whose posts each agent's phrases come from in the end", _lineage),
    "graph": Figure(("graph",), "who learns from whom, with the verdict on each learner", _graph),
    "errors": Figure(
        ("graph",), "each learner's distance from the truth, beside its expectation", _errors
    ),
    "norm": Figure(("graph",), "||D||_F of every replicate, with theory and placebo", _norm),
}
