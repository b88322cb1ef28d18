"""The run directory survives whatever stops a process, and says so when it is not ours."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwd_agents.errors import BadInput
from lwd_agents.journal import Journal
from lwd_agents.records import read_manifest, read_responses, read_rounds

MANIFEST = {"schema": 1, "world": "llm", "config": {}, "status": "running"}


def step(journal: Journal, t: int) -> None:
    rows = [{"t": t, "agent": "a", "draw": j, "text": f"Größe \u2028 {t}.{j}\n"} for j in range(3)]
    line = {"t": t, "norm": 1.0 / (t + 1), "posted": [], "seconds": {"generate": 0.5}}
    journal.commit(t, [line], rows, {f"{t:05d}.npy": np.full((1, 3, 2), t, dtype=np.float32)})


def start(path: Path, steps: int) -> Journal:
    journal = Journal(path)
    journal.begin(MANIFEST)
    for t in range(steps):
        step(journal, t)
    return journal


def contents(path: Path) -> dict[str, bytes]:
    files = (p for p in path.rglob("*") if p.is_file() and p.name != ".lock")
    return {str(p.relative_to(path)): p.read_bytes() for p in files}


def test_what_is_committed_is_read_back(tmp_path: Path) -> None:
    start(tmp_path / "run", 3).close()
    journal = Journal(tmp_path / "run")
    journal.begin(MANIFEST)
    assert journal.committed == 3
    found = list(journal.rounds())[2]
    assert found["line"]["norm"] == pytest.approx(1 / 3)
    assert [row["text"] for row in found["responses"]] == [
        f"Größe \u2028 2.{j}\n" for j in range(3)
    ]
    np.testing.assert_array_equal(found["arrays"]["00002.npy"], np.full((1, 3, 2), 2.0))
    assert found["line"]["seconds"].keys() == {"generate", "commit"}
    journal.close()


@settings(max_examples=40, deadline=None)
@given(parts=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_torn_end_is_cut_away_and_the_run_goes_on_the_same(
    tmp_path_factory: Any, parts: tuple[float, float]
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    start(folder / "whole", 3).close()
    start(folder / "torn", 2).close()
    torn = folder / "torn"
    # The third step was under way: any part of its files may be there, in the order of writing.
    for name, part in zip(("responses.jsonl", "rounds.jsonl"), parts, strict=True):
        whole, done = (folder / "whole" / name).read_bytes(), (torn / name).read_bytes()
        extra = whole[len(done) :]
        last = len(extra) if name == "responses.jsonl" else len(extra) - 1
        with (torn / name).open("ab") as handle:
            handle.write(extra[: int(part * last)])
    (torn / "embeddings" / "00002.npy").write_bytes(b"\x93NUMPY torn")
    (torn / "embeddings" / "00002.npy.tmp").write_bytes(b"")
    journal = Journal(torn)
    journal.begin(MANIFEST)
    assert journal.committed == 2
    step(journal, 2)
    journal.close()
    one, other = contents(folder / "whole"), contents(torn)
    assert one.keys() == other.keys()
    for name in one.keys() - {"rounds.jsonl"}:
        assert one[name] == other[name]


def test_a_killed_start_is_started_again(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").touch()
    (tmp_path / "run" / "manifest.json.tmp").write_text("{")
    start(tmp_path / "run", 1).close()
    assert len(read_rounds(tmp_path / "run")[0]) == 1


def test_damage_before_the_end_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    start(tmp_path / "run", 3).close()
    file = tmp_path / "run" / "rounds.jsonl"
    lines = file.read_bytes().split(b"\n")
    file.write_bytes(b"\n".join([lines[0], lines[1][:20], *lines[2:]]))
    journal = Journal(tmp_path / "run")
    with pytest.raises(BadInput, match=r"rounds\.jsonl, line 2: damaged"):
        journal.begin(MANIFEST)
    journal.close()


def test_steps_out_of_order_are_an_error(tmp_path: Path) -> None:
    start(tmp_path / "run", 2).close()
    file = tmp_path / "run" / "rounds.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"t": 1', b'"t": 5'))
    with pytest.raises(BadInput, match="step 5 where 1 should stand"):
        read_rounds(tmp_path / "run")
    rows = tmp_path / "run" / "responses.jsonl"
    rows.write_bytes(rows.read_bytes().replace(b'"t": 0', b'"t": 9'))
    with pytest.raises(BadInput, match="step 1 after step 9"):
        read_responses(tmp_path / "run", 2)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    journal = start(tmp_path / "run", 1)
    with pytest.raises(BadInput, match="another process"):
        Journal(tmp_path / "run")
    journal.close()
    Journal(tmp_path / "run").close()


def test_a_directory_of_another_program_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(BadInput, match=r"not a run directory.*thesis\.tex"):
        Journal(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not readable as a manifest"),
        ("[]", "not a manifest of lwd"),
        (json.dumps({"name": "a web app"}), "not a manifest of lwd"),
        (json.dumps({**MANIFEST, "schema": 99}), "newer than this version"),
    ],
)
def test_a_manifest_that_is_not_ours(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(BadInput, match=words):
        Journal(tmp_path)
    assert (tmp_path / "manifest.json").read_text() == content


@pytest.mark.parametrize("where", ["/proc/lwd-run", "/dev/null/run", "{}/file/run", "{}/file"])
def test_a_place_that_cannot_be_written(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match=r"cannot be written|a file"):
        Journal(Path(where.format(tmp_path)))


def test_nan_never_reaches_the_disk(tmp_path: Path) -> None:
    journal = start(tmp_path / "run", 1)
    with pytest.raises(ValueError, match="JSON"):
        journal.commit(1, [{"t": 1, "norm": float("nan")}])
    journal.close()
    assert len(read_rounds(tmp_path / "run")[0]) == 1


def test_a_full_disk_leaves_only_whole_lines(tmp_path: Path) -> None:
    """A real limit on the size of files, in a process of its own: writes fail with EFBIG."""
    journal = start(tmp_path / "run", 2)
    before = contents(tmp_path / "run")
    pid = os.fork()
    if pid == 0:
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limit = (tmp_path / "run" / "responses.jsonl").stat().st_size + 20
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            step(journal, 2)
        except OSError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    after = contents(tmp_path / "run")
    after.pop("embeddings/00002.npy", None)
    assert after == before
    journal.close()
    assert read_manifest(tmp_path / "run") == MANIFEST
