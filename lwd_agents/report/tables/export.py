"""Runs as Parquet or CSV files, one a table. ``lwd.export`` is here (docs/export.md)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwd_agents.errors import BadInput
from lwd_agents.report.page.sources import open_all
from lwd_agents.report.tables.columns import COLUMNS
from lwd_agents.report.tables.frames import frames, tables_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

KINDS = ("parquet", "csv")
_TOGETHER = 100_000  # rows of small runs that are written as one row group
_ARROW = {
    "string": "large_string",
    "Int64": "int64",
    "float64": "double",
    "boolean": "bool",
}


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        files: one a table.
        rows: table -> how many rows it has.
        said: what is missing from them, and why, one sentence each.
    """

    files: tuple[Path, ...]
    rows: dict[str, int]
    said: tuple[str, ...] = ()


def export(
    runs: str | Path | Sequence[str | Path],
    *,
    to: str = "parquet",
    out: str | Path | None = None,
    tables: Sequence[str] = (),
    measures: bool = True,
) -> Exported:
    """Write runs as tidy tables, one file a table with all runs in it.

    Files of an earlier export are replaced, all together; where something fails, none is.

    Args:
        runs: a run directory, a folder of several, a pattern with a ``*``, or a list of these; the
            placebos beside them come with them.
        to: ``parquet`` or ``csv``.
        out: the folder; ``export`` in the directory where one is given.
        tables: which ones; those that the runs' worlds have.
        measures: whether to measure the runs; without, the columns of measures are null.

    Raises:
        BadInput: no run can be read, an option is no such thing, or the folder can't be written.
    """
    places = [runs] if isinstance(runs, str | Path) else list(runs)
    if to not in KINDS:
        raise BadInput(f"--to {to}: choose one of {', '.join(KINDS)}")
    if unknown := [table for table in tables if table not in COLUMNS]:
        raise BadInput(f"no table {unknown[0]!r}; there are {', '.join(COLUMNS)}")
    if not places:
        raise BadInput("no run is given; name a run directory")
    said: list[str] = []
    read = open_all(places)
    wanted = [table for table in COLUMNS if table in (tables or COLUMNS)]
    made = [t for t in wanted if t in tables or any(t in tables_of(run, [t]) for run in read)]
    with _Files(_folder(places, out), to, made) as files:
        for one in read:
            for table, frame in frames(one, made, measures, said.append):
                files.add(table, frame)
        rows = dict(files.rows)
    for table in made:
        if not rows[table]:
            said.append(f"{table}: no rows")
    return Exported(tuple(files.targets.values()), rows, tuple(dict.fromkeys(said)))


def read_table(file: str | Path) -> pd.DataFrame:
    """A file of ``export`` as a data frame, with its types; of CSV too, where null is not "".

    Raises:
        BadInput: there is no such file, or it is none of ours.
    """
    import pyarrow as pa

    path = Path(file)
    table, kind = path.stem, path.suffix[1:]
    if table not in COLUMNS or kind not in KINDS:
        raise BadInput(f"{path}: no table of lwd export, such as responses.parquet or steps.csv")
    try:
        if kind == "parquet":
            import pandas as pd

            return pd.read_parquet(path)
        return _read_csv(path, table)
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"{path}: cannot be read as a table: {error}") from None


