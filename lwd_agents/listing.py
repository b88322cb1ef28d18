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
    from lwd_agents.agents.models import pocket_names

    pockets = [
        (f"pocket:{name}", "ships with the package, runs under llama.cpp")
        for name in pocket_names()
    ]
    return [
        *pockets,
        ("gguf:FILE", "a GGUF file, or gguf:OWNER/REPO/FILE on the hub, under llama.cpp"),
        ("hf:NAME", "a transformers model: a folder, or OWNER/NAME on the hub"),
    ]


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
