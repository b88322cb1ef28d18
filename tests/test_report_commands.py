"""``lwd report``, ``lwd watch``, ``lwd export``: exit codes, what is said, what is written."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import heed_interrupts
from made_runs import made_run, network

import lwd_agents as lwd
from lwd_agents import cli
from lwd_agents.errors import BadInput
from lwd_agents.trajectory import Trajectory


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["lwd", *map(str, arguments)])
    return cli._call()


def data_of(page: Path) -> dict[str, Any]:
    """The data that a page holds."""
    body = page.read_text(encoding="utf-8").partition('id="data">')[2].partition("</script>")[0]
    return dict(json.loads(body))


def files_in(path: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()
    }


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return made_run(tmp_path / "made", network(6, draws=4, key=1))


def test_a_page_beside_its_run_and_nothing_else_touched(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_in(made)
    assert call(monkeypatch, "report", made) == 0
    said = capsys.readouterr()
    page = made / "report.html"
    assert said.out.splitlines()[-1].startswith(f"page: {page} (")
    assert "reading the runs" in said.err
    after = files_in(made)
    assert after.pop("report.html").startswith(b"<!DOCTYPE html>")
    assert after == before
    np.testing.assert_allclose(
        data_of(page)["runs"][0]["curves"]["norm"], lwd.load(made).norm, rtol=1e-5
    )
    first = page.read_bytes()
    assert call(monkeypatch, "report", made, "--quiet") == 0  # over a page of its own
    assert capsys.readouterr() == ("", "")
    assert page.read_bytes() == first  # and the same bytes


def test_json_is_one_object_and_the_notes_are_said(
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (made / "embeddings" / "00003.npy").write_bytes(b"nothing")
    out = tmp_path / "page of it.html"
    assert call(monkeypatch, "report", made, "--out", out, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["page"] == str(out)
    assert found["bytes"] == out.stat().st_size
    assert any("00003.npy" in note for note in found["notes"])
    assert call(monkeypatch, "report", made, "--out", out) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("missing: ")] == [
        f"missing: {note}" for note in found["notes"]
    ]


def test_figures_go_beside_the_page(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "report", made, "--figures", "svg,pdf", "--no-titles") == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("figure: ")]
    drawn = {f"figure: {path}" for path in (made / "figures").iterdir()}
    assert set(said) == drawn
    assert {Path(line).suffix for line in said} == {".svg", ".pdf"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report"], "Missing argument 'RUN...'"),
        (["report", "{tmp}/nothing"], "nothing: no run directory, nor a folder that holds some"),
        (["report", "{tmp}"], "a folder of runs: say with --out FILE where their page goes"),
        (["report", "{run}", "{other}"], "2 runs are given: say with --out FILE"),
        (["report", "{tmp}/m*"], "2 runs are given: say with --out FILE"),
        (["report", "{run}", "--out", "{tmp}"], "is a folder; name a file in it"),
        (["report", "{run}", "--out", "{tmp}/no/page.html"], "no folder {tmp}/no; make it first"),
        (["report", "{run}", "--out", "{run}/manifest.json"], "is no page of lwd"),
        (["report", "{run}", "--out", "/proc/page.html"], "/proc/page.html: cannot be written"),
        (["report", "{run}", "--out", "{run}/manifest.json/x"], "no folder"),
        (["report", "{run}", "--out", "/dev/null"], "is no file"),
        (["report", "{run}", "--figures", "gif"], "--figures: nothing called 'gif' (pdf, png, svg"),
        (["report", "{run}", "--figures", "svg,"], "--figures 'svg,': give names with commas"),
        (["report", "{run}", "--figures", "svg", "--only", "x"], "--only: nothing called 'x'"),
        (["report", "{run}", "--only", "norm"], "--only norm: say with --figures"),
        (["report", "{run}", "--figures", "svg", "--only", "figure4"], "a run of world llm has:"),
        (["report", "{run}", "--bogus"], "--bogus"),
        (["watch", "{tmp}/nothing"], "nothing"),
        (["watch", "{run}", "--port", "70000"], "--port 70000"),
        (["watch", "{run}", "--port", "x"], "--port"),
        (["export", "{run}"], "--to"),
        (["export", "{run}", "--to", "xls"], "--to xls: choose one of parquet, csv"),
        (["export", "{run}", "--to", "csv", "--tables", "steps,x"], "no table 'x'"),
        (["export", "{run}", "--to", "csv", "--tables", ""], "--tables '': give names"),
        (["export", "{run}", "{other}", "--to", "csv"], "2 runs are given: say with --out"),
        (["export", "{tmp}/nothing", "--to", "csv"], "no run directory"),
    ],
)
def test_bad_input_is_one_line_and_exit_2_and_leaves_nothing(
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    other = made_run(tmp_path / "more", network(3, draws=4, key=2), reading={"beta": 0.7})
    before = files_in(tmp_path)
    places = {"tmp": tmp_path, "run": made, "other": other}
    assert call(monkeypatch, *(part.format(**places) for part in arguments)) == 2
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("lwd: ")]
    assert len(lines) == 1
    assert err.splitlines()[-1] == lines[0]
    assert words.format(**places) in lines[0]
    assert out == ""
    assert files_in(tmp_path) == before


def test_a_failure_keeps_the_older_page(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lwd.page(made).page.read_bytes()
    full = OSError(28, "No space left on device")

    def fails(*_: object) -> None:
        raise full

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(BadInput, match=r"report.html: cannot be written: No space left"):
        lwd.page(made)
    assert (made / "report.html").read_bytes() == first
    assert [p.name for p in made.iterdir() if p.name.startswith("report")] == ["report.html"]


def test_a_run_and_its_placebo_make_one_page_in_the_run(made: Path) -> None:
    beside = made.with_name("made-placebo")
    made_run(beside, network(6, draws=4, key=3), placebo=True)
    for given in ([made], [made, beside]):
        page = lwd.page(given).page
        assert page == made / "report.html"
        runs = data_of(page)["runs"]
        assert [(run["placebo"], run["of"]) for run in runs] == [(False, None), (True, "made")]
    assert lwd.page(beside).page == beside / "report.html"


def test_replicates_make_one_page_in_their_folder(tmp_path: Path) -> None:
    for r in range(2):
        made_run(tmp_path / "p" / f"replicate-{r:03d}", network(4, draws=4, key=r), seed=r)
    page = lwd.page(tmp_path / "p").page
    assert page == tmp_path / "p" / "report.html"
    assert len(data_of(page)["runs"]) == 2


def _cut(run: Path) -> None:
    """Killed in a step: a torn line, and status running."""
    lines = (run / "rounds.jsonl").read_text().splitlines(keepends=True)
    (run / "rounds.jsonl").write_text("".join(lines[:3]) + lines[3][:40])
    _manifest(run, status="running")


def _one_step(run: Path) -> None:
    lines = (run / "rounds.jsonl").read_text().splitlines(keepends=True)
    (run / "rounds.jsonl").write_text(lines[0])
    _manifest(run, status="stopped")


def _no_step(run: Path) -> None:
    (run / "rounds.jsonl").unlink()
    _manifest(run, status="running")


def _damaged(run: Path) -> None:
    lines = (run / "rounds.jsonl").read_text().splitlines(keepends=True)
    (run / "rounds.jsonl").write_text("".join([*lines[:2], "{damaged\n", *lines[3:]]))


def _responses_gone(run: Path) -> None:
    """All but ten, in the middle of a reading."""
    lines = (run / "responses.jsonl").read_text().splitlines(keepends=True)
    (run / "responses.jsonl").write_text("".join(lines[:10]))


def _embeddings_gone(run: Path) -> None:
    shutil.rmtree(run / "embeddings")


def _newer(run: Path) -> None:
    _manifest(run, schema=99)


def _manifest_torn(run: Path) -> None:
    file = run / "manifest.json"
    file.write_text(file.read_text()[:200])


def _other_world(run: Path) -> None:
    _manifest(run, world="graph")


def _manifest(run: Path, **keys: object) -> None:
    file = run / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | keys))


@pytest.mark.parametrize(
    ("harm", "steps", "words"),
    [
        (_cut, [0, 1, 2], "it goes on, or was killed; t = 0 .. 2 of 5 are there"),
        (_one_step, [0], "stopped by the user, and can go on; t = 0"),
        (_no_step, [], "no step of this run is committed"),
        (_damaged, [0, 1, 3, 4, 5], "line 3: damaged"),
        (_responses_gone, [0, 1, 2, 3, 4, 5], "responses.jsonl"),
        (_embeddings_gone, [0, 1, 2, 3, 4, 5], "00000.npy"),
        (_newer, [0, 1, 2, 3, 4, 5], "newer version"),
        (_manifest_torn, [0, 1, 2, 3, 4, 5], "manifest"),
        (_other_world, [0, 1, 2, 3, 4, 5], "graph"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_whatever_is_wrong_the_page_is_made_and_says_it(
    harm: Callable[[Path], None], steps: list[int], words: str, made: Path
) -> None:
    harm(made)
    found = lwd.page(made, figures=["svg"])
    assert any(words in note for note in found.notes), found.notes
    body = found.page.read_text(encoding="utf-8")
    data = data_of(found.page)
    assert data["runs"][0]["t"] == steps
    assert "What is missing" in body


def test_runs_of_two_worlds_on_one_page(made: Path, tmp_path: Path) -> None:
    lwd.run("figure4", out=tmp_path / "gmm", steps=5, replicates=3)
    found = lwd.page([made, tmp_path / "gmm"], out=tmp_path / "page.html")
    worlds = [run["world"] for run in data_of(found.page)["runs"]]
    assert worlds == ["llm", "gmm"]


def test_watch_says_where_serves_the_page_and_ends_well(pocket_run: Trajectory) -> None:
    command = [sys.executable, "-m", "lwd_agents.cli", "watch", str(pocket_run.path)]
    before = files_in(pocket_run.path)
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[0]
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(url, timeout=20) as answer:
            assert b'<meta name="generator" content="lwd ' in answer.read()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out.splitlines() == ["no longer served; the run itself was not touched"]
    assert err == ""
    assert files_in(pocket_run.path) == before


def test_export_says_what_it_wrote(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--to", "parquet", "--tables", "responses,steps", "--no-measures"]
    assert call(monkeypatch, "export", made, *options, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["files"] == [str(made / "export" / f"{n}.parquet") for n in ("responses", "steps")]
    assert found["rows"] == {"responses": 6 * 3 * 4, "steps": 6}
    assert len(pd.read_parquet(found["files"][0])) == 72
    assert call(monkeypatch, "export", made, *options) == 0
    assert f"table: {found['files'][1]} (6 rows)" in capsys.readouterr().out
