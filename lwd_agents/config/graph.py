"""The keys of the world ``graph``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from lwd_agents.config.numbers import finite, row
from lwd_agents.config.parts import Count, Part, WindowsConfig
from lwd_agents.internet.graphs import name
from lwd_agents.internet.readership import checked

Kind = Literal["least-squares", "ridge", "logistic", "poisson", "mean", "gaussian", "huber"]
Designs = Literal["orthogonal", "fixed", "redrawn"]
LOCATIONS = ("mean", "gaussian", "huber")  # of points, without a design
_HUBER = 1.345  # 95 % of the mean's efficiency on normal points
_FILES = (".csv", ".graphml")
_MOST_ROWS = 10**9


def _learners(value: Any) -> Any:
    """How many, or their names; None where the graph names them."""
    if value is None or (type(value) is int and value >= 1):
        return value
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("should be a number of 1 or more, or a list of names")
    found = tuple(name(item) for item in value)
    if "" in found:
        raise ValueError("a learner's name is empty")
    if twice := [item for i, item in enumerate(found) if item in found[:i]]:
        raise ValueError(f"{twice[0]!r} is named twice")
    return found


def _edges(value: Any, last: Callable[[Any], Any]) -> list[list[Any]]:
    """[[source, target, number], ...], each number by ``last``."""
    for edge in value:
        if not isinstance(edge, list | tuple) or len(edge) != 3:
            raise ValueError(f"{edge!r}: an edge should be [source, target, number]")
    found = []
    for edge in value:
        try:
            found.append([name(edge[0]), name(edge[1]), last(edge[2])])
        except ValueError as error:
            raise ValueError(f"the edge {list(edge)!r}: {error}") from None
    return found


def _weight(value: Any) -> float:
    found = finite(value)
    if found < 0:
        raise ValueError("a weight should be 0 or more")
    return found


def _graph(value: Any, scheduled: bool = True) -> Any:
    """``{file: path}``, ``{edges: [[source, target, weight], ...]}``, or a schedule of these."""
    if value is None:
        return None
    if isinstance(value, str | Path):
        value = {"file": str(value)}
    if isinstance(value, Mapping) and len(value) == 1:
        ((key, given),) = value.items()
        if key == "file" and isinstance(given, str | Path):
            if Path(given).suffix.lower() not in _FILES:
                raise ValueError(f"file: {str(given)!r}: should end in {' or '.join(_FILES)}")
            return {"file": str(given)}
        if key == "edges" and isinstance(given, list | tuple) and given:
            return {"edges": _edges(given, _weight)}
        if key == "schedule" and scheduled and isinstance(given, Mapping) and given:
            return {"schedule": _schedule(given)}
    more = ", or {schedule: {0: ..., 50: ...}} of these" if scheduled else ""
    raise ValueError(
        "should be a .csv (header source,target,weight) or .graphml file, or "
        f"{{edges: [[source, target, weight], ...]}}{more}"
    )


def _schedule(given: Mapping[Any, Any]) -> dict[str, Any]:
    found: dict[int, Any] = {}
    for key, each in given.items():
        text = str(key)
        if isinstance(key, bool) or not (text.isascii() and text.isdecimal()):
            raise ValueError(f"schedule: {key!r}: a step should be a whole number of 0 or more")
        if int(text) in found:
            raise ValueError(f"schedule: step {int(text)} is given twice")
        found[int(text)] = _graph(each, scheduled=False)
    if 0 not in found:
        raise ValueError(f"schedule: begins with step {min(found)}; it needs a graph for step 0")
    return {str(step): found[step] for step in sorted(found)}


def _share(value: Any) -> float:
    found = finite(value)
    if not 0 <= found <= 1:
        raise ValueError("a share should be from 0 to 1")
    return found


def _by_name(value: Mapping[Any, Any], each: Callable[[Any], Any]) -> dict[str, Any]:
    """A value for each learner named."""
    found = {}
    for key, item in value.items():
        try:
            found[name(key)] = each(item)
        except ValueError as error:
            raise ValueError(f"{key}: {item!r}: {error}") from None
    return found


def _real(value: Any) -> Any:
    """One share for all, or a share by learner."""
    if isinstance(value, Mapping):
        return _by_name(value, _share)
    if isinstance(value, list | tuple):
        raise ValueError("should be one share for all, or shares by learner: {v1: 0.2}")
    return None if value is None else _share(value)


def _own(value: Any) -> Any:
    return value if value is None or value == "even" else _share(value)


def _whole(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= _MOST_ROWS:
        raise ValueError("rows should be a whole number of 1 or more")
    return value


def _rows(value: Any) -> Any:
    """One number for all learners, one by learner, or one by edge."""
    if isinstance(value, Mapping):
        return _by_name(value, _whole)
    if isinstance(value, list | tuple) and value:
        return _edges(value, _whole)
    return _whole(value)


def _truth(value: Any) -> Any:
    return row(value) if isinstance(value, list | tuple) else finite(value)


class EstimatorConfig(Part):
    """What a learner fits, and how.

    ``penalty`` (ridge) is added to the diagonal of a fit's Gram matrix; ``threshold`` (huber) is
    in units of ``noise``; ``unbiased`` (gaussian) divides by one less than the number of points.
    """

    kind: Kind = "least-squares"
    penalty: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    threshold: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    unbiased: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _named(cls, values: Any) -> Any:
        values = {"kind": values} if isinstance(values, str) else values
        if not isinstance(values, dict):
            return values
        own = {"ridge": {"penalty": 1.0}, "huber": {"threshold": _HUBER}}
        own["gaussian"] = {"unbiased": False}
        mine: dict[str, Any] = own.get(str(values.get("kind")), {})
        given = {key: value for key, value in values.items() if value is not None}
        return {**mine, **given}

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        takes = {"ridge": "penalty", "huber": "threshold", "gaussian": "unbiased"}
        for kind, key in takes.items():
            if getattr(self, key) is not None and kind != self.kind:
                raise ValueError(f"{key} is for {kind}; the estimator is {self.kind}")
        return self


class GraphConfig(Part):
    """The world ``graph``: learners that refit in rounds along a directed graph.

    Keys as in an experiment file (docs/graph-world.md). Who learns from whom is told by one of
    three: ``readership`` (with ``real`` and ``own``: shares follow from them), ``graph`` (weights
    of edges), or ``rows`` by edge.
    """

    world: Literal["graph"] = "graph"
    learners: Annotated[Any, BeforeValidator(_learners)] = None
    readership: Annotated[Any, BeforeValidator(lambda v: v if v is None else checked(v))] = None
    real: Annotated[Any, BeforeValidator(_real)] = None
    own: Annotated[Any, BeforeValidator(_own)] = None
    graph: Annotated[Any, BeforeValidator(_graph)] = None
    mixing: Literal["samples", "weight"] = "samples"
    rows: Annotated[Any, BeforeValidator(lambda v: v if v is None else _rows(v))] = None
    estimator: EstimatorConfig = EstimatorConfig()
    features: Count = 10
    truth: Annotated[Any, BeforeValidator(_truth)] = None
    noise: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    designs: Designs | None = None
    regime: Literal["replace", "accumulate", "accumulate-subsample"] = "replace"
    draw: Literal["statistics", "rows"] | None = None
    placebo: bool = False
    steps: Annotated[int, Field(ge=1, lt=2**24, strict=True)] = 100
    replicates: Annotated[int, Field(ge=1, lt=2**32, strict=True)] = 1
    windows: WindowsConfig | None = None
    seed: Annotated[int, Field(strict=True)] = 0

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, values: Any) -> Any:
        """What follows from the other keys where it is not given."""
        if not isinstance(values, dict):
            return values
        found = {k: v for k, v in values.items() if v is not None or k not in cls.model_fields}
        estimator = found.get("estimator", {})
        kind = estimator.get("kind") if isinstance(estimator, dict) else estimator
        kind = "least-squares" if kind is None else kind
        by_edge = isinstance(found.get("rows"), list | tuple)
        if "graph" not in found and not by_edge:
            found = {"readership": "complete", "real": 0.0, "own": "even", "learners": 3, **found}
        if kind not in LOCATIONS:
            usual = "redrawn" if kind in ("logistic", "poisson") else "orthogonal"
            found.setdefault("designs", usual)
        links = kind in ("logistic", "poisson")
        found.setdefault("rows", 1000 if links else 100)
        if not links:
            found.setdefault("noise", 1.0)
        found.setdefault("truth", 0.0 if kind in LOCATIONS else 1.0)
        if "draw" not in found:
            found["draw"] = "rows" if cls._needs_rows(kind, found) else "statistics"
        return found

    @staticmethod
    def _needs_rows(kind: str, values: Mapping[str, Any]) -> str:
        """Why a few sums of the rows don't do; empty where they do."""
        regime = values.get("regime")
        if kind in ("logistic", "poisson", "huber"):
            return f"{kind} needs every row; a few sums don't do"
        if regime == "accumulate-subsample":
            return "accumulate-subsample needs every row"
        if (kind, values.get("designs"), regime) == ("ridge", "fixed", "accumulate"):
            return "ridge that accumulates on fixed designs needs every row"
        return ""

    @model_validator(mode="after")
    def _one_graph(self) -> Self:
        by_edge = isinstance(self.rows, list) and self.mixing == "samples"
        for key in ("readership", "real", "own"):
            if getattr(self, key) is not None and (self.graph is not None or by_edge):
                why = "rows by edge say" if by_edge else "graph says"
                raise ValueError(f"{key}: {why} who learns from whom; give one of the two")
        if by_edge and self.graph is not None:
            raise ValueError(
                "rows: by edge they say what shares there are, and graph says so too; give one of "
                "the two (or mixing: weight)"
            )
        if self.graph is None and self.readership is None and not by_edge:
            raise ValueError(
                "graph: with rows by edge, mixing weight needs the weights: give graph"
            )
        return self

    @model_validator(mode="after")
    def _fits(self) -> Self:
        kind = self.estimator.kind
        if kind in ("logistic", "poisson") and self.noise is not None:
            raise ValueError(f"noise: the labels of {kind} have none of their own")
        if kind in LOCATIONS and self.designs is not None:
            raise ValueError(f"designs: {kind} is of points and has no design")
        given = {"designs": self.designs, "regime": self.regime}
        if self.draw == "statistics" and (why := self._needs_rows(kind, given)):
            raise ValueError(f"draw: {why} (draw: rows)")
        if self.mixing == "weight" and self.regime != "replace":
            raise ValueError(
                f"regime: mixing weight is for data that is replaced; {self.regime} pools all rows"
            )
        if isinstance(self.truth, tuple) and len(self.truth) != self.features:
            raise ValueError(f"truth: {len(self.truth)} numbers, but features is {self.features}")
        if self.windows is not None:
            self.windows.check(self.steps)
        return self


KINDS: tuple[str, ...] = get_args(Kind)
