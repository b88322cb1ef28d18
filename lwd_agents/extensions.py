"""Parts that others bring: a dotted path in an experiment, or a name that a distribution registers.

A distribution registers a name by an entry point of the group ``lwd_agents.models``, or ``.laws``,
``.retrievers``, ``.readerships``, ``.choices``, ``.keeping`` or ``.stores``. Its object is
a factory: a function or class that is called with those of the settings that its signature names.
Code of others is imported only when an experiment names it, never in order to list it.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from lwd_agents.errors import BadInput, LwdError
from lwd_agents.secrets import redact

_NAME = r"[^\W\d]\w*"
_PATH = re.compile(
    rf"{_NAME}(?:\.{_NAME})*:{_NAME}(?:\.{_NAME})*"  # package.module:attribute
    rf"|{_NAME}(?:\.{_NAME})+"  # package.module.attribute
)


def registered(kind: str) -> dict[str, EntryPoint]:
    """The names that installed distributions register for a kind, such as ``models``, in order.

    Raises BadInput where two distributions register one name for different objects.
    """
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=f"lwd_agents.{kind}"), key=lambda p: (p.name, p.value)):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise BadInput(
                f"{kind}: the name {point.name!r} is registered by {distribution(other)} "
                f"({other.value}) and by {distribution(point)} ({point.value}); uninstall one"
            )
    return found


def distribution(point: EntryPoint) -> str:
    """The name and version of what registered an entry point."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unnamed distribution"


def load(kind: str, name: str, where: str) -> Any:
    """The object that is registered under a name; ``where`` is the place that named it.

    Raises BadInput, in one line, where nobody registered the name or its import fails.
    """
    points = registered(kind)
    if name not in points:
        raise BadInput(f"{where}: no {name!r} among the registered {kind}{_hint(name, points)}")
    try:
        return points[name].load()
    except (Exception, SystemExit) as error:
        raise BadInput(
            f"{where}: {name!r} of {distribution(points[name])} ({points[name].value}) cannot be "
            f"imported ({said(error)})"
        ) from error


def is_dotted_path(text: str) -> bool:
    """Whether a text is written as ``package.module:attribute`` or ``package.module.attribute``.

    ``module:attribute`` looks like ``provider:model``: ask about known names first.
    """
    return bool(_PATH.fullmatch(text))


def imported(path: str, where: str) -> Any:
    """The object at a dotted path, looked for in what is installed, then in the current directory.

    Raises BadInput, in one line, where the text is no such path, where there is no such module or
    attribute, and where the module itself raises.
    """
    if not is_dotted_path(path):
        raise BadInput(f"{where}: {path!r} is no dotted path such as package.module:attribute")
    where = where if repr(path) in where else f"{where}: {path!r}"
    place, colon, attributes = path.partition(":")
    parts = place.split(".")
    # Without a colon the module is the longest part of the path that can be imported.
    for last in range(len(parts) if colon else len(parts) - 1, 0, -1):
        name = ".".join(parts[:last])
        module = _module(name, where)
        if module is not None:
            return _attribute(module, attributes.split(".") if colon else parts[last:], where)
        if colon:
            break
    raise BadInput(f"{where}: there is no module {name!r}, neither installed nor in {os.getcwd()}")


def call(
    factory: Any,
    given: Mapping[str, Any],
    where: str,
    options: Mapping[str, Any] | None = None,
) -> Any:
    """Call a factory with those of ``given`` that its signature names, or all if it has ``**``.

    ``options`` are handed over too, and each of them must be taken: what a user wrote is never
    dropped in silence. Raises BadInput, in one line, where the factory cannot be called, takes no
    such option, has a parameter that nothing fills, or raises; an LwdError of its own passes.
    """
    if not callable(factory):
        kind = type(factory).__name__
        raise BadInput(f"{where}: found something of type {kind}, not a function or class")
    offered = {**given, **(options or {})}
    taken, open_ended = _parameters(factory)
    names = [name for name, _needed in taken]
    if not open_ended and (strange := sorted(set(options or {}) - set(names))):
        known = sorted(set(names) - set(given))
        raise BadInput(f"{where}: no option {strange[0]!r}{_hint(strange[0], known)}")
    missing = [name for name, needed in taken if needed and name not in offered]
    if missing:
        raise BadInput(
            f"{where}: {_called(factory)} needs {', '.join(missing)}; it is offered "
            f"{', '.join(sorted(given))}, and options by their names"
        )
    arguments = {name: value for name, value in offered.items() if open_ended or name in names}
    try:
        with _current_directory():
            return factory(**arguments)
    except LwdError:
        raise
    except (Exception, SystemExit) as error:
        raise BadInput(f"{where}: {_called(factory)} raised {said(error)}") from error


def said(error: BaseException) -> str:
    """What an error says, in one line and without keys: its class and first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return redact(": ".join([type(error).__name__, *lines[:1]])[:300])


def _parameters(factory: Any) -> tuple[list[tuple[str, bool]], bool]:
    """(name, needed) of each parameter that can be given by name, and whether any name will do."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # some classes of compiled modules tell nothing
        return [], True
    bare = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    taken = [(p.name, p.default is p.empty) for p in bare]
    return taken, any(p.kind is p.VAR_KEYWORD for p in parameters)


def _called(factory: Any) -> str:
    return str(getattr(factory, "__qualname__", type(factory).__name__))


def _module(name: str, where: str) -> Any:
    """The module of a name; None where there is none."""
    try:
        with _current_directory():
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            return None
        problem: BaseException = error
    except (Exception, SystemExit) as error:
        problem = error
    raise BadInput(f"{where}: importing {name} raised {said(problem)}") from problem


def _attribute(module: Any, names: list[str], where: str) -> Any:
    found = module
    for name in names:
        try:
            found = getattr(found, name)
        except AttributeError:
            public = [other for other in dir(found) if not other.startswith("_")]
            near = difflib.get_close_matches(name, public, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            owner = getattr(found, "__name__", type(found).__name__)
            raise BadInput(f"{where}: {owner} has no {name!r}{hint}") from None
    return found


def _hint(name: str, choices: Any) -> str:
    """The nearest choice, and all of them."""
    near = difflib.get_close_matches(name, list(choices), 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{hint} (choices: {', '.join(choices) or 'none'})"


@contextmanager
def _current_directory() -> Iterator[None]:
    """The current directory can be imported from, last of all, so that it shadows nothing.

    Only for the while: libraries look for optional packages by name, and a folder such as
    ``wandb`` beside an experiment would pass for one.
    """
    here = os.getcwd()
    sys.path.append(here)
    importlib.invalidate_caches()  # the module may be newer than the last look at its folder
    try:
        yield
    finally:
        if here in sys.path:  # what was imported may have tidied up
            del sys.path[len(sys.path) - 1 - sys.path[::-1].index(here)]
