"""The models that experiment files name: ``pocket:north``, ``gguf:...``, ``openai:...``.

A spec is looked up in this order: what runs in this process, the providers that LangChain knows
(or an OpenAI-style server at ``base_url``), the names that plugins register, dotted paths.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwd_agents import extensions, hub
from lwd_agents.agents import catalogue, providers
from lwd_agents.agents.providers import Service
from lwd_agents.errors import BadInput

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

POCKET = Path(__file__).resolve().parent.parent / "pocket"
LOCAL = ("pocket", "gguf", "hf", "llama-cpp-python")
_CHOICES = (
    "pocket:NAME, gguf:FILE, gguf:OWNER/REPO/FILE, hf:FOLDER, hf:OWNER/NAME, "
    "llama-cpp-python:FILE, PROVIDER:NAME such as openai:gpt-5-mini, a server's base_url, or "
    "package.module:FACTORY; lwd list models has them all"
)


def pocket_names() -> list[str]:
    """The embedded models, in alphabetical order."""
    return sorted(path.stem for path in POCKET.glob("*.gguf"))


def resolve_model(
    spec: str,
    *,
    draws: int,
    temperature: float,
    max_tokens: int,
    options: Mapping[str, Any] | None = None,
    service: Service | None = None,
    room: int | None = None,
    name: str = "",
) -> Runnable[Any, Any]:
    """Load the model that a spec names; models of one file and equal settings share its weights.

    Args:
        spec: as in an experiment file.
        draws: how many answers will be asked of one prompt.
        temperature: of sampling.
        max_tokens: how many tokens each answer may have.
        options: the backend's own (see its class, or the factory's parameters).
        service: where and how a provider is called.
        room: tokens of an answer to keep memory for, where other agents of this model write more.
        name: the agent's, for a factory that asks for it.

    Raises:
        BadInput: in one line, for an unknown spec, model or option, a broken file, a package that
            is not installed, a missing key, and a hub out of reach.
    """
    scheme, _, place = spec.partition(":")
    service = service or Service()
    common = {"draws": draws, "temperature": temperature, "max_tokens": max_tokens}
    if scheme in LOCAL and place:
        if service.base_url or service.api_key_env:
            key = "base_url" if service.base_url else "api_key_env"
            raise BadInput(f"{key} of model {spec}: it runs in this process; leave it out")
        return _local(spec, scheme, place, common, options or {}, room)
    if providers.split(spec, service.base_url):
        return providers.make(
            spec, service, options or {}, temperature=temperature, max_tokens=max_tokens
        )
    return _extension(spec, {**common, "name": name}, options)


def is_remote(spec: str, base_url: str | None) -> bool:
    """Whether a provider is called for it."""
    return spec.partition(":")[0] not in LOCAL and providers.split(spec, base_url) is not None


def _local(
    spec: str,
    scheme: str,
    place: str,
    common: dict[str, Any],
    options: Mapping[str, Any],
    room: int | None,
) -> Runnable[Any, Any]:
    """A model that runs in this process."""
    if scheme == "hf":
        from lwd_agents.agents.huggingface import HuggingFaceChat

        return _make(HuggingFaceChat, spec, {"model_name_or_path": place, **common}, options)
    path = _pocket_file(spec, place) if scheme == "pocket" else _gguf_file(spec, place)
    if scheme == "llama-cpp-python":
        from lwd_agents.agents import llama_cpp_python

        return llama_cpp_python.make(path, **common, options=options)
    from lwd_agents.agents.llamacpp import LlamaCppChat

    return _make(LlamaCppChat, spec, {"model_path": path, "room": room, **common}, options)


def _extension(
    spec: str, common: Mapping[str, Any], options: Mapping[str, Any] | None
) -> Runnable[Any, Any]:
    """A model that a plugin or a file of the user's makes."""
    from langchain_core.runnables import Runnable

    where = f"model {spec!r}"
    name, _, rest = spec.partition(":")
    if name in extensions.registered("models"):
        factory = extensions.load("models", name, where)
        common = {**common, "model": rest}
    elif extensions.is_dotted_path(spec) and _is_module(spec):
        factory = extensions.imported(spec, where)
    else:
        raise BadInput(f"model {spec!r}: {_unknown(spec)}")
    if isinstance(factory, Runnable):
        if options:
            raise BadInput(f"{where}: a ready model takes no options ({', '.join(options)})")
        return factory
    made = extensions.call(factory, common, where, options)
    if not isinstance(made, Runnable):
        raise BadInput(f"{where}: it made a {type(made).__name__}, not a LangChain runnable")
    return made


