"""Who learns from whom: a weighted directed graph of learners, checked once and read from files.

An edge j -> i of weight w_ij says that learner i takes the share w_ij of its data from source j.
The source ``real`` stands for fresh real data. Every learner's incoming weights sum to 1.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput, unreadable

if TYPE_CHECKING:
    import networkx
    from scipy.sparse import csr_array

REAL = "real"
HEADER = ["source", "target", "weight"]
TOLERANCE = 1e-9  # of a learner's sum of weights: decimals such as 0.1 + 0.2 + 0.7 pass
_WRITTEN = 1e-12  # a sum as close to 1 as this is left as it was written
_SHOWN = 60  # characters of a name in a message


@dataclass(frozen=True, eq=False)
class LearningGraph:
    """n learners, and what each learns from. Treat the arrays as read-only.

    Attributes:
        names: the learners' names, all different; none is called ``real``.
        weights: (n, n) sparse, weights[i, j] = w_ij: row i is the target, column j its source.
            It holds no explicit zeros, and each row's columns are in order.
        real: (n,) w_i0, the share of fresh real data.

    Raises:
        BadInput: a weight is negative or no number, a learner has no data, or its weights do not
            sum to 1 within 1e-9.
    """

    names: tuple[str, ...]
    weights: csr_array
    real: NDArray[np.float64]

    def __post_init__(self) -> None:
        from scipy.sparse import csr_array

        n = len(self.names)
        weights, real = (
            csr_array(self.weights, dtype=np.float64, copy=True),
            np.array(self.real, float),
        )
        if weights.shape != (n, n) or real.shape != (n,):
            raise BadInput(
                f"{n} names, weights of shape {weights.shape} and real of shape {real.shape}: "
                f"should be ({n}, {n}) and ({n},)"
            )
        _check_names(self.names)
        weights.sum_duplicates()
        weights.eliminate_zeros()
        targets = np.repeat(np.arange(n), np.diff(weights.indptr))
        _check_weights(self.names, weights.indices, targets, weights.data)
        _check_weights(self.names, np.full(n, -1), np.arange(n), real)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "real", real)
        _check_sums(self.names, _sums(n, targets, weights.data, real))

    def index(self, name: str) -> int:
        """Where a learner stands among the names.

        Raises:
            BadInput: nobody has this name.
        """
        try:
            return self.names.index(name)
        except ValueError:
            raise BadInput(f"no learner {shown(name)}{_near(name, self.names)}") from None

    @classmethod
    def from_edges(
        cls, edges: Iterable[tuple[str, str, float]], names: Sequence[str] | None = None
    ) -> LearningGraph:
        """The graph of edges (source, target, weight); the source ``real`` gives real shares.

        An edge of weight 0 is none. Learners come in the order of ``names``, or as they turn up.

        Raises:
            BadInput: the edges make no such graph; the line says which and why.
        """
        reading = _Reading(names)
        for source, target, weight in edges:
            reading.add(source, target, weight)
        return reading.graph()

    @classmethod
    def from_networkx(cls, graph: networkx.DiGraph) -> LearningGraph:
        """The graph of a directed networkx graph whose edges have a ``weight``.

        Raises:
            BadInput: it has no directions, an edge has no weight, or as in `from_edges`.
        """
        if not graph.is_directed():
            raise BadInput("its edges have no direction: say who learns from whom (source, target)")
        reading = _Reading([name for name in map(str, graph) if name != REAL])
        usual = graph.graph.get("edge_default", {}).get("weight")  # GraphML has such
        for source, target, weight in graph.edges(data="weight", default=usual):
            if weight is None:
                raise BadInput(f"the edge {_edge(str(source), str(target))} has no weight")
            reading.add(str(source), str(target), weight)
        return reading.graph()

    @classmethod
    def read(cls, path: Path | str) -> LearningGraph:
        """The graph of a .csv file (header source,target,weight; an edge a line) or of .graphml.

        In GraphML the edges are directed and have the attribute ``weight``; a node called
        ``real`` is real data. A graph without directions is refused: who learns from whom is what
        the verdict rests on.

        Raises:
            BadInput: it cannot be read, or holds no such graph; the line names the file.
        """
        path = Path(path)
        try:
            if path.suffix.lower() == ".csv":
                return _read_csv(path)
            if path.suffix.lower() == ".graphml":
                return _read_graphml(path)
            raise BadInput("neither .csv (header source,target,weight) nor .graphml")
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise BadInput(f"{path}: {unreadable(error)}") from None
        except BadInput as error:
            raise BadInput(f"{path}: {error}") from None


class _Reading:
    """Edges as they come, names made numbers at once: a million edges stay small."""

    def __init__(self, names: Sequence[str] | None = None) -> None:
        self.known = names is not None
        self.places: dict[str, int] = {}
        for name in names or ():
            if name in self.places:
                raise BadInput(f"the learner {shown(name)} is named twice")
            self.places[name] = len(self.places)
        self.sources: list[int] = []
        self.targets: list[int] = []
        self.weights: list[float] = []

    def add(self, source: str, target: str, weight: Any) -> None:
        if isinstance(weight, bool):
            raise _no_number(source, target, weight)
        try:
            self.weights.append(float(weight))
        except (TypeError, ValueError, OverflowError):
            raise _no_number(source, target, weight) from None
        self.sources.append(-1 if source == REAL else self.place(source))
        self.targets.append(self.place(target))

    def place(self, name: str) -> int:
        found = self.places.get(name)
        if found is None:
            if self.known:
                raise BadInput(
                    f"an edge names {shown(name)}, which is no node{_near(name, self.places)}"
                )
            found = self.places[name] = len(self.places)
        return found

    def graph(self) -> LearningGraph:
        from scipy.sparse import csr_array

        names, n = tuple(self.places), len(self.places)
        if not self.sources:
            raise BadInput("there is no edge in it; an edge is source,target,weight")
        sources, targets = np.array(self.sources), np.array(self.targets)
        weights = np.array(self.weights)
        _check_names(names)
        _check_weights(names, sources, targets, weights)
        _check_twice(names, sources, targets)
        _check_data(names, targets)
        fresh = sources < 0
        real = np.bincount(targets[fresh], weights[fresh], minlength=n).astype(np.float64)
        sums = _sums(n, targets[~fresh], weights[~fresh], real)
        _check_sums(names, sums)
        scale = np.where(np.abs(sums - 1.0) > _WRITTEN, sums, 1.0)
        pairs = (targets[~fresh], sources[~fresh])
        matrix = csr_array((weights[~fresh] / scale[pairs[0]], pairs), shape=(n, n))
        return LearningGraph(names, matrix, real / scale)


def _read_csv(path: Path) -> LearningGraph:
    reading = _Reading()
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        header = next(rows, None)
        if header is None:
            raise BadInput("it is empty; its first line should be 'source,target,weight'")
        if [cell.strip() for cell in header] != HEADER:
            found = ",".join(header)[:_SHOWN]
            raise BadInput(f"its header is {found!r}; it should be 'source,target,weight'")
        for row in rows:
            try:
                source, target, weight = row
                reading.add(source.strip(), target.strip(), weight)
            except ValueError:
                if any(cell.strip() for cell in row):
                    found = ",".join(row)[:_SHOWN]
                    raise BadInput(
                        f"line {rows.line_num}: {found!r}; should be source,target,weight"
                    ) from None
            except BadInput as error:
                if not any(cell.strip() for cell in row):
                    continue
                raise BadInput(f"line {rows.line_num}: {error}") from None
    return reading.graph()


def _read_graphml(path: Path) -> LearningGraph:
    from io import BytesIO
    from xml.etree import ElementTree

    import networkx

    from lwd_agents.extensions import said

    content = path.read_bytes()
    try:
        tree = ElementTree.fromstring(content)
        graph = networkx.read_graphml(BytesIO(content))
    except Exception as error:  # the parser's, of many kinds
        raise BadInput(f"is no GraphML: {said(error)}") from None
    # networkx makes a node of every name that an edge has.
    nodes = {node.get("id") for node in tree.iter() if node.tag.rpartition("}")[2] == "node"}
    for end in chain.from_iterable(graph.edges()):
        if end not in nodes:
            raise BadInput(f"an edge names {shown(end)}, which is no node{_near(end, nodes)}")
    return LearningGraph.from_networkx(graph)


def _sums(
    n: int, targets: NDArray[np.int64], weights: NDArray[np.float64], real: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n,) what each learner's incoming weights come to."""
    return np.asarray(np.bincount(targets, weights, minlength=n) + real)


