"""The README and the pages are true: their snippets run, and CI runs their command."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

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
    assert len(space["run"]) == 4
    lines = [line for line in code.splitlines() if line.strip() and "import" not in line]
    assert len(lines) <= 10


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
