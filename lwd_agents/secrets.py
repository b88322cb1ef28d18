"""Keys: they come from the environment, and appear in no file, log or error.

Whatever is recorded or said passes ``redact`` first, because a provider's own error may quote the
key that it was sent.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

_SECRET_NAME = re.compile(
    r"(api|access|private|secret)[-_]?key|secret|passw(or)?d|credential|authori[sz]ation|bearer"
    r"|(access|auth|api|session|refresh)[-_]?token|headers?$",
    re.IGNORECASE,
)
_SECRET_VARIABLE = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
_LIKE_A_KEY = re.compile(r"\b(?:sk|pk|rk|gsk|hf|xai|AIza)[-_][A-Za-z0-9_\-]{16,}")
_SHORTEST = 8  # characters of a secret: a shorter value would be found in any text
_known: dict[str, str] = {}


def looks_secret(name: str) -> bool:
    """Whether a setting of this name would hold a key."""
    return bool(_SECRET_NAME.search(name)) and not name.endswith("_env")


def remember(value: str, name: str) -> None:
    """Redact ``value`` from now on; ``name`` is what is shown in its place."""
    if len(value) >= _SHORTEST:
        _known[value] = name


def redact(text: str) -> str:
    """The text with every known key, and whatever looks like one, taken out."""
    found = {
        value: name
        for name, value in os.environ.items()
        if _SECRET_VARIABLE.search(name) and len(value) >= _SHORTEST
    }
    for value, name in sorted({**found, **_known}.items(), key=lambda item: -len(item[0])):
        if value in text:
            text = text.replace(value, f"[{name}]")
    return _LIKE_A_KEY.sub("[a key]", text)


def redact_all(value: Any) -> Any:
    """The same for all strings in a JSON value."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: redact_all(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redact_all(inner) for inner in value]
    return value
