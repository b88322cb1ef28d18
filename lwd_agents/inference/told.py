"""What a test found, as plain values: for summary.json, ``--json`` and the words on screen."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def told(value: Any) -> Any:
    """Dataclasses as mappings, arrays as lists, paths as text; what is not finite as null.

    An infinity is null too: JSON has none.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: told(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): told(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        return told(value.tolist())
    if isinstance(value, list | tuple | range | set | frozenset):
        return [told(inner) for inner in value]
    if isinstance(value, np.generic):
        return told(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    return value
