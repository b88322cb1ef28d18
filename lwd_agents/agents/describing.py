"""What a model tells of itself for the manifest, whatever class it is of; never its keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable
from langchain_core.runnables.base import RunnableBindingBase
from pydantic import SecretStr

from lwd_agents import secrets

_TOLD = (
    "model",
    "model_name",
    "model_id",
    "temperature",
    "max_tokens",
    "num_predict",
    "top_p",
    "top_k",
    "repeat_penalty",
    "extra_body",
)


@runtime_checkable
class DescribesItself(Protocol):
    """A model that tells what it was read from, what a draw depends on, and how much it reads."""

    @property
    def context(self) -> int:
        """Tokens that a prompt and its answer may take together."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that the model was read from."""
        ...

    @property
    def backend(self) -> dict[str, Any]:
        """Whatever a draw depends on besides the prompt and the seed, as JSON."""
        ...

    def count_tokens(self, messages: Sequence[BaseMessage]) -> int:
        """The prompt's length in tokens."""
        ...


def innermost(runnable: Runnable[Any, Any]) -> Runnable[Any, Any]:
    while isinstance(runnable, RunnableBindingBase):
        runnable = runnable.bound
    return runnable


def whole(owner: object, field: str) -> int | None:
    value = getattr(owner, field, None)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def redact_keys(runnable: Runnable[Any, Any]) -> None:
    """Whatever a model object keeps secret stays out of all that is recorded or said."""
    inner = innermost(runnable)
    for name in getattr(type(inner), "model_fields", {}):
        value = getattr(inner, name, None)
        if isinstance(value, SecretStr):
            secrets.remember(value.get_secret_value(), name)


def describe(kind: str, runnable: Runnable[Any, Any], inner: Runnable[Any, Any]) -> dict[str, Any]:
    """What can be told of a foreign model without its secrets."""
    about: dict[str, Any] = {"class": type(inner).__name__, "kind": kind}
    if inner is not runnable:
        about["wrapped_in"] = type(runnable).__name__
    for field in _TOLD:
        value = getattr(inner, field, None)
        if isinstance(value, str | int | float) or (value and isinstance(value, dict)):
            about[field] = value
    address = getattr(inner, "base_url", None) or getattr(inner, "openai_api_base", None)
    if isinstance(address, str):
        about["base_url"] = address
    if about.get("model") == about.get("model_name"):
        about.pop("model", None)
    return cast(dict[str, Any], secrets.redact_all(about))
