"""Texts that anyone may have written, made safe for a page: shown as text, and nothing else."""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any

# Controls but for tab and newline; marks that hide text or turn its direction; halves of pairs.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f]")
_DELETED = re.compile("[\x7f-\x9f]")
_HIDDEN = re.compile("[\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
_HALVES = re.compile("[\ud800-\udfff]")
_IN_SCRIPTS = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def plain(value: object) -> str:
    """The text with what can't be seen made visible, as the page's scripts do it too."""
    said = _CONTROLS.sub(lambda found: chr(0x2400 + ord(found[0])), str(value))
    return whole(_HIDDEN.sub("\u25ca", _DELETED.sub("\u2421", said)))


def text(value: object) -> str:
    """The text as HTML, for an element's content or between an attribute's quotes."""
    return escape(plain(value), quote=True)


def own(value: object) -> str:
    """A text that others wrote, with a direction of its own, so that it turns nothing else."""
    return f'<bdi dir="auto">{text(value)}</bdi>'


def whole(value: str) -> str:
    """The text without halves of surrogate pairs, which no encoding knows; as long as before."""
    return _HALVES.sub("\ufffd", value)


def script_json(value: Any) -> str:
    """JSON that can stand inside a script element: nothing in it closes or opens anything.

    Raises ValueError for NaN and infinities, which JSON does not know.
    """
    said = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return whole(re.sub("[<>&\u2028\u2029]", lambda found: _IN_SCRIPTS[found[0]], said))
