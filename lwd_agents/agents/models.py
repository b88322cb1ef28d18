"""The models that experiment files name: ``pocket:north``, ``gguf:...``, ``hf:...``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwd_agents import hub
from lwd_agents.errors import BadInput

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

POCKET = Path(__file__).resolve().parent.parent / "pocket"
_CHOICES = (
    "pocket:NAME, gguf:/path/file.gguf, gguf:organisation/repository/file.gguf, "
    "hf:organisation/model or hf:/path/folder"
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
) -> BaseChatModel:
    """Load the model that a spec names; models of one file and equal settings share its weights.

    ``draws`` is how many answers will be asked of one prompt, ``max_tokens`` how many tokens
    each may have, and ``options`` are the backend's own (see its class). Raises BadInput, in
    one line, for an unknown spec, model or option, a broken file, and a hub out of reach.
    """
    scheme, colon, place = spec.partition(":")
    if not colon or not place or scheme not in ("pocket", "gguf", "hf"):
        raise BadInput(f"model {spec!r}: unknown; give {_CHOICES}")
    common = {"draws": draws, "temperature": temperature, "max_tokens": max_tokens}
    if scheme == "hf":
        from lwd_agents.agents.huggingface import HuggingFaceChat

        return _make(HuggingFaceChat, spec, {"model_name_or_path": place, **common}, options)
    from lwd_agents.agents.llamacpp import LlamaCppChat

    path = _pocket_file(spec, place) if scheme == "pocket" else _gguf_file(spec, place)
    return _make(LlamaCppChat, spec, {"model_path": path, **common}, options)


def _make(
    kind: Any, spec: str, common: dict[str, Any], options: Mapping[str, Any] | None
) -> BaseChatModel:
    """Make the model, with pydantic's complaints in one line."""
    from pydantic import ValidationError

    options = options or {}
    if unknown := sorted(options.keys() - set(kind.OPTIONS)):
        raise BadInput(
            f"option {unknown[0]!r} of model {spec}: unknown; give {', '.join(kind.OPTIONS)}"
        )
    try:
        model: BaseChatModel = kind(**common, **options)
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
