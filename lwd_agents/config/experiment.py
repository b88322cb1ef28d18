"""Experiment files: their keys, their checks, and one-line errors that say where a value came from.

An experiment is a mapping (a preset, a YAML file or a Python dict), over which ``--set a.b=c`` and
keyword arguments are laid. Every value remembers its origin, so that an error can name it.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from lwd_agents import resources
from lwd_agents.config.gmm import GmmConfig
from lwd_agents.config.graph import GraphConfig
from lwd_agents.config.llm import LlmConfig
from lwd_agents.errors import BadInput
from lwd_agents.secrets import looks_secret

AnyConfig = LlmConfig | GmmConfig | GraphConfig
CONFIGS: dict[str, type[AnyConfig]] = {"llm": LlmConfig, "gmm": GmmConfig, "graph": GraphConfig}

# What is laid over one of these takes away what the file says of the others.
_INSTEAD = {
    "reading.k": ("reading.beta",),
    "reading.beta": ("reading.k",),
    "graph": ("readership", "real", "own", "learners"),
    "readership": ("graph",),
    "rows by edge": ("readership", "real", "own", "learners"),
}
# A single value of these keys is short for a mapping with one key.
_SHORT = {"stop": "rule", "estimator": "kind"}


@dataclass
class Experiment:
    """An experiment's values before they are checked, and where each came from."""

    name: str
    values: dict[str, Any]
    place: str
    origins: dict[str, str] = field(default_factory=dict)

    def put(self, key: str, value: Any, origin: str) -> None:
        """Lay ``value`` over the dotted ``key``; list items go by name or number (``agents.0``)."""
        parts, value = key.split("."), _plain(value)
        if not all(parts):
            raise BadInput(f"{origin}: {key!r} is not a key; write a.b=value")
        if short := _SHORT.get(parts[0]):
            there = self.values.get(parts[0])
            if isinstance(there, str):
                there = self.values[parts[0]] = {short: there}
            if len(parts) == 1 and isinstance(value, str) and isinstance(there, dict):
                parts.append(short)
        here: Any = self.values
        for i, part in enumerate(parts):
            so_far = ".".join(parts[: i + 1])
            if isinstance(here, list):
                parts[i] = part = str(_index(here, part, so_far, origin))
            elif not isinstance(here, dict):
                raise BadInput(f"{origin}: {so_far} lies below a single value")
            if i == len(parts) - 1:
                here[int(part) if isinstance(here, list) else part] = value
            elif isinstance(here, list):
                here = here[int(part)]
            else:
                here[part] = {} if here.get(part) is None else here[part]
                here = here[part]
        laid = ".".join(parts)
        self.origins[laid] = origin
        by_edge = laid == "rows" and isinstance(value, list)
        others = _INSTEAD.get("rows by edge" if by_edge else laid, ())
        for other in others if value is not None else ():
            if other not in self.origins:
                inside, _, last = f".{other}".rpartition(".")
                (self.values[inside[1:]] if inside else self.values).pop(last, None)

    def resolve(self) -> AnyConfig:
        """Check everything.

        Raises:
            BadInput: one line for the first thing that is wrong.
        """
        world = self.values.get("world", "llm")
        if not isinstance(world, str) or world not in CONFIGS:
            raise BadInput(f"{self._where('world')}: no world {world!r}; {_choices(list(CONFIGS))}")
        try:
            return CONFIGS[world].model_validate(self.values)
        except ValidationError as error:
            raise BadInput(self._line(error, CONFIGS[world])) from None

    @contextlib.contextmanager
    def placed(self) -> Iterator[None]:
        """Errors raised inside that begin with one of the keys say where its value came from."""
        try:
            yield
        except BadInput as error:
            key = str(error).partition(":")[0]
            if not key or key.split(".")[0] not in self.values:
                raise
            raise type(error)(f"{self._where(key)}{str(error)[len(key) :]}") from None

    def _where(self, key: str) -> str:
        """Where ``key`` came from: of its longest part that was laid over the file the origin.

        Else of what was laid last below it, else the file.
        """
        parts = key.split(".")
        for end in range(len(parts), 0, -1):
            if origin := self.origins.get(".".join(parts[:end])):
                return f"{origin}: {key}"
        below = [origin for laid, origin in self.origins.items() if laid.startswith(f"{key}.")]
        return f"{below[-1] if below else self.place}: {key}"

    def _line(self, error: ValidationError, model: type[BaseModel]) -> str:
        first = error.errors()[0]
        loc = [str(part) for part in first["loc"]]
        key = ".".join(loc)
        kind, value = first["type"], first["input"]
        if kind == "extra_forbidden":
            known = _keys_at(model, loc[:-1])
            close = difflib.get_close_matches(loc[-1], known, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            return f"{self._where(key)}: unknown key {loc[-1]!r}{hint} {_choices(known)}"
        if kind == "missing":
            beside = f"{'.'.join(loc[:-1])}."  # it is missing where something was laid beside it
            laid = [origin for other, origin in self.origins.items() if other.startswith(beside)]
            where = f"{laid[-1]}: {key}" if laid and len(loc) > 1 else self._where(key)
            return f"{where}: this key is missing"
        message = _said(first["msg"])
        if not loc:  # a check of several keys together: its message begins with the one to change
            key, colon, rest = message.partition(": ")
            return f"{self._where(key)}: {rest}" if colon else f"{self.place}: {message}"
        if kind == "value_error" and not isinstance(value, str | int | float | NoneType):
            return f"{self._where(key)}: {message}"
        return f"{self._where(key)}: {_brief(value)}: {message[:1].lower()}{message[1:]}"


def read_experiment(
    name_or_path: str | Path | Mapping[str, Any], settings: Sequence[str] = ()
) -> Experiment:
    """An experiment from a preset's name, a YAML file or a mapping, with ``a.b=c`` laid over it.

    Raises:
        BadInput: no such experiment, not YAML, not a mapping, a setting without ``=``.
    """
    if isinstance(name_or_path, Mapping):
        experiment = Experiment("experiment", _plain(name_or_path), "experiment")
    else:
        path = resources.find("experiments", str(name_or_path), "experiment")
        experiment = Experiment(path.stem, _read_yaml(path), _short(path))
    lay_settings(experiment, settings)
    return experiment


def lay_settings(experiment: Experiment, settings: Sequence[str]) -> None:
    """Lay ``a.b=value`` pairs over an experiment; each value is read as YAML.

    Raises BadInput for a setting without ``=``, and a key that cannot be.
    """
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise BadInput(f"--set {setting}: write it as key=value, for example --set draws=10")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            value = text
        said = f"{key}=..." if looks_secret(key) else setting  # a key is not to be repeated
        experiment.put(key.strip(), value, f"--set {said}")


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise BadInput(f"{path}{line}: not YAML: {problem}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as an experiment file: {error}") from None
    if not isinstance(loaded, dict):
        raise BadInput(f"{path}: an experiment file is a mapping of keys to values")
    return loaded


def _plain(value: Any) -> Any:
    """A deep copy as dicts, lists and Python's own numbers: what is laid over it changes nothing
    outside. A graph becomes its edges."""
    if hasattr(value, "is_directed") or type(value).__name__ == "LearningGraph":
        return _as_edges(value)
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def _as_edges(value: Any) -> Any:
    """A LearningGraph or a directed networkx graph as an experiment has it."""
    from lwd_agents.theory.learning_graph import LearningGraph
    from lwd_agents.verdicts import edges_of

    graph = value if isinstance(value, LearningGraph) else LearningGraph.from_networkx(value)
    return {"edges": edges_of(graph)}


def _index(items: list[Any], part: str, key: str, origin: str) -> int:
    """The place in a list: a number, or the name of the item (``agents.north.model``)."""
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    if part in names:
        return names.index(part)
    if part.isdecimal() and int(part) < len(items):
        return int(part)
    known = [str(name) for name in names if name] or [f"0 to {len(items) - 1}"]
    raise BadInput(f"{origin}: {key}: no item {part!r}; {_choices(known)}")


def _keys_at(model: type[BaseModel], loc: Sequence[str]) -> list[str]:
    """The known keys of the part of the config that ``loc`` leads to."""
    for part in loc:
        if part not in model.model_fields:  # a list's number, or a mapping's key
            continue
        annotation = model.model_fields[part].annotation
        nested = [annotation, *getattr(annotation, "__args__", ())]
        model = next(c for c in nested if isinstance(c, type) and issubclass(c, BaseModel))
    return list(model.model_fields)


def _said(message: str) -> str:
    """A message of pydantic's in the words of a YAML file."""
    message = re.sub(r"dictionary or instance of \w+", "mapping", message)
    message = re.sub("[Tt]uple", "list", message).removeprefix("Value error, ")
    return re.sub(r"list should have at least 1 item.*", "needs at least one", message, flags=re.I)


def _choices(names: Sequence[str]) -> str:
    return f"(choices: {', '.join(names)})"


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _short(path: Path) -> str:
    shipped = path.parent == resources.folder("experiments")
    return f"preset {path.stem}" if shipped else str(path)
