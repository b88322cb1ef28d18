"""How an experiment names a policy: a plain name, ``{name: value}``, or a function of one's own."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lwd_agents import extensions
from lwd_agents.errors import BadInput, LwdError, RunStopped

Function = Callable[..., Any]


@dataclass(frozen=True)
class Names:
    """The names of one part.

    Attributes:
        kind: distributions register further names in the group ``lwd_agents.<kind>``.
        plain: the names that stand alone.
        keyed: the names that take a value.
    """

    kind: str
    plain: tuple[str, ...]
    keyed: tuple[str, ...]

    def read(self, value: Any) -> tuple[str, Any]:
        """(name, None), (name, its value), or ("own", path); imports nothing.

        Raises:
            ValueError: it is none of these, in one line with the choices.
        """
        if isinstance(value, str) and value in self.plain:
            return value, None
        if isinstance(value, str) and value in self.keyed:
            raise ValueError(f"{value!r} needs a value, as in {{{value}: ...}}")
        if isinstance(value, str):
            if value in extensions.registered(self.kind) or extensions.is_dotted_path(value):
                return "own", value
            raise ValueError(self._unknown(value))
        if not isinstance(value, Mapping):
            raise ValueError(self._unknown(value))
        if len(value) != 1:
            keys = ", ".join(map(str, value)) or "none"
            raise ValueError(f"one key is wanted, not {keys} ({self._choices()})")
        ((name, given),) = value.items()
        if name not in self.keyed:
            raise ValueError(self._unknown(name))
        return str(name), given

    def function(self, name: str, where: str, what: str) -> Function:
        """The function that is registered under a name or lies at a dotted path, imported now.

        Raises:
            BadInput: there is none, in one line that begins with ``where``.
        """
        if name in extensions.registered(self.kind):
            found = extensions.load(self.kind, name, where)
        else:
            found = extensions.imported(name, where)
        if not callable(found):
            kind = type(found).__name__
            raise BadInput(f"{where}: {name!r} is a {kind}, not a function from {what}")
        return found  # type: ignore[no-any-return]

    def _unknown(self, value: Any) -> str:
        near = difflib.get_close_matches(str(value), [*self.plain, *self.keyed], 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"there is no {value!r}{hint} ({self._choices()})"

    def _choices(self) -> str:
        keyed = (f"{{{name}: ...}}" for name in self.keyed)
        names = [*self.plain, *keyed, *extensions.registered(self.kind)]
        return f"choices: {', '.join(names)}, or a function's dotted path"


def called(where: str, name: str | None, function: Function | None, *arguments: Any) -> Any:
    """What a function of one's own says.

    Raises:
        RunStopped: it raised, in one line with its name and the text that it was asked about.
    """
    assert function is not None, f"{where}: {name} was not resolved"
    try:
        return function(*arguments)
    except LwdError:
        raise
    except Exception as error:
        on = f" on {arguments[0][:60]!r}" if isinstance(arguments[0], str) else ""
        raise RunStopped(f"{where}: {name!r} raised {extensions.said(error)}{on}") from error
