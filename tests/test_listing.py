"""What ``lwd list`` says: every name is one, and models say what they need."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from langchain.chat_models import base

from lwd_agents import resources
from lwd_agents.agents import catalogue
from lwd_agents.config import read_experiment
from lwd_agents.errors import BadInput
from lwd_agents.internet.backends import NAMES, check
from lwd_agents.internet.keeping import KEEPING, make_keeping
from lwd_agents.internet.laws import LAWS, make_law
from lwd_agents.internet.policies import Names
from lwd_agents.internet.posting import CHOICES, make_choice
from lwd_agents.internet.readership import checked, stretches
from lwd_agents.internet.seeds import read_seed
from lwd_agents.listing import LISTS, listing
from lwd_agents.marks import rules

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def rows() -> dict[str, str]:
    return dict(listing("models"))


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """As if these packages were not installed."""
    find = catalogue.find_spec
    monkeypatch.setattr(catalogue, "find_spec", lambda p: None if p in packages else find(p))


def test_each_way_to_name_a_model_has_its_line() -> None:
    names = list(rows())
    local = ["gguf:FILE", "hf:NAME", "llama-cpp-python:FILE", "NAME and base_url"]
    assert set(names) >= {"pocket:north", *local, "package.module:NAME", "openai:MODEL"}
    assert len(names) == len(listing("models"))
    assert {f"{name}:MODEL" for name in base._BUILTIN_PROVIDERS} <= set(names)
    assert len(catalogue.providers()) >= 20
    assert catalogue.providers()["google_anthropic_vertex"] == "langchain_google_vertexai"


def test_what_is_missing_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-of-mine")
    assert rows()["openai:MODEL"] == "installed; OPENAI_API_KEY is set"
    monkeypatch.delenv("OPENAI_API_KEY")
    assert rows()["openai:MODEL"] == "installed; OPENAI_API_KEY is not set"
    without(monkeypatch, "langchain_openai", "langchain_groq", "llama_cpp")
    found = rows()
    openai = "pip install 'lwd-agents[openai]'"
    assert found["openai:MODEL"] == f"{openai}; OPENAI_API_KEY is not set"
    assert found["NAME and base_url"] == f"any OpenAI-style server; {openai}"
    assert found["groq:MODEL"].startswith("pip install langchain-groq; GROQ_API_KEY is")
    assert found["llama-cpp-python:FILE"].endswith("pip install 'lwd-agents[llama-cpp-python]'")
    monkeypatch.setenv("GEMINI_API_KEY", "secret-of-mine")  # the second of two that will do
    assert rows()["google_genai:MODEL"].endswith("; GEMINI_API_KEY is set")
    assert "secret-of-mine" not in str(rows())


def test_what_is_installed_comes_before_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "langchain_anthropic", "langchain_xai")
    names = list(rows())
    assert names.index("openai:MODEL") < names.index("anthropic:MODEL") < names.index("xai:MODEL")


def test_the_lines_fit_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, *catalogue.providers().values(), "llama_cpp")
    width = max(map(len, rows()))
    assert width <= 32
    assert [name for name, about in rows().items() if width + 2 + len(about) > 100] == []


@pytest.mark.parametrize("value", [None, {"a": ()}, {"a": (1,)}, ["a"]])
def test_another_langchain_may_have_no_table(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    if value is None:
        monkeypatch.delattr(base, "_BUILTIN_PROVIDERS")
    else:
        monkeypatch.setattr(base, "_BUILTIN_PROVIDERS", value)
    assert catalogue.providers() == {}
    assert "pocket:north" in rows()


def test_the_extras_that_are_named_exist() -> None:
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    for package, extra in catalogue.EXTRAS.items():
        assert extra in extras
        named = "llama-cpp-python" if package == "llama_cpp" else package.replace("_", "-")
        assert any(needed.startswith(named) for needed in extras[extra]), package


def test_keys_are_where_the_class_looks_for_them() -> None:
    """Of the providers that are installed here; openai always is."""
    seen = []
    for provider in catalogue._KEYS:
        module, name, _ = base._BUILTIN_PROVIDERS[provider]
        if catalogue.installed(module.partition(".")[0]):
            cls = getattr(importlib.import_module(module), name)
            secrets = cls.lc_secrets.fget(cls)  # field -> environment variable
            assert catalogue.key_variables(provider)[0] in secrets.values()
            seen.append(provider)
    assert {"openai", "azure_openai"} <= set(seen)


def test_nothing_of_a_provider_is_imported() -> None:
    code = (
        "import sys; from lwd_agents.listing import listing; "
        "from lwd_agents.listing import LISTS; print(sum(len(listing(k)) for k in LISTS));"
        "heavy = {'torch', 'transformers', 'chromadb', 'openai', 'langchain_openai', 'llama_cpp',"
        "'langchain_ollama', 'langchain_community', 'xllamacpp', 'pandas'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=1)[1].strip() == "[]"


def names_of(kind: str) -> list[str]:
    """The names in a list, but for the row about what is brought along."""
    names = [name for name, _ in listing(kind)]
    assert names[-1] == "package.module:NAME"
    return names[:-1]


@pytest.mark.parametrize("kind", LISTS)
def test_every_name_comes_once_with_its_line(kind: str) -> None:
    found = listing(kind)
    assert len(dict(found)) == len(found) > 0
    for name, about in found:
        assert about.strip() == about != "", name
        assert len(about) <= 170, name
        assert not re.search(r"``|\n", about), name


VALUES = {"p": 0.5, "w": 2, "n": 5, "rule": "refusal", "scorer": "my_module:score"}


def written(name: str) -> Any:
    """A name of a list as an experiment has it: ``{window: w}`` with a number for w."""
    value = yaml.safe_load(name)
    return {k: VALUES.get(v, v) for k, v in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize(
    ("kind", "names", "parse"),
    [("posting", CHOICES, make_choice), ("keeping", KEEPING, make_keeping)],
)
def test_every_policy_that_is_listed_is_one(kind: str, names: Names, parse: Any) -> None:
    values = [written(name) for name in names_of(kind)]
    for value in values:
        assert parse(value).told == value
    heads = {value if isinstance(value, str) else next(iter(value)) for value in values}
    assert heads == {*names.plain, *names.keyed}


NEEDS: dict[str, dict[str, Any]] = {"recency": {"half_life": 3}, "ratio": {"synthetic": "0.5"}}


def test_every_law_that_is_listed_is_one_and_has_the_options_that_are_said() -> None:
    assert names_of("laws") == list(LAWS)
    for name, about in listing("laws")[:-1]:
        make_law(name, NEEDS.get(name, {}), "reading.law")
        said = about.partition("; options: ")[2]
        with pytest.raises(BadInput, match=re.escape(f"(choices: {said or 'none'})")):
            make_law(name, {"nonsense": 1}, "reading.law")


def test_every_readership_that_is_listed_is_one() -> None:
    names = ["a", "b", "c", "d"]
    keys: dict[str, Any] = {
        "cliques": {"size": 2},
        "hub": {"hub": "a"},
        "vulnerable": {"adversary": "a", "targets": ["b"]},
        "erdos-renyi": {"p": 0.5},
        "small-world": {"neighbours": 2, "rewire": 0.1},
        "scale-free": {"links": 1},
    }
    forms: dict[str, Any] = {
        "edges": {"edges": [["a", "b"]]},
        "file": {"file": "graph.csv"},
        "schedule": {"schedule": {0: "complete"}},
    }
    for name in names_of("readerships"):
        value = forms.get(name, {"graph": name, **keys[name]} if name in keys else name)
        found = checked(value)
        if name != "file":
            assert stretches(found, names)[0].shape == (4, 4)


def test_every_kind_of_internet_that_is_listed_is_one(tmp_path: Path) -> None:
    assert names_of("internets") == list(NAMES)
    for name in names_of("internets"):
        check(name.replace("HOST:PORT[/NAME]", "127.0.0.1:8000/mine"))
    with pytest.raises(BadInput, match="no such store 'sqlite'"):
        check("sqlite")


def test_every_mark_and_every_file_that_is_listed_is_one() -> None:
    assert list(rules(names_of("marks"))) == names_of("marks")
    assert {"crypto", "held_out", "noise"} == {name for name, _ in listing("stores")}
    for name, about in listing("stores"):
        posts = read_seed(resources.find("stores", name, "internet.seed"))
        assert about == f"{len(posts)} posts, such as: {posts[0].text}"
    for name, _ in listing("presets"):
        assert read_experiment(name).resolve().steps > 0
    for name, _ in listing("prompts"):
        assert resources.find("prompts", name, "prompt").is_file()


def test_learners_names_are_those_that_a_config_takes() -> None:
    from lwd_agents.config import graph

    fields = graph.GraphConfig.model_fields
    assert [name for name, _ in listing("estimators")] == [*get_args(graph.Kind)]
    assert [name for name, _ in listing("designs")] == [*get_args(graph.Designs)]
    for kind, key in (("regimes", "regime"), ("mixing", "mixing")):
        assert [name for name, _ in listing(kind)] == [*get_args(fields[key].annotation)]
