"""The data that ships with the package: prompts, stores, experiments.

In a wheel they lie in ``lwd_agents/_data``; in a checkout at the top level of the repository.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from lwd_agents.errors import BadInput

Kind = Literal["prompts", "stores", "experiments"]

_PACKAGE = Path(__file__).parent
_IN_CHECKOUT = {"prompts": "prompts", "stores": "stores", "experiments": "scripts/experiments"}
_SUFFIX = {"prompts": ".txt", "stores": "", "experiments": ".yaml"}
_SINGULAR = {"prompts": "prompt", "stores": "store", "experiments": "experiment"}


def folder(kind: Kind) -> Path:
    """The folder that holds the shipped data of one kind."""
    shipped = _PACKAGE / "_data" / kind
    if shipped.is_dir():
        return shipped
    root = _PACKAGE.parent
    if (root / "pyproject.toml").is_file() and (root / _IN_CHECKOUT[kind]).is_dir():
        return root / _IN_CHECKOUT[kind]
    raise BadInput(
        f"{kind}: the data that ships with lwd_agents is not at {shipped}: reinstall the package"
    )


def names(kind: Kind) -> list[str]:
    """The names of the shipped data of one kind, sorted."""
    suffix = _SUFFIX[kind]
    return sorted(
        entry.name.removesuffix(suffix)
        for entry in folder(kind).iterdir()
        if not entry.name.startswith((".", "_"))
        and (entry.is_dir() if suffix == "" else entry.name.endswith(suffix))
    )


def find(kind: Kind, name_or_path: str, where: str) -> Path:
    """The file (a folder for stores) that a name or a path means.

    Args:
        kind: which data.
        name_or_path: a shipped name, or a path. A shipped name wins over a path of that name.
        where: the key or argument that the value came from, for the error.

    Raises:
        BadInput: it is neither; the error lists the shipped names.
    """
    if "/" not in name_or_path and name_or_path in names(kind):
        return folder(kind) / f"{name_or_path}{_SUFFIX[kind]}"
    path = Path(name_or_path).expanduser()
    if name_or_path and path.exists():
        return path
    raise BadInput(
        f"{where}: no {_SINGULAR[kind]} or path {name_or_path!r}; shipped: {', '.join(names(kind))}"
    )


def sha256(path: Path) -> str:
    """The sha256 of a file, or of a folder's files (names and contents, in order of name)."""
    digest = hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        if path.is_dir():
            digest.update(str(file.relative_to(path)).encode() + b"\0")
        with file.open("rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
