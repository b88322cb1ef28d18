"""Models behind an API: whatever LangChain's ``init_chat_model`` knows, and OpenAI-style servers.

A provider's class is made with what the experiment says, under that class's own names for it; its
own retries are switched off, since ours wait for the rate, the limits and the account.
"""

from __future__ import annotations

import difflib
import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr, ValidationError

from lwd_agents import extensions, secrets
from lwd_agents.agents import catalogue
from lwd_agents.agents.sampling import reason
from lwd_agents.errors import BadInput
from lwd_agents.secrets import redact

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_MAX_TOKENS = (
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "num_predict",
    "max_new_tokens",
)
_TIMEOUTS = ("timeout", "request_timeout", "default_request_timeout")
_NO_KEY = "none"  # what a server on one's own machine is sent, which asks for no key
# Sampling by the temperature alone, as our own backends do it. Servers of one's own truncate the
# distribution by default: llama.cpp at top_k 40, top_p 0.95 and min_p 0.05, for example.
_PLAIN: dict[str, dict[str, Any]] = {
    "openai": {"top_p": 1.0, "extra_body": {"top_k": 0, "min_p": 0.0}},
    "ollama": {"top_p": 1.0, "top_k": 0, "repeat_penalty": 1.0},
}


@dataclass(frozen=True)
class Service:
    """Where and how a provider is called; ``timeout`` in seconds."""

    base_url: str | None = None
    api_key_env: str | None = None
    timeout: float = 120.0


def split(spec: str, base_url: str | None) -> tuple[str, str] | None:
    """Provider and model of a spec; None where it names no provider.

    With a ``base_url`` a spec without a provider is a model's name on an OpenAI-style server.
    Without, LangChain may know the provider by the model's name.
    """
    provider, colon, name = spec.partition(":")
    if colon and name and provider in catalogue.providers():
        return provider, name
    if base_url:
        return "openai", spec
    bare = not colon and spec not in extensions.registered("models")
    guess = catalogue.inferred(spec) if bare and not extensions.is_dotted_path(spec) else None
    return (guess, spec) if guess else None


def make(
    spec: str,
    service: Service,
    options: Mapping[str, Any],
    *,
    temperature: float,
    max_tokens: int,
) -> BaseChatModel:
    """The chat model of a provider, whose class takes ``options``; nothing is asked of it yet.

    Raises BadInput, in one line, for a package that is not installed, a key that is missing, and
    options that its class does not take.
    """
    found = split(spec, service.base_url)
    assert found is not None, spec
    provider, name = found
    cls = _class(spec, provider)
    names = _names(cls)
    _check_options(spec, options, names)
    settings = dict(_PLAIN.get(provider, {}))
    if provider == "openai" and not service.base_url:
        settings = {}  # OpenAI's own service truncates nothing, and refuses fields it doesn't know
    settings |= {"temperature": temperature, "max_retries": 0}
    settings |= _first(names, _MAX_TOKENS, max_tokens) | _timeout(provider, names, service.timeout)
    if service.base_url:
        if "base_url" not in names:
            raise BadInput(f"base_url of model {spec}: {cls.__name__} takes none; leave it out")
        settings["base_url"] = service.base_url
    settings = {key: value for key, value in settings.items() if key in names}
    settings |= _key(spec, provider, service)
    return _made(spec, provider, name, {**settings, **options})


def _made(spec: str, provider: str, name: str, settings: Mapping[str, Any]) -> BaseChatModel:
    try:
        model = _instance(provider, name, settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its settings"
        raise BadInput(f"model {spec!r}: {where}: {redact(first['msg'])}") from None
    except Exception as error:  # the provider's own: a missing key, something not installed
        _check_key(spec, provider, "key" in str(error).lower())
        raise BadInput(f"model {spec!r}: {reason(error)}") from error
    keys = [getattr(model, name) for name in type(model).model_fields if name.endswith("api_key")]
    given = [key.get_secret_value() for key in keys if isinstance(key, SecretStr)]
    _check_key(spec, provider, bool(keys) and not any(given) and not any(map(callable, keys)))
    return model


def _instance(provider: str, name: str, settings: Mapping[str, Any]) -> BaseChatModel:
    if provider == "openai":
        from lwd_agents.agents.openai_style import OpenAIStyleChat

        return OpenAIStyleChat(model=name, **settings)
    from langchain.chat_models import init_chat_model

    made: BaseChatModel = init_chat_model(name, model_provider=provider, **settings)
    return made


def _check_key(spec: str, provider: str, missing: bool) -> None:
    """Where a key is missing that comes from a variable that we know: say which one."""
    variables = catalogue.key_variables(provider)
    if missing and variables and not any(map(os.environ.get, variables)):
        raise BadInput(
            f"model {spec!r}: no key; set the environment variable {variables[0]}, or name "
            "another one in api_key_env"
        )


def _class(spec: str, provider: str) -> Any:
    """The provider's class. Its package is an extra, and its name is private to LangChain."""
    from langchain.chat_models.base import _BUILTIN_PROVIDERS

    module, name, _ = _BUILTIN_PROVIDERS[provider]
    package = module.partition(".")[0]
    if not catalogue.installed(package):
        raise BadInput(
            f"model {spec!r}: the package {package.replace('_', '-')} is not installed; "
            f"{catalogue.install_command(package)}"
        )
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # a package that is broken, or too old
        raise BadInput(f"model {spec!r}: {package} cannot be used ({reason(error)})") from error


def _names(cls: Any) -> set[str]:
    """What a model of this class can be given: its fields and their aliases."""
    fields = getattr(cls, "model_fields", {})
    return {*fields, *(f.alias for f in fields.values() if f.alias)}


def _check_options(spec: str, options: Mapping[str, Any], names: set[str]) -> None:
    for option in options:
        if option not in names:
            near = difflib.get_close_matches(option, sorted(names), 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise BadInput(f"option {option!r} of model {spec}: unknown{hint}")


def _first(names: set[str], candidates: tuple[str, ...], value: Any) -> dict[str, Any]:
    return next(({name: value} for name in candidates if name in names), {})


def _timeout(provider: str, names: set[str], seconds: float) -> dict[str, Any]:
    if provider == "ollama":  # its class hands these to the HTTP client
        return {"client_kwargs": {"timeout": seconds}}
    return _first(names, _TIMEOUTS, seconds)


def _key(spec: str, provider: str, service: Service) -> dict[str, Any]:
    """The key, from the environment alone.

    A server that ``base_url`` names is never sent the key of the provider's own service.
    """
    if service.api_key_env is None:
        needs_some = service.base_url is not None and catalogue.key_variables(provider)
        return {"api_key": _NO_KEY} if needs_some else {}
    value = os.environ.get(service.api_key_env, "")
    if not value:
        raise BadInput(
            f"api_key_env of model {spec}: the environment variable {service.api_key_env} is not "
            "set; put the key there"
        )
    secrets.remember(value, service.api_key_env)
    return {"api_key": value}
