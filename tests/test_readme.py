"""The README and the pages are true: snippets, files and keys work, and CI runs their command."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest
import yaml

from lwd_agents.config import read_experiment
from lwd_agents.laboratory import run

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SNIPPET = re.compile(r"<!-- snippet: (\w+) -->\n```python\n(.*?)```", re.DOTALL)
SNIPPETS = [
    pytest.param(code, id=f"{page.stem}-{name}")
    for page in PAGES
    for name, code in SNIPPET.findall(page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("code", SNIPPETS)
def test_the_snippets_run(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("snippet.py").write_text(code)
    space = runpy.run_path("snippet.py")
    assert "run" not in space or len(space["run"]) == 4
    lines = [line for line in code.splitlines() if line.strip() and "import" not in line]
    assert len(lines) <= 10


def test_the_parts_of_ones_own_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    files = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", readme, re.DOTALL))
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        Path(name).write_text(text)
    try:
        done = run("mine.yaml", steps=3, draws=4, out="run")
    finally:
        sys.modules.pop("parts", None)
    assert [line["internet_size"] for line in done.rounds] == [20, 22, 24, 26]
    assert [line["k"] for line in done.rounds] == [
        {"north": (20 + t) // 2, "east": (20 + 2 * t) // 2} for t in range(4)
    ]
    rows = done.responses()
    for _, draws in rows.groupby(["t", "agent"]):
        lengths = draws["text"].str.len().tolist()
        assert draws["post_id"].notna().tolist().index(True) == lengths.index(max(lengths))


def keys_of(page: Path) -> list[dict[str, object]]:
    """What stands in the YAML blocks of a page: one mapping for each line that begins a key."""
    blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    parts = [part for block in blocks for part in re.split(r"\n(?=\w)", block)]
    return [yaml.safe_load(part) for part in parts]


@pytest.mark.parametrize("keys", keys_of(ROOT / "docs" / "internet.md"), ids=str)
def test_the_keys_of_the_page_on_the_internet_are_keys(keys: dict[str, object]) -> None:
    from lwd_agents.worlds import llm_publish, llm_texts

    described = read_experiment("pocket")
    for key, value in keys.items():
        described.put(key, value, str(keys))
    config = described.resolve()
    llm_publish.check_reading(config)
    llm_publish.make_publisher(config, llm_texts.read_texts(config))


def test_there_are_two_commands_and_ci_takes_the_second_from_here() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"```bash\n(python3 -m venv .*)\n```", readme)
    assert len(commands) == 2
    assert commands[0].endswith(".venv/bin/lwd run")
    assert commands[1].endswith("-m pytest")
    ci = (ROOT / ".ci" / "run").read_text()
    assert "README.md" in ci


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_top_level_is_what_it_should_be() -> None:
    import subprocess

    found = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT)
    if found.returncode != 0 or not found.stdout:
        pytest.skip("not a git checkout")
    top = {name.split("/")[0] for name in found.stdout.split("\n") if name}
    assert top == {
        "pyproject.toml",
        "README.md",
        "lwd_agents",
        "prompts",
        "stores",
        "tests",
        "scripts",
        "docs",
        "CHANGELOG.md",
        "LICENSE",
        "constraints.txt",
        ".gitignore",
        ".ci",
    }
