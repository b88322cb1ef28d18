"""The commands that show runs: ``lwd report``, ``lwd watch``, ``lwd export``."""

from __future__ import annotations

import contextlib
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
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, no closing words.")]


def report(
    runs: Runs,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The page; default: report.html in the run directory."),
    ] = None,
    figures: Annotated[
        str | None,
        typer.Option(metavar="KIND,KIND", help="Draw figures too, as pdf, svg, png."),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="NAME,NAME", help="Of the figures, only these.")
    ] = None,
    no_titles: Annotated[
        bool, typer.Option("--no-titles", help="Figures without titles, as papers want them.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make a page of runs to look at: one HTML file that needs no network.

    The placebo beside a run (lwd run --with-placebo) comes with it. What is damaged or missing is
    left out, and said.
    """
    from lwd_agents.progress import choose
    from lwd_agents.report.page.making import page

    with contextlib.closing(choose(quiet)) as shown:
        made = page(
            runs,
            out=out,
            figures=_names(figures, "--figures"),
            only=_names(only, "--only"),
            titles=not no_titles,
            say=shown.phase,
        )
    if as_json:
        _print(made.as_json())
    elif not quiet:
        for note in made.notes:
            _say(f"missing: {note}")
        for figure in made.figures:
            _say(f"figure: {figure}")
        _say(f"page: {made.page} ({made.size / 1e6:.1f} MB)")


def watch(
    runs: Runs,
    port: Annotated[int, typer.Option(metavar="N", help="On 127.0.0.1; 0: any that is free.")] = 0,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for a run that is not there yet.")
    ] = False,
) -> None:
    """Serve the page of a run on this machine while it goes on; Ctrl-C ends it."""
    from lwd_agents.report.live.server import serve

    with contextlib.suppress(KeyboardInterrupt):
        serve(runs, port, lambda url: _say(f"{url}  (Ctrl-C ends it)"), wait=wait)
    _say("no longer served; the run itself was not touched")


def export(
    runs: Runs,
    to: Annotated[str, typer.Option(metavar="KIND", help="parquet or csv.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder; default: export in the run's.")
    ] = None,
    tables: Annotated[
        str | None, typer.Option(metavar="NAME,NAME", help="Only these tables.")
    ] = None,
    no_measures: Annotated[
        bool, typer.Option("--no-measures", help="Only what was recorded; measure nothing.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write runs as tidy tables: one row a response, a post, a step, and so on."""
    from lwd_agents.progress import choose
    from lwd_agents.report.tables.export import export as exported

    with contextlib.closing(choose(quiet)) as shown:
        shown.phase("reading the runs")
        found = exported(
            runs,
            to=to,
            out=out,
            tables=_names(tables, "--tables"),
            measures=not no_measures,
        )
    if as_json:
        files = [str(file) for file in found.files]
        _print({"files": files, "rows": found.rows, "notes": list(found.said)})
    elif not quiet:
        for note in found.said:
            _say(f"missing: {note}")
        for file in found.files:
            _say(f"table: {file} ({found.rows[file.stem]:,} rows)")


def _names(text: str | None, option: str) -> list[str]:
    """The parts of ``a,b,c``.

    Raises:
        BadInput: one of them is empty.
    """
    from lwd_agents.errors import BadInput

    if text is None:
        return []
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise BadInput(f"{option} {text!r}: give names with commas between them")
    return list(dict.fromkeys(parts))


def _say(line: str) -> None:
    from lwd_agents.report.wording import printable

    print(printable(line), flush=True)


def _print(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False, allow_nan=False))


COMMANDS: dict[str, Callable[..., None]] = {
    "report": report,
    "watch": watch,
    "export": export,
}