def _read_csv(path: Path, table: str) -> pd.DataFrame:
    from pyarrow import csv

    schema = _schema(table)
    size = path.stat().st_size
    found = csv.read_csv(
        path,
        read_options=csv.ReadOptions(block_size=min(max(size, 1) + 1, 2**30)),  # a text is in one
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    frame: pd.DataFrame = found.replace_schema_metadata(schema.metadata).to_pandas()
    return frame


def _folder(places: Sequence[str | Path], out: str | Path | None) -> Path:
    """Where the files go.

    Raises:
        BadInput: it is not told, and several places are given.
    """
    if out is not None:
        return Path(out)
    if len(places) > 1 or not Path(places[0]).is_dir():
        what = f"{len(places)} runs are given" if len(places) > 1 else f"{places[0]} is a pattern"
        raise BadInput(f"{what}: say with --out where the tables go")
    return Path(places[0]) / "export"


def _schema(table: str) -> pa.Schema:
    """The Arrow types of a table, with what each column is, and pandas' own description."""
    import pandas as pd
    import pyarrow as pa

    fields = []
    for name, column in COLUMNS[table].items():
        about = {"description": column.about} | ({"unit": column.unit} if column.unit else {})
        kind = (
            pa.type_for_alias(_ARROW[column.dtype])
            if column.dtype in _ARROW
            else pa.timestamp("us", "UTC")
        )
        fields.append(pa.field(name, kind, metadata=about))
    plain = pa.schema(fields, metadata={"lwd_table": table, "lwd_version": version("lwd-agents")})
    empty = {
        name: pd.array([], dtype=column.dtype)  # type: ignore[call-overload]
        for name, column in COLUMNS[table].items()
    }
    return pa.Table.from_pandas(pd.DataFrame(empty), schema=plain, preserve_index=False).schema


@dataclass
class _Files:
    """Files that are written beside their names, and take them together at the end."""

    folder: Path
    kind: str
    tables: Sequence[str]
    rows: dict[str, int] = field(default_factory=dict)
    _writers: dict[str, Any] = field(default_factory=dict)
    _waiting: dict[str, list[pa.Table]] = field(default_factory=dict)
    _made: list[Path] = field(default_factory=list)

    @property
    def targets(self) -> dict[str, Path]:
        """table -> its file."""
        return {table: self.folder / f"{table}.{self.kind}" for table in self.tables}

    def __enter__(self) -> _Files:
        try:
            self._made = [p for p in (self.folder, *self.folder.parents) if not p.exists()]
            self.folder.mkdir(parents=True, exist_ok=True)
            for table, target in self.targets.items():
                if target.is_dir():
                    raise BadInput(f"{target}: a directory is in the way; choose another --out")
                self._writers[table] = self._open(table)
                self.rows[table] = 0
        except BaseException as error:
            self._leave()
            raise self._told(error) from None
        return self

    def _open(self, table: str) -> Any:
        schema, file = _schema(table), self._temporary(table)
        if self.kind == "csv":
            from pyarrow import csv

            return csv.CSVWriter(file, schema)
        from pyarrow import parquet

        return parquet.ParquetWriter(file, schema, compression="zstd")

    def _temporary(self, table: str) -> Path:
        return self.folder / f"{table}.{self.kind}.{os.getpid()}.tmp"

    def add(self, table: str, frame: pd.DataFrame) -> None:
        """Rows of one run; those of many small runs are written together, as one row group."""
        import pyarrow as pa

        schema, waiting = _schema(table), self._waiting.setdefault(table, [])
        rows = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
        waiting.append(rows.cast(schema).replace_schema_metadata(schema.metadata))
        self.rows[table] += len(frame)
        if sum(len(rows) for rows in waiting) >= _TOGETHER:
            self._flush(table)

    def _flush(self, table: str) -> None:
        import pyarrow as pa

        if waiting := self._waiting.pop(table, None):
            self._writers[table].write_table(pa.concat_tables(waiting))

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                for table, writer in self._writers.items():
                    self._flush(table)
                    writer.close()
                self._writers.clear()
                for table, target in self.targets.items():
                    os.replace(self._temporary(table), target)
        except OSError as late:
            error = late
            raise self._told(late) from None
        finally:
            if error is not None:
                self._leave()
        if isinstance(error, OSError):
            raise self._told(error) from None

    def _leave(self) -> None:
        """Take away what was begun."""
        for writer in self._writers.values():
            try:
                writer.close()
            except OSError:  # the disk is full: the file goes anyway
                continue
        for table in self.tables if self.folder.is_dir() else ():
            self._temporary(table).unlink(missing_ok=True)
        for folder in self._made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _told(self, error: BaseException) -> BaseException:
        if not isinstance(error, OSError | ValueError):  # a zero byte in a name is a ValueError
            return error
        reason = getattr(error, "strerror", None) or error
        return BadInput(f"{self.folder}: cannot be written: {reason}")
