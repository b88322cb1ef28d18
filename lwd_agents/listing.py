"""What ``lwd list`` says: every shipped name, with a line on what it is.

What a part says of itself is taken from that part, its table or its docstring, and not said again
here. Code of plugins is named, and not imported.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING

from lwd_agents import resources
from lwd_agents.config import graph_names

if TYPE_CHECKING:
    from types import ModuleType

    from lwd_agents.internet.policies import Names

Rows = list[tuple[str, str]]
_OWN = "package.module:NAME"
_MARKED = re.compile(r"``(\{?)(\w+)([^`]*)``:? ")
_ENDS = re.compile(r"\.(?:\s|$)|;\n| \(see |: P\(|\n\n|\n- ")  # of a line about something
_LONG = 150  # characters of a line; it is then told to its first colon


def listing(kind: str) -> Rows:
    """(name, one line about it) of each thing of a kind in ``LISTS``."""
    return _LISTS[kind]()


def _presets() -> Rows:
    return [(name, _first_comment(name)) for name in resources.names("experiments")]


def _prompts() -> Rows:
    folder = resources.folder("prompts")
    texts = {n: (folder / f"{n}.txt").read_text("utf-8") for n in resources.names("prompts")}
    return [(name, " / ".join(text.split("\n")).strip(" /")) for name, text in texts.items()]


def _stores() -> Rows:
    return [(name, _about_store(name)) for name in resources.names("stores")]


def _models() -> Rows:
    return [*_local_models(), *_registered("models", "[:REST]"), *_providers()]


def _laws() -> Rows:
    """What a reading is drawn by, each law with its options."""
    from lwd_agents.internet.laws import LAWS

    rows = []
    for name, law in LAWS.items():
        options = ", ".join(option.name for option in fields(law))
        about = _first_words(inspect.getdoc(law) or "")
        rows.append((name, f"{about}; options: {options}" if options else about))
    own = (_OWN, "a class or function that makes a law: draw(view, k, rng)")
    return [*rows, *_registered("laws"), own]


def _retrievers() -> Rows:
    about = "a function from the run's internet to a LangChain retriever, in place of a law"
    return [*_registered("retrievers"), (_OWN, about)]


def _readerships() -> Rows:
    from lwd_agents.internet.readership import listed

    return [*listed(), (_OWN, "a function (names, rng, ...) that makes a graph")]


def _posting() -> Rows:
    from lwd_agents.internet import posting

    return _policies(posting, posting.CHOICES)


def _keeping() -> Rows:
    from lwd_agents.internet import keeping

    return _policies(keeping, keeping.KEEPING)


def _internets() -> Rows:
    from lwd_agents.internet.backends import NAMES

    own = (_OWN, "a class or function that makes a Backend (lwd_agents.internet.backends)")
    return [*NAMES.items(), *_registered("stores"), own]


def _marks() -> Rows:
    from lwd_agents.marks import RULES

    rows = [(name, _first_words(inspect.getdoc(rule) or "")) for name, rule in RULES.items()]
    return [*rows, (_OWN, "a function from a text to a bool")]


def _figures() -> Rows:
    """What ``lwd report --figures`` draws, and of which worlds' runs."""
    from lwd_agents.report.figures.registry import FIGURES

    return [(name, f"{one.about} ({', '.join(one.worlds)})") for name, one in FIGURES.items()]


def _policies(module: ModuleType, names: Names) -> Rows:
    """The names of a policy, as the docstring of its module writes and explains them."""
    text = inspect.getdoc(module) or ""
    known = {*names.plain, *names.keyed}
    found = [mark for mark in _MARKED.finditer(text) if mark[2] in known]
    rows = [(mark[0].split("``")[1], _first_words(text[mark.end() :])) for mark in found]
    own = text.partition(f"``lwd_agents.{names.kind}``: ")[2]
    return [*rows, *_registered(names.kind), (_OWN, _first_words(own))]


def _first_words(text: str) -> str:
    """A docstring's beginning, to where its first statement ends, in one line."""
    line = " ".join(_ENDS.split(text, maxsplit=1)[0].split("``{")[0].split())
    line = line.partition(": ")[0] if len(line) > _LONG else line
    return line.removesuffix(" and").rstrip(",").replace("``", "")


def _local_models() -> Rows:
    """What runs in this process, and how a model of one's own is named."""
    from lwd_agents.agents import catalogue
    from lwd_agents.agents.models import pocket_names

    missing = "langchain_community" if catalogue.installed("llama_cpp") else "llama_cpp"
    return [
        *((f"pocket:{name}", "ships with the package; under llama.cpp") for name in pocket_names()),
        ("gguf:FILE", "a GGUF file, or OWNER/REPO/FILE of the hub; under llama.cpp"),
        ("hf:NAME", "a transformers model: a folder, or OWNER/NAME of the hub"),
        ("llama-cpp-python:FILE", f"a GGUF file; {_state(missing)}"),
        ("NAME and base_url", f"any OpenAI-style server; {_state('langchain_openai')}"),
        ("package.module:NAME", "what makes a model, installed or in the current directory"),
    ]


def _state(package: str) -> str:
    """Whether a package is there, or how it is installed."""
    from lwd_agents.agents import catalogue

    return "installed" if catalogue.installed(package) else catalogue.install_command(package)


def _registered(kind: str, after: str = "") -> Rows:
    """The names that plugins register for a kind."""
    from lwd_agents.extensions import distribution, registered

    return [
        (f"{name}{after}", f"registered by {distribution(point)}")
        for name, point in registered(kind).items()
    ]


def _providers() -> Rows:
    """LangChain's providers, those that are installed first."""
    from lwd_agents.agents import catalogue

    here: Rows = []
    missing: Rows = []
    for name, package in sorted(catalogue.providers().items()):
        needs = "; ".join(filter(None, (_state(package), catalogue.key_state(name))))
        rows = here if catalogue.installed(package) else missing
        rows.append((f"{name}:MODEL", needs))
    return here + missing


def _first_comment(preset: str) -> str:
    """The first sentence of the comment that a preset begins with."""
    lines = (resources.folder("experiments") / f"{preset}.yaml").read_text("utf-8").split("\n")
    comment = []
    for line in lines:
        if not line.startswith("#"):
            break
        comment.append(line.lstrip("# "))
    text = " ".join(comment)
    end = text.find(": ")
    return text if end < 0 else text[:end]


def _about_store(store: str) -> str:
    from lwd_agents.internet.seeds import read_seed

    posts = read_seed(resources.folder("stores") / store)
    return f"{len(posts)} posts, such as: {posts[0].text}"


_LISTS: dict[str, Callable[[], Rows]] = {
    "presets": _presets,
    "prompts": _prompts,
    "stores": _stores,
    "models": _models,
    "laws": _laws,
    "retrievers": _retrievers,
    "readerships": _readerships,
    "posting": _posting,
    "keeping": _keeping,
    "internets": _internets,
    "marks": _marks,
    "estimators": lambda: [*graph_names.ESTIMATORS.items()],
    "designs": lambda: [*graph_names.DESIGNS.items()],
    "regimes": lambda: [*graph_names.REGIMES.items()],
    "mixing": lambda: [*graph_names.MIXING.items()],
    "figures": _figures,
}
LISTS = tuple(_LISTS)
