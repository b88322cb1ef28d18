"""What is missing, in words: each thing once, runs by their names, many of a kind counted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


class Notes:
    """The sentences of a page.

    Args:
        keys: the short name of each run by its directory, which stands for the directory.
    """

    def __init__(self, keys: Mapping[Path, str]) -> None:
        by_length = sorted(
            ((str(path), key) for path, key in keys.items()), key=lambda p: -len(p[0])
        )
        self._names = dict(by_length)
        paths = "|".join(re.escape(path) for path in self._names)
        self._paths = re.compile(rf"(?<![\w/.-])(?:{paths})(?=[/:;,)\s]|$)")
        self._kinds: dict[str, list[str]] = {}

    def add(self, key: str, said: Iterable[str]) -> None:
        """Take in sentences on one run; those that differ in numbers alone are of one kind."""
        for line in said:
            line = self.named(line)
            kind = self._kinds.setdefault(re.sub(r"\d+", "0", line.removeprefix(key)), [])
            if line not in kind:
                kind.append(line)

    @property
    def lines(self) -> list[str]:
        """The sentences; of many of a kind the first, and how many more there are."""
        return [
            first + (f" (and {len(more)} more of this kind)" if more else "")
            for first, *more in self._kinds.values()
        ]

    def named(self, value: Any) -> Any:
        """The same with the runs' names in place of their directories, in texts of any depth."""
        if isinstance(value, str):
            return written(self._paths.sub(lambda found: self._names[found[0]], value))
        if isinstance(value, dict):
            return {name: self.named(one) for name, one in value.items()}
        return [self.named(one) for one in value] if isinstance(value, list) else value


def written(value: Any) -> Any:
    """The same with texts that can be written, at any depth; JSON may hold half a character."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {written(name): written(one) for name, one in value.items()}
    return [written(one) for one in value] if isinstance(value, list) else value
