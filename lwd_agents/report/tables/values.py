"""Values as columns of one type: what is no such thing becomes null, and is counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput
from lwd_agents.report.tables.columns import COLUMNS, REAL, TEXT, TIME, WHOLE, YES

if TYPE_CHECKING:
    import pandas as pd

Columns = dict[str, Any]
"""name -> a sequence of values, a number array, or a pandas array of the column's type."""

Say = Callable[[str], None]
Found = TypeVar("Found")

# what code meets in a file that is not as it should be
_STRANGE = (BadInput, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, OSError)


class Placed(Protocol):
    """What has a directory: a run."""

    @property
    def path(self) -> Path:
        """The directory."""
        ...


def attempt(path: Path, what: str, make: Callable[[], Found], say: Say) -> Found | None:
    """What ``make`` returns; None, and a sentence, where a file is not as it should be."""
    try:
        return make()
    except _STRANGE as error:
        reason = str(error) if isinstance(error, BadInput) else f"{type(error).__name__}: {error}"
        say(f"{path}: no {what}: {reason}")
        return None


def guarded(
    run: Placed, name: str, table: str, make: Callable[[], Columns], say: Say
) -> Iterator[tuple[str, pd.DataFrame]]:
    """(table, frame) of the columns that ``make`` returns, as far as files let it."""
    columns = attempt(run.path, f"rows of {table}", make, say)
    if columns is not None:
        yield table, frame(table, name, columns, lambda lost: say(f"{run.path}: {lost}"))


def frame(table: str, run: str, columns: Mapping[str, Any], say: Say) -> pd.DataFrame:
    """A frame with every declared column of a table; one that is not given is null.

    Args:
        table: its name.
        run: what its column ``run`` holds.
        columns: the others, of one length; a name that is not declared is left out.
        say: told in a sentence which values were no such thing.
    """
    import pandas as pd

    rows = len(next(iter(columns.values())))
    made = {"run": labels([run], np.zeros(rows, dtype=np.int64))}
    for name, column in COLUMNS[table].items():
        if name == "run":
            continue
        values = columns.get(name)
        if values is None:
            made[name], wrong = _column([None], column.dtype)[0].repeat(rows), 0
        else:
            made[name], wrong = _column(values, column.dtype)
        if wrong:
            say(f"{table}.{name}: {wrong} values that are no {_WORDS[column.dtype]} are left null")
    return pd.DataFrame(made)


_WORDS = {TEXT: "text", WHOLE: "whole number", REAL: "number", YES: "yes or no", TIME: "time"}


def labels(names: Sequence[str], codes: NDArray[np.int64]) -> Any:
    """A text column of names[codes], made from the few names alone."""
    import pandas as pd

    few, _ = _column(list(names), TEXT)
    return few.take(codes) if len(names) else pd.array([], dtype="string")


def _column(values: Any, dtype: str) -> tuple[Any, int]:
    """The values as a pandas array of a type, and how many were no such thing."""
    import pandas as pd

    of_type: Any = dtype  # pandas' types know only names that are written out
    if isinstance(values, pd.api.extensions.ExtensionArray):
        return values, 0
    if isinstance(values, np.ndarray) and values.dtype.kind in "if":
        if dtype == REAL:
            return values.astype(np.float64), 0
        known = np.isfinite(values) & (values == np.floor(values))
        whole = np.where(known, values, 0).astype(np.int64)
        return pd.arrays.IntegerArray(whole, ~known), 0
    checked = [_CHECKS[dtype](value) for value in values]
    wrong = sum(new is None and not _null(old) for new, old in zip(checked, values, strict=True))
    if dtype == REAL:
        return np.array([np.nan if x is None else x for x in checked], dtype=np.float64), wrong
    if dtype == TIME:
        return pd.array(checked, dtype=pd.DatetimeTZDtype("us", "UTC")), wrong
    return pd.array(checked, dtype=of_type), wrong


def _null(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # half a character, which no file can hold
        return None
    return value


def _whole(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


def _real(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _yes(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _time(value: Any) -> Any:
    import pandas as pd

    if not isinstance(value, str):
        return None
    found = pd.to_datetime(value, utc=True, errors="coerce")
    return None if found is pd.NaT else found.as_unit("us")


_CHECKS: dict[str, Callable[[Any], Any]] = {
    TEXT: _text,
    WHOLE: _whole,
    REAL: _real,
    YES: _yes,
    TIME: _time,
}


def array_of(values: Sequence[Any], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Nested lists of numbers as one array, (len(values), *shape); NaN where one is no such."""
    found = np.full((len(values), *shape), np.nan)
    for row, value in enumerate(values):
        try:
            one = np.array(value, dtype=np.float64)
        except (TypeError, ValueError):
            continue
        if one.shape == shape:
            found[row] = one
    return found


def as_json(value: Any) -> str:
    """A value as JSON text, which any file can hold."""
    return writable(json.dumps(value, ensure_ascii=False))


def writable(text: str) -> str:
    """A text with what is half a character escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