def _is_module(path: str) -> bool:
    """Whether a dotted path begins with a module that can be imported from here."""
    top = path.partition(":")[0].partition(".")[0]
    return find_spec(top) is not None or Path(top).is_dir() or Path(f"{top}.py").is_file()


def _unknown(spec: str) -> str:
    """What to say of a spec that names nothing: what it may have meant, else all kinds."""
    scheme, colon, rest = spec.partition(":")
    known = [*LOCAL, *catalogue.providers(), *extensions.registered("models")]
    near = [] if scheme in known else difflib.get_close_matches(scheme, known, 1)
    if near:
        return f"unknown; did you mean {near[0] + colon + rest!r}? lwd list models has all kinds"
    if extensions.is_dotted_path(spec):
        top = scheme.partition(".")[0]
        return f"there is no provider and no module {top!r} here; lwd list models has all kinds"
    return f"unknown; give {_CHOICES}"


def _make(
    kind: Any, spec: str, common: dict[str, Any], options: Mapping[str, Any] | None
) -> Runnable[Any, Any]:
    """Make the model, with pydantic's complaints in one line."""
    from pydantic import ValidationError

    options = options or {}
    if unknown := sorted(options.keys() - set(kind.OPTIONS)):
        raise BadInput(
            f"option {unknown[0]!r} of model {spec}: unknown; give {', '.join(kind.OPTIONS)}"
        )
    try:
        model: Runnable[Any, Any] = kind(**common, **options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{where} {first['input']!r} of model {spec}: {first['msg']}") from None
    return model


def _pocket_file(spec: str, name: str) -> Path:
    names = pocket_names()
    if name in names:
        return POCKET / f"{name}.gguf"
    near = difflib.get_close_matches(name, names, 1)
    hint = f"; did you mean pocket:{near[0]}?" if near else ""
    raise BadInput(f"model {spec!r}: the embedded models are {', '.join(names) or 'none'}{hint}")


def _gguf_file(spec: str, place: str) -> Path:
    """A file on this machine, or else one of the hub's: organisation/repository/path in it."""
    path = Path(place).expanduser()
    if path.is_file():
        return path
    parts = place.split("/")
    if path.is_absolute() or len(parts) < 3 or parts[0] in (".", "..", "~", ""):
        raise BadInput(
            f"model {spec!r}: there is no such file; give a GGUF file's path, or "
            "organisation/repository/file.gguf of the hub"
        )
    return _from_hub(spec, "/".join(parts[:2]), "/".join(parts[2:]))


def _from_hub(spec: str, repository: str, name: str) -> Path:
    """Find a file in the hub's cache, or fetch it; the hub is asked only if it can be reached."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    try:
        kept = try_to_load_from_cache(repository, name)
        if isinstance(kept, str):
            return Path(kept)
        if hub.reachable():
            return Path(hf_hub_download(repository, name))
    except Exception as error:  # the hub's own, its HTTP library's, the disk's
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BadInput(f"model {spec!r}: the hub does not give {name} ({first})") from None
    raise BadInput(
        f"model {spec!r}: not on this machine, and the hub cannot be reached; fetch "
        f"{name} of {repository} where there is a network, and give gguf:/path/to/it"
    )
