"""Which providers LangChain knows, what each needs, and whether that is installed.

Nothing of a provider is imported: its package is only looked for.
"""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec

# Our extras, by the package that must be importable; other packages are installed by their name.
EXTRAS = {
    "langchain_openai": "openai",
    "langchain_anthropic": "anthropic",
    "langchain_huggingface": "huggingface",
    "langchain_ollama": "ollama",
    "llama_cpp": "llama-cpp-python",
    "langchain_community": "llama-cpp-python",
}

# The environment variables in which the providers' classes look for a key, the first one first.
_KEYS = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "azure_openai": ("AZURE_OPENAI_API_KEY",),
    "cohere": ("COHERE_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "fireworks": ("FIREWORKS_API_KEY",),
    "google_genai": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "groq": ("GROQ_API_KEY",),
    "mistralai": ("MISTRAL_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "perplexity": ("PPLX_API_KEY",),
    "together": ("TOGETHER_API_KEY",),
    "xai": ("XAI_API_KEY",),
}


def providers() -> dict[str, str]:
    """The providers of LangChain's ``init_chat_model``: name -> import name of its package.

    The table is private to LangChain. Where a version of it has none, the answer is empty, and
    whoever asks can check nothing: ``init_chat_model`` itself has the last word.
    """
    try:
        from langchain.chat_models.base import _BUILTIN_PROVIDERS

        return {name: entry[0].partition(".")[0] for name, entry in _BUILTIN_PROVIDERS.items()}
    except (ImportError, AttributeError, IndexError, TypeError):
        return {}


def inferred(model: str) -> str | None:
    """The provider that LangChain takes a bare model's name for, such as ``gpt-5-mini``."""
    try:
        from langchain.chat_models.base import _attempt_infer_model_provider

        with warnings.catch_warnings():  # it announces another guess for later versions
            warnings.simplefilter("ignore", DeprecationWarning)
            return _attempt_infer_model_provider(model)
    except ImportError:
        return None


def installed(*packages: str) -> bool:
    """Whether packages can be imported, by their import names; none of them is."""
    return all(find_spec(package) is not None for package in packages)


def install_command(package: str) -> str:
    """How a package is installed, by its import name: by our extra where there is one."""
    if package in EXTRAS:
        return f"pip install 'lwd-agents[{EXTRAS[package]}]'"
    return f"pip install {package.replace('_', '-')}"


def key_variables(provider: str) -> tuple[str, ...]:
    """Where a provider looks for its key, any of them will do; empty where we don't know."""
    return _KEYS.get(provider, ())


def key_state(provider: str) -> str:
    """The key's variable and whether it is set, never its value; empty where we don't know."""
    names = key_variables(provider)
    if not names:
        return ""
    there = [name for name in names if os.environ.get(name)]
    return f"{there[0]} is set" if there else f"{names[0]} is not set"
