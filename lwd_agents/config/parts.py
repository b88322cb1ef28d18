"""What the configs of several worlds have in common: number types, and how much is read."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)


def _decimal(value: Any) -> Any:
    """Read a number as the decimal that was written: 0.7 is 7/10, not the float beside it."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("should be a number")
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise ValueError("should be a number") from None


Exact = Annotated[
    Decimal, BeforeValidator(_decimal), PlainSerializer(float, return_type=float, when_used="json")
]
Count = Annotated[int, Field(ge=1, strict=True)]
Step = Annotated[int, Field(ge=0, strict=True)]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SizedReading(Part):
    """How much is read at a step: k_t = floor(beta times what is visible) posts, or ``k``."""

    beta: Exact | None = Field(default=None, gt=0, le=1)
    k: Annotated[int, Field(ge=0, strict=True)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_size(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        beta, k = values.get("beta"), values.get("k")
        if beta is not None and k is not None:
            raise ValueError("give beta or k, not both")
        return values if k is not None or beta is not None else {**values, "beta": "0.5"}

    def size(self, visible: int) -> int:
        """k_t for an agent that may see ``visible`` posts: exact, with no rounding of beta."""
        if self.beta is None:
            return self.k or 0
        numerator, denominator = self.beta.as_integer_ratio()
        return numerator * visible // denominator


class ReadingConfig(SizedReading):
    """What a mixture reads at a step, drawn uniformly."""

    law: Literal["uniform"] = "uniform"
    readings_per_step: Literal[1] = 1


class WindowsConfig(Part):
    """The steps that tests set against each other, first and last of each, declared in advance."""

    early: tuple[Step, Step]
    late: tuple[Step, Step]

    @model_validator(mode="after")
    def _in_order(self) -> WindowsConfig:
        for name, (first, last) in (("early", self.early), ("late", self.late)):
            if first > last:
                raise ValueError(f"{name}: [{first}, {last}]: the first step comes first")
        if self.late[0] <= self.early[1]:
            raise ValueError(
                f"late: it begins at step {self.late[0]}, but early ends at {self.early[1]}; the "
                "two should not overlap"
            )
        return self

    def check(self, steps: int) -> None:
        """Refuse windows that end after the run.

        Raises:
            ValueError: naming the window and the last step.
        """
        if self.late[1] > steps:
            raise ValueError(f"windows.late: it ends at step {self.late[1]}, but steps is {steps}")