def _check_names(names: Sequence[str]) -> None:
    if not names:
        raise BadInput("there is no learner in it")
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise BadInput(f"the learner {shown(twice)} is named twice")
    if "" in names:
        raise BadInput("an edge has an empty name")
    if REAL in names:
        raise BadInput(
            "'real' is the target of an edge or a learner's name; it stands for real data, which "
            "learns from nobody: call the learner something else"
        )


def _check_weights(
    names: Sequence[str],
    sources: NDArray[np.int64],
    targets: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> None:
    bad = np.flatnonzero(~((weights >= 0) & (weights <= 1 + TOLERANCE)))
    if len(bad):
        source = REAL if sources[bad[0]] < 0 else names[sources[bad[0]]]
        edge = _edge(source, names[targets[bad[0]]])
        raise BadInput(f"the edge {edge} has the weight {weights[bad[0]]:g}; should be 0 to 1")


def _check_twice(
    names: Sequence[str], sources: NDArray[np.int64], targets: NDArray[np.int64]
) -> None:
    keys = targets * (len(names) + 1) + sources + 1
    order = np.argsort(keys, kind="stable")
    again = order[1:][keys[order[1:]] == keys[order[:-1]]]
    if len(again):
        first = again.min()
        source = REAL if sources[first] < 0 else names[sources[first]]
        raise BadInput(
            f"the edge {_edge(source, names[targets[first]])} is given twice; give it once, with "
            "the sum of its weights"
        )


def _check_data(names: Sequence[str], targets: NDArray[np.int64]) -> None:
    without = np.flatnonzero(np.bincount(targets, minlength=len(names)) == 0)
    if len(without):
        name, rest = names[without[0]], len(without) - 1
        more = f" (nor {rest:,} more)" if rest else ""
        raise BadInput(
            f"the learner {shown(name)} has no data: no edge enters it{more}; real data is "
            f"real,NAME,1{_near(name, [n for n in names if n != name])}"
        )


def _check_sums(names: Sequence[str], sums: NDArray[np.float64]) -> None:
    off = np.flatnonzero(np.abs(sums - 1.0) > TOLERANCE)
    if not len(off):
        return
    name, total = names[off[0]], float(sums[off[0]])
    more = f"; {len(off) - 1:,} more learners are off too" if len(off) > 1 else ""
    if total == 0:
        raise BadInput(f"the learner {shown(name)} has no data: its weights are all 0{more}")
    digits = f"{total:.12g}"
    missing = f"{1 - total:.3g} is missing" if total < 1 else f"{total - 1:.3g} too much"
    hint = f"divide them by {digits}"
    if total < 1:
        hint += f", or give it {1 - total:.12g} of real data"
    raise BadInput(
        f"the weights into {shown(name)} sum to {digits} ({missing}); should be 1: {hint}{more}"
    )


def _no_number(source: str, target: str, weight: object) -> BadInput:
    said = repr(weight)[:_SHOWN]
    return BadInput(f"the edge {_edge(source, target)} has the weight {said}; should be a number")


def _edge(source: str, target: str) -> str:
    return f"{shown(source)} -> {shown(target)}"


def shown(name: str) -> str:
    """A name as a message shows it: quoted, in one line, not too long."""
    return repr(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}...")


def _near(name: str, names: Iterable[Any]) -> str:
    known = [str(each) for each in names][:2000]
    near = difflib.get_close_matches(str(name)[:_SHOWN], known, 1)
    return f"; did you mean {shown(near[0])}?" if near else ""
