"""Columns that grow, and what of them is new."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any


class Columns:
    """Columns of one length.

    Args:
        names: of the columns, in order.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._columns: dict[str, list[Any]] = {name: [] for name in names}
        self._rows = self.given = 0

    def __len__(self) -> int:
        """How many rows there are; ``given`` is how many of them ``new`` gave."""
        return self._rows

    def __getitem__(self, name: str) -> list[Any]:
        """One column."""
        return self._columns[name]

    def append(self, *values: Any) -> int:
        """Add a row, a value for each column; returns its number."""
        for column, value in zip(self._columns.values(), values, strict=True):
            column.append(value)
        self._rows += 1
        return self._rows - 1

    def whole(self) -> dict[str, list[Any]]:
        """All rows."""
        return {name: list(column) for name, column in self._columns.items()}

    def new(self) -> dict[str, list[Any]]:
        """The rows that were added after the last call."""
        given, self.given = self.given, self._rows
        return {name: column[given:] for name, column in self._columns.items()}


class Distinct:
    """Distinct texts, each with its place."""

    def __init__(self, texts: Sequence[str] = ()) -> None:
        self._places = {text: place for place, text in enumerate(texts)}
        self._given = 0

    def place(self, text: str) -> int:
        """Where a text stands; at the end if it is new."""
        return self._places.setdefault(text, len(self._places))

    def whole(self) -> list[str]:
        """All texts, by place."""
        return list(self._places)

    def new(self) -> list[str]:
        """Those that were added after the last call."""
        given, self._given = self._given, len(self._places)
        return list(islice(self._places, given, None))
