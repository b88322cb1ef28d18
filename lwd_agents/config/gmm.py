"""The keys of the world ``gmm``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from lwd_agents.config.numbers import Row, Rows, finite, row, rows
from lwd_agents.config.parts import Count, Part, ReadingConfig, WindowsConfig
from lwd_agents.internet.readership import checked

_APART = 5.0  # between neighbouring means where none are given (ours; arXiv 2506.15690 gives none)
_SUM = 1e-9  # how far given weights may be from summing to 1


def _covariance(value: Any) -> Any:
    """A number (times the identity), a list (the diagonal), or a list of lists."""
    if not isinstance(value, list | tuple):
        return finite(value)
    nested = [isinstance(item, list | tuple) for item in value]
    if any(nested) and not all(nested):
        raise ValueError("should be a number, a list (the diagonal) or a list of lists")
    return rows(value) if any(nested) else row(value)


def _coefficient(value: Any) -> Any:
    """``paper``, a number, or a list of numbers, one an update."""
    if value == "paper":
        return value
    if isinstance(value, str):
        raise ValueError("should be paper, a number, or a list of numbers")
    return row(value) if isinstance(value, list | tuple) else finite(value)


def _starts(value: Any) -> Any:
    """Rows of weights; a plain list is one row, for all models."""
    flat = isinstance(value, list | tuple) and not any(isinstance(x, list | tuple) for x in value)
    return rows([value] if flat else value)


def _initial(value: Any) -> Any:
    """How many points to draw, the path of a file of points, or the points."""
    if isinstance(value, list | tuple):
        return rows(value) if value else 0
    if isinstance(value, str) or (type(value) is int and value >= 0):
        return value
    raise ValueError("should be a number of points (0 or more), a file, or a list of points")


Points = Annotated[Rows, BeforeValidator(rows)]
Covariance = Annotated[float | Row | Rows, BeforeValidator(_covariance)]
Coefficient = Annotated[Literal["paper"] | float | Row, BeforeValidator(_coefficient)]


def covariance_matrix(value: float | Row | Rows, d: int, key: str) -> np.ndarray[Any, Any]:
    """The (d, d) covariance that a value of a config means.

    Raises:
        ValueError: another size, not symmetric, or not positive definite; begins with the key.
    """
    matrix = np.asarray(value, dtype=np.float64)
    if matrix.ndim < 2:
        matrix = np.diag(np.broadcast_to(matrix, (d,)) if matrix.size in (1, d) else matrix)
    if matrix.shape != (d, d):
        raise ValueError(f"{key}: {matrix.shape[0]} by {matrix.shape[1]}, but points have d = {d}")
    if not np.allclose(matrix, matrix.T, rtol=1e-12, atol=0.0):
        raise ValueError(f"{key}: not symmetric")
    least = np.linalg.eigvalsh(matrix)[0]
    if not least > 0.0:
        raise ValueError(f"{key}: not positive definite (its least eigenvalue is {least:g})")
    return matrix


def _shares(weights: Row, key: str) -> None:
    if min(weights) < 0.0 or abs(sum(weights) - 1.0) > _SUM:
        raise ValueError(f"{key}: {list(weights)} should be at least 0 and sum to 1")


class HumanConfig(Part):
    """The fixed law of human points: what A(0), fresh points and the placebo are drawn from.

    ``mixture``: the mixtures' own components with ``weights`` (equal where none are given);
    ``normal``: ``mean`` and ``covariance``; ``points``: uniform over ``points``, a list or file.
    """

    law: Literal["mixture", "normal", "points"] = "mixture"
    weights: Annotated[Row, BeforeValidator(row)] | None = None
    mean: Annotated[Row, BeforeValidator(row)] | None = None
    covariance: Covariance | None = None
    points: str | Points | None = None

    @model_validator(mode="after")
    def _of_its_law(self) -> HumanConfig:
        needed = {"mixture": (), "normal": ("mean", "covariance"), "points": ("points",)}[self.law]
        taken = {"mixture": ("weights",)}.get(self.law, needed)
        for key in ("weights", "mean", "covariance", "points"):
            given = getattr(self, key) is not None
            if given and key not in taken:
                raise ValueError(f"the law {self.law} takes no {key}")
            if key in needed and not given:
                raise ValueError(f"the law {self.law} needs {key}")
        return self


class MovingConfig(Part):
    """Means and covariances that move too, by Zivkovic and van der Heijden (2004).

    ``variance_floor`` (ours) is added to the squares that a covariance follows: it stays definite.
    """

    means: bool = False
    covariances: bool = False
    variance_floor: float = Field(default=1e-6, gt=0.0, allow_inf_nan=False)


class GmmPostingConfig(Part):
    """What A(t+1) holds: with ``accumulate`` all that entered, with ``replace`` that of step t."""

    keep: Literal["accumulate", "replace"] = "accumulate"


class GmmConfig(Part):
    """The world ``gmm``: Algorithms 2 and 3 of arXiv 2506.15690. Keys as in an experiment file."""

    world: Literal["gmm"] = "gmm"
    models: Count = 3
    components: Count | None = None
    means: Points | None = None
    covariance: Covariance = 1.0
    dirichlet: Annotated[Row, BeforeValidator(row)] = (1.0,)
    weights: Annotated[Rows | None, BeforeValidator(_starts)] = None
    initial_points: Annotated[Any, BeforeValidator(_initial)] = 0
    human: HumanConfig = HumanConfig()
    fresh_points: Annotated[int, Field(ge=0, strict=True)] = 0
    placebo: bool = False
    posts_per_step: Count = 3
    steps: Annotated[int, Field(ge=1, lt=2**24, strict=True)] = 200
    reading: ReadingConfig = ReadingConfig()
    alpha: Coefficient = "paper"
    c: Coefficient = "paper"
    epsilon: float = Field(default=1e-6, ge=0.0, lt=1.0)
    moving: MovingConfig = MovingConfig()
    readership: Annotated[Any, BeforeValidator(checked)] = "complete"
    posting: GmmPostingConfig = GmmPostingConfig()
    replicates: Annotated[int, Field(ge=1, lt=2**32, strict=True)] = 1
    windows: WindowsConfig | None = None
    seed: Annotated[int, Field(strict=True)] = 0

    @model_validator(mode="after")
    def _windows_fit(self) -> Self:
        if self.windows is not None:
            self.windows.check(self.steps)
        return self

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, values: Any) -> Any:
        """B and the means follow from each other; where neither is given B is 2."""
        if not isinstance(values, dict):
            return values
        components, means = values.get("components"), values.get("means")
        if means is None and (components is None or (type(components) is int and components > 0)):
            count = components or 2
            means = [_APART * (b - (count - 1) / 2) for b in range(count)]
            return {**values, "components": count, "means": means}
        if components is None and isinstance(means, list | tuple):
            return {**values, "components": len(means)}
        return values

    @model_validator(mode="after")
    def _fits(self) -> GmmConfig:
        count, d = len(self.means or ()), self.d
        if count != self.components:
            raise ValueError(
                f"means: {count} of them, but components is {self.components}; give one mean each"
            )
        covariance_matrix(self.covariance, d, "covariance")
        if len(self.dirichlet) not in (1, count) or min(self.dirichlet) <= 0.0:
            raise ValueError(
                f"dirichlet: {list(self.dirichlet)} should be one positive number, or {count}"
            )
        for weights in self.weights or ():
            _shares(weights, "weights")
        shape = np.shape(self.weights or 0)
        if self.weights is not None and shape not in ((self.models, count), (1, count)):
            raise ValueError(
                f"weights: {shape[0]} by {shape[1]}; {self.models} models by {count} components "
                "are needed (or one row for all)"
            )
        self._human_fits(count, d)
        self._coefficients_fit(count)
        return self

    def _human_fits(self, count: int, d: int) -> None:
        human = self.human
        if human.weights is not None:
            _shares(human.weights, "human.weights")
            if len(human.weights) != count:
                raise ValueError(
                    f"human.weights: {len(human.weights)} of them, but components is {count}"
                )
        if human.mean is not None and len(human.mean) != d:
            raise ValueError(f"human.mean: d is {d}, not {len(human.mean)}")
        if human.covariance is not None:
            covariance_matrix(human.covariance, d, "human.covariance")
        for key, points in (
            ("human.points", human.points),
            ("initial_points", self.initial_points),
        ):
            if isinstance(points, tuple) and len(points[0]) != d:
                raise ValueError(f"{key}: points of d = {len(points[0])}, but the means have {d}")

    def _coefficients_fit(self, count: int) -> None:
        alphas = self.alpha if isinstance(self.alpha, tuple) else (self.alpha,)
        for alpha in alphas:
            if isinstance(alpha, float) and not 0.0 < alpha <= 1.0:
                raise ValueError(f"alpha: {alpha}: should be in (0, 1]")
        shifts = self.c if isinstance(self.c, tuple) else (self.c,)
        for c in shifts:
            if isinstance(c, float) and not (c >= 0.0 and c * count < 1.0):
                raise ValueError(
                    f"c: {c}: should be at least 0 and below 1 / components = {1 / count:g}"
                )
        for key, values in (("alpha", self.alpha), ("c", self.c)):
            if isinstance(values, tuple) and len(values) < self.steps:
                raise ValueError(
                    f"{key}: {len(values)} numbers for {self.steps} updates; give one an update"
                )

    @property
    def d(self) -> int:
        """The dimension of the points."""
        return len((self.means or ((),))[0])

    @property
    def names(self) -> list[str]:
        """The models' names, in the order of every N axis: g1, g2, ... as in the paper."""
        return [f"g{i + 1}" for i in range(self.models)]
