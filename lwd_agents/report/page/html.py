"""The page: one HTML file that needs no network. Data in, HTML out; nothing is computed here."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

from lwd_agents.report.page import escape, parts

_HEAD = "00-theme.js"  # runs before anything is painted; the other scripts come at the end


class Still(Protocol):
    """A picture of a chart that needs no script."""

    @property
    def svg(self) -> str: ...
    @property
    def alt(self) -> str: ...


def render(data: Mapping[str, Any], stills: Mapping[str, Still], *, live: bool = False) -> str:
    """The whole page.

    `data` is what `page_data` makes; it must hold no NaN (ValueError). `stills` are pictures by
    name: norm, plane, weights, paths, measures; those that are missing are left out. A `live` page
    may ask the server that it came from, and nobody else.
    """
    head, tail = _scripts()
    pictures = {name: _picture(still) for name, still in stills.items()}
    title = escape.text(data["title"])
    return escape.whole(
        "<!DOCTYPE html>\n"
        f'<html lang="en"{" data-live" if live else ""}>\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy((*head, *tail), live)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f'<meta name="generator" content="lwd {escape.text(data["version"])}">\n'
        f"<title>{title} \u00b7 LWD</title>\n"
        '<link rel="icon" href="data:,">\n'
        f"<style>\n{_styles()}</style>\n{_inline(head)}</head>\n"
        f"<body>\n{parts.body(data, pictures, live=live)}"
        f'<script type="application/json" id="data">{escape.script_json(data)}</script>\n'
        f"{_inline(tail)}</body>\n</html>\n"
    )


def _picture(still: Still) -> str:
    """An image element: a browser runs no script of an SVG that is an image."""
    body = base64.b64encode(escape.whole(still.svg).encode()).decode()
    return f'<img src="data:image/svg+xml;base64,{body}" alt="{escape.text(still.alt)}">'


def _policy(scripts: tuple[str, ...], live: bool) -> str:
    """What the page may do: run these scripts, show its own pictures, and nothing else."""
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    server = "'self'" if live else "'none'"
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        f"img-src data: blob:; connect-src {server}; base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _inline(scripts: tuple[str, ...]) -> str:
    return "".join(f"<script>{script}</script>\n" for script in scripts)


@cache
def _scripts() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The scripts of the head and those at the end: the charts' library first, then ours."""
    ours = {name: body for name, body in _assets(".js").items() if name != _HEAD}
    library = (files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8")
    return (_assets(".js")[_HEAD],), (library, *ours.values())


def _styles() -> str:
    return "".join(_assets(".css").values())


def _assets(suffix: str) -> dict[str, str]:
    """The files of one kind in the order of their names."""
    folder = files("lwd_agents.report.page") / "assets"
    found = sorted((f for f in folder.iterdir() if f.name.endswith(suffix)), key=lambda f: f.name)
    return {one.name: one.read_text("utf-8") for one in found}
