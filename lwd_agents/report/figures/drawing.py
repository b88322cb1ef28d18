"""The figures of runs, by name, drawn from their directories alone.

What they show is computed in measures and inference. Figures are made for print at the size they
have, 3.3 or 6.9 inches wide, in 7 and 8 points. ``registry.FIGURES`` says which there are.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwd_agents.errors import BadInput
from lwd_agents.report.figures.registry import FIGURES, Figure, names_of
from lwd_agents.report.figures.style import DPI, PAPER_DPI, styled
from lwd_agents.report.figures.subject import CannotDraw, Subject, subject_of
from lwd_agents.report.page.sources import DAMAGE
from lwd_agents.trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["FIGURES", "FORMATS", "Drawn", "Figure", "check", "draw", "draw_figures"]

# Without dates and versions: the same run gives the same bytes.
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}
FORMATS = tuple(_METADATA)


@dataclass(frozen=True)
class Drawn:
    """What ``draw`` made.

    Attributes:
        files: the files, figure by figure in the order of ``FIGURES`` and of the formats.
        said: which figures could not be drawn and why, and what else is to be known.
    """

    files: tuple[Path, ...]
    said: tuple[str, ...] = ()


def draw(
    runs: str | Path | Trajectory | Sequence[str | Path | Trajectory],
    folder: str | Path,
    *,
    formats: Sequence[str] = ("png",),
    only: Sequence[str] = (),
    titles: bool = True,
) -> Drawn:
    """Draw the figures of runs for a paper, one file ``NAME.FORMAT`` each, in ``folder``.

    The same runs give the same bytes. PDF has its fonts embedded as TrueType and its text as text,
    SVG its text as paths (an SVG cannot carry a font), PNG 300 dots an inch.

    Args:
        runs: directories, folders of runs, patterns with a ``*``, or runs read back. Figures of one
            run are of the first; ``contrast`` is of all, and of the placebos beside them.
        folder: made where it is missing.
        formats: of pdf, png, svg.
        only: names of ``FIGURES``; by default all that this run has.
        titles: False leaves them out, where a caption says it.

    Raises:
        BadInput: there is no run; a format or a name that there is not; a figure asked for by name
            that cannot be drawn of this run. Nothing is written then.
    """
    subject = subject_of(runs)
    kinds = _formats(formats)
    drawn: dict[str, bytes] = {}
    said = []
    for name in _chosen(subject, only):
        try:
            files = _rendered(FIGURES[name], subject, kinds, titles)
        except (BadInput, *DAMAGE) as error:
            why = f"{error}" if isinstance(error, BadInput) else f"{type(error).__name__}: {error}"
            if only:
                raise BadInput(f"figure {name}: {why}") from None
            said.append(f"{name} is not drawn: {why}")
            continue
        drawn |= {f"{name}.{kind}": data for kind, data in files.items()}
    if not names_of(subject.world):
        said.append(f"{subject.paths[0]}: world {subject.world} has no figures")
    if len(subject.paths) > 1 and any(not name.startswith("contrast") for name in drawn):
        said.append(f"figures of one run are of {subject.paths[0]}, the first that is given")
    return Drawn(_written(drawn, Path(folder)), tuple(said))


def check(
    runs: str | Path | Trajectory | Sequence[str | Path | Trajectory],
    formats: Sequence[str],
    only: Sequence[str],
) -> None:
    """Refuse what ``draw`` would refuse by its name, before anything is measured.

    Raises:
        BadInput: there is no run; a format or a name that there is not, or not of such a run.
    """
    _formats(formats)
    _chosen(subject_of(runs), only)


def draw_figures(trajectory: Trajectory, folder: Path) -> list[Path]:
    """Draw the figures that a run leaves behind at its end, as PNG files in ``folder``."""
    with styled():
        drawn = {}
        for name, figure in _of_the_run(trajectory).items():
            with contextlib.suppress(CannotDraw):  # a graph too large for a page; one learner
                drawn[name] = _bytes(figure(), "png", DPI)
    return list(_written(drawn, folder))


def forget_figures(trajectory: Trajectory, folder: Path) -> None:
    """Remove what `draw_figures` has drawn: of a run that went on without them it is out of date.

    Raises:
        OSError: a file cannot be removed.
    """
    for name in _of_the_run(trajectory):
        (folder / name).unlink(missing_ok=True)


def _of_the_run(trajectory: Trajectory) -> dict[str, Callable[[], Drawing]]:
    """What a run leaves behind at its end: file name -> how it is drawn."""
    if trajectory.world == "llm":
        from lwd_agents.report.figures import llm as llm_figures

        return {
            "figure2-norm.png": lambda: llm_figures.norm_figure(trajectory),
            "figure3-responses.png": lambda: llm_figures.responses_figure(trajectory),
        }
    from lwd_agents.report.figures import gmm as gmm_figures

    if trajectory.world == "graph":
        from lwd_agents.report.figures import learners

        return {
            "graph.png": lambda: learners.graph_figure(trajectory),
            "errors.png": lambda: learners.errors_figure(trajectory),
            "norm.png": lambda: learners.norm_figure(trajectory),
        }
    number = 4 if trajectory.manifest["config"]["components"] == 2 else 6
    return {
        f"figure{number}-norm.png": lambda: gmm_figures.norm_figure(trajectory),
        "figure5-histograms.png": lambda: gmm_figures.histograms_figure(trajectory),
    }


def _formats(formats: Sequence[str]) -> list[str]:
    for kind in formats:
        if kind not in FORMATS:
            raise BadInput(f"figures: no format {kind!r} (choices: {', '.join(FORMATS)})")
    if not formats:
        raise BadInput(f"figures: no format is given (choices: {', '.join(FORMATS)})")
    return list(dict.fromkeys(formats))


def _chosen(subject: Subject, only: Sequence[str]) -> list[str]:
    """The names to draw, in the order of ``FIGURES``."""
    there = names_of(subject.world)
    choices = ", ".join(there) or "none"
    for name in only:
        if name not in FIGURES:
            near = difflib.get_close_matches(name, there, 1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise BadInput(f"figure {name!r}: no such figure ({meant}choices: {choices})")
        if name not in there:
            raise BadInput(f"figure {name}: a run of world {subject.world} has: {choices}")
    if only:
        return [name for name in there if name in only]
    return [name for name in there if _fits(FIGURES[name], subject)]


def _fits(figure: Figure, subject: Subject) -> bool:
    """Whether a figure is of such a run; of a damaged one it is tried, and then said."""
    try:
        return figure.fits(subject)
    except DAMAGE:
        return True


def _rendered(
    figure: Figure, subject: Subject, formats: Sequence[str], titles: bool
) -> dict[str, bytes]:
    with styled():
        drawing = figure.draw(subject, titles)
        return {kind: _bytes(drawing, kind, PAPER_DPI) for kind in formats}


def _bytes(figure: Drawing, kind: str, dpi: int) -> bytes:
    file = BytesIO()
    figure.savefig(file, format=kind, dpi=dpi, metadata=_METADATA[kind])
    return file.getvalue()


def write_figure(figure: Drawing, file: Path) -> None:
    """Write one figure as what its name ends in: the same bytes each time.

    Raises:
        BadInput: it cannot be written.
    """
    kind = file.suffix.lower().removeprefix(".")
    _written({file.name: _bytes(figure, kind, PAPER_DPI)}, file.parent)


def _written(drawn: dict[str, bytes], folder: Path) -> tuple[Path, ...]:
    from lwd_agents.blocks import replace_file

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in drawn.items():
            replace_file(folder / name, lambda handle, data=data: handle.write(data))  # type: ignore[misc]
    except (FileExistsError, NotADirectoryError):
        raise BadInput(f"{folder}: not a folder; figures need one to be written into") from None
    except (OSError, ValueError) as error:  # a zero byte in a name is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise BadInput(f"{folder}: cannot be written: {reason}") from None
    return tuple(folder / name for name in drawn)
