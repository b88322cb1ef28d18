"""What ``lwd list models`` says of what there is, what is missing, and how it is installed."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from langchain.chat_models import base

from lwd_agents.agents import catalogue
from lwd_agents.listing import listing

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
        "import sys; from lwd_agents.listing import listing; print(len(listing('models')));"
        "heavy = {'torch', 'transformers', 'chromadb', 'openai', 'langchain_openai', 'llama_cpp',"
        "'langchain_ollama', 'langchain_community', 'xllamacpp', 'pandas'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=1)[1].strip() == "[]"
