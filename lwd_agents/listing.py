"""What ``lwd list`` says: every shipped name, with a line on what it is."""

from __future__ import annotations

from lwd_agents import resources

LISTS = ("presets", "prompts", "stores", "models")


def listing(kind: str) -> list[tuple[str, str]]:
    """(name, one line about it) of each thing of a kind in ``LISTS``."""
    if kind == "presets":
        return [(name, _first_comment(name)) for name in resources.names("experiments")]
    if kind == "prompts":
        folder = resources.folder("prompts")
        texts = {n: (folder / f"{n}.txt").read_text("utf-8") for n in resources.names("prompts")}
        return [(name, " / ".join(text.split("\n")).strip(" /")) for name, text in texts.items()]
    if kind == "stores":
        return [(name, _about_store(name)) for name in resources.names("stores")]
    return [*_local_models(), *_registered_models(), *_providers()]


def _local_models() -> list[tuple[str, str]]:
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


def _registered_models() -> list[tuple[str, str]]:
    from lwd_agents.extensions import distribution, registered

    return [
        (f"{name}[:REST]", f"registered by {distribution(point)}")
        for name, point in registered("models").items()
    ]


def _providers() -> list[tuple[str, str]]:
    """LangChain's providers, those that are installed first."""
    from lwd_agents.agents import catalogue

    here: list[tuple[str, str]] = []
    missing: list[tuple[str, str]] = []
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
