"""Making the page of some runs: their data, its still pictures, one HTML file. ``lwd.page``."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lwd_agents.blocks import replace_file
from lwd_agents.errors import BadInput

PAGE = "report.html"
MOST = 12_000_000  # characters of texts in one page: more of them, and it would open slowly
_OURS = b'<meta name="generator" content="lwd '
_HEAD = 16_384  # bytes of a page in which that stands


@dataclass(frozen=True)
class Made:
    """What ``page`` wrote.

    Attributes:
        page: the file.
        size: its bytes.
        figures: the files of figures, where some were asked for.
        notes: what is missing from the page, in words.
    """

    page: Path
    size: int
    figures: tuple[Path, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        figures = [str(figure) for figure in self.figures]
        return {
            "page": str(self.page),
            "bytes": self.size,
            "figures": figures,
            "notes": list(self.notes),
        }


def page(
    runs: str | Path | Sequence[str | Path],
    *,
    out: str | Path | None = None,
    figures: Sequence[str] = (),
    only: Sequence[str] = (),
    titles: bool = True,
    most: int = MOST,
    say: Callable[[str], None] | None = None,
) -> Made:
    """Make one self-contained HTML file of some runs, from their directories alone.

    Args:
        runs: a run directory, a folder of runs, a pattern with a ``*``, or several of them. The
            placebo beside a run comes with it.
        out: the file; by default ``report.html`` in the run directory that is given.
        figures: kinds of files (pdf, svg, png) in which figures are drawn too, into ``figures/``
            beside the page.
        only: of these figures, the named ones.
        titles: whether they have titles.
        most: characters of texts in the page; what would exceed them is left out, and said.
        say: told what is being done.

    Raises:
        BadInput: there is no run, something given is not usable, or the file cannot be written;
            an older page stays as it is.
    """
    places = [runs] if isinstance(runs, str | Path) else list(runs)
    told: Callable[[str], None] = say or (lambda _: None)
    file = _file(places, out)
    _check(file, "the page" if out is None else f"--out {out}")
    _check_figures(places, figures, only)
    from lwd_agents.report.page.data import page_data
    from lwd_agents.report.page.html import render
    from lwd_agents.report.page.stills import stills

    data = page_data(places, most=most, say=told)
    told("drawing the pictures")
    pictures = stills(data)
    body = render(data, pictures).encode()
    drawn, said = _figures(places, file.parent / "figures", figures, only, titles, told)
    _write(file, body)
    return Made(file, len(body), drawn, (*data["notes"], *said))


def _file(places: Sequence[str | Path], out: str | Path | None) -> Path:
    """Where the page goes.

    Raises:
        BadInput: there are several runs, and no ``out``.
    """
    if out is not None:
        return Path(out)
    if not places:
        raise BadInput("no run is given: name a run directory")
    named = list(dict.fromkeys(found for place in places for found in _named(place)))
    live = [path for path in named if not _is_placebo(path, named)]
    if len(live) > 1:
        raise BadInput(f"{len(live)} runs are given: say with --out FILE where their page goes")
    (path,) = live
    if path.is_dir() and not (path / "manifest.json").exists():
        inside = sorted(entry.parent for entry in path.glob("*/manifest.json"))
        if inside and not _replicates(inside):
            raise BadInput(f"{path}: a folder of runs: say with --out FILE where their page goes")
    return path / PAGE


def _named(place: str | Path) -> list[Path]:
    """The paths that a place names: itself, or those of its pattern."""
    try:
        found = [] if Path(place).exists() else [Path(p) for p in sorted(glob.glob(str(place)))]
    except (OSError, ValueError) as error:  # a name that is too long, or has a zero byte
        raise BadInput(f"{str(place)[:80]}: no path: {error}"[:200]) from None
    return found or [Path(place)]


def _is_placebo(path: Path, among: Sequence[Path]) -> bool:
    """Whether the path is where ``--with-placebo`` leaves the placebo of another one."""
    return any(path == other.with_name(f"{other.name}-placebo") for other in among if other.name)


def _replicates(paths: Sequence[Path]) -> bool:
    return all(path.name.startswith("replicate-") for path in paths)


def _check(file: Path, where: str) -> None:
    """Refuse a file that is not ours to write, before anything is computed.

    Raises:
        BadInput: it is a folder, or something other than a page, or its folder is not there.
    """
    try:
        if file.is_dir():
            raise BadInput(f"{where}: {file} is a folder; name a file in it")
        if file.exists() and not file.is_file():
            raise BadInput(f"{where}: {file} is no file; name one")
        if file.exists():
            with file.open("rb") as opened:
                if _OURS not in opened.read(_HEAD):
                    raise BadInput(
                        f"{where}: {file} is there and is no page of lwd; remove it, or name "
                        "another file"
                    )
        elif where.startswith("--out") and not file.parent.is_dir():
            raise BadInput(f"{where}: there is no folder {file.parent}; make it first")
    except (OSError, ValueError) as error:
        raise BadInput(f"{where}: cannot be written: {_reason(error)}") from None


def _check_figures(places: Sequence[str | Path], kinds: Sequence[str], only: Sequence[str]) -> None:
    """Refuse kinds and names that there are not, or not of these runs, before any measuring.

    Raises:
        BadInput: naming the choices.
    """
    if not kinds:
        if only:
            raise BadInput(f"--only {','.join(only)}: say with --figures pdf,svg,png as what")
        return
    from lwd_agents.report.figures.drawing import FIGURES, FORMATS, check

    for given, choices, option in ((kinds, FORMATS, "--figures"), (only, FIGURES, "--only")):
        if unknown := [name for name in given if name not in choices]:
            raise BadInput(f"{option}: nothing called {unknown[0]!r} ({', '.join(choices)})")
    if only:
        check(places, kinds, only)


def _figures(
    places: Sequence[str | Path],
    folder: Path,
    kinds: Sequence[str],
    only: Sequence[str],
    titles: bool,
    told: Callable[[str], None],
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The files of figures, and what is to be said of them.

    Raises:
        BadInput: one that was asked for by its name cannot be drawn.
    """
    if not kinds:
        return (), ()
    from lwd_agents.report.figures.drawing import draw

    told("drawing the figures")
    try:
        drawn = draw(places, folder, formats=kinds, only=only, titles=titles)
    except BadInput as error:
        if only:
            raise
        return (), (f"figures: {error}",)  # the page is made all the same
    return drawn.files, drawn.said


def _write(file: Path, body: bytes) -> None:
    """The whole file or none of it: beside its place first, then into it.

    Raises:
        BadInput: it cannot be written.
    """
    try:
        replace_file(file, lambda handle: handle.write(body))
    except OSError as error:
        raise BadInput(f"{file}: cannot be written: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
