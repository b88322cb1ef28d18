"""Run directories whose files are not what they should be: page, tables, figures, watch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_runs import made_run, network

import lwd_agents as lwd
from lwd_agents.errors import BadInput
from lwd_agents.records import load_array, read_lines, salvage_lines
from lwd_agents.report.figures.drawing import draw
from lwd_agents.report.live.runs import Live
from lwd_agents.report.page.about import about
from lwd_agents.report.page.data import page_data
from lwd_agents.report.page.sources import open_all
from lwd_agents.report.tables.export import Exported, export, read_table

DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_run(tmp_path_factory.mktemp("texts") / "r", network(3, n=2, draws=3, dimensions=4))


@pytest.fixture(scope="module")
def mixtures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mixtures") / "r"
    return lwd.run("figure4", out=path, steps=3, replicates=2, placebo=True).path


def files_of(path: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def shown(path: Path, out: Path, *, drawn: bool = False) -> tuple[str, Exported]:
    """Everything that can be made of a run, and what was said; it is only read."""
    before, said = files_of(path), list[str]()
    json.dumps(page := page_data([path]), allow_nan=False, ensure_ascii=False).encode()
    said += page["notes"]
    live = Live([path])
    live.poll()
    json.dumps(live.data(), allow_nan=False, ensure_ascii=False).encode()
    done = export(path, out=out / "tables")
    said += done.said
    if drawn:
        try:
            said += draw(path, out / "figures", formats=("svg",)).said
        except BadInput as error:
            said.append(str(error))
    assert not list(out.rglob("*tmp"))
    assert files_of(path) == before
    return "\n".join(said), done


def copied(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def lines_of(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().split("\n") if line]


def written(file: Path, rows: list[dict[str, object]]) -> None:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("name", ["manifest.json", "rounds.jsonl", "embeddings/seed.jsonl"])
def test_json_too_deep_to_be_read(texts: Path, tmp_path: Path, name: str) -> None:
    run = copied(texts, tmp_path)
    file = run / name
    if name == "manifest.json":
        file.write_text(DEEP)
    else:
        whole = file.read_text() if file.exists() else ""
        file.write_text(f"{DEEP}\n{whole}{json.dumps({'t': 0})}\n")
    said, _ = shown(run, tmp_path, drawn=name != "embeddings/seed.jsonl")
    assert name.rpartition("/")[2] in said


@pytest.mark.usefixtures("kept")
def test_lines_too_deep_are_damaged_lines(tmp_path: Path) -> None:
    file = tmp_path / "rounds.jsonl"
    file.write_text(f'{DEEP}\n{{"t": true}}\n{{"t": 1}}\n')
    assert salvage_lines(file)[0] == [{"t": 1}]
    with pytest.raises(BadInput, match="line 1: damaged"):
        read_lines(file)


def test_an_array_whose_header_is_no_header(texts: Path, tmp_path: Path) -> None:
    """numpy reads headers as Python, and raises what Python's own tokenizer raises."""
    run = copied(texts, tmp_path)
    file = run / "embeddings" / "00001.npy"
    file.write_bytes(file.read_bytes().replace(b"), }", b"(, }", 1))
    with pytest.raises(BadInput, match=r"00001\.npy"):
        load_array(file)
    said, _ = shown(run, tmp_path)
    assert "00001.npy" in said
    steps = pd.read_parquet(tmp_path / "tables" / "steps.parquet")
    assert steps["between"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.update(norm=np.ones((2, 4, 7))),
        lambda arrays: arrays.update(norm=np.ones((5, 9))),
        lambda arrays: arrays.update(clips=np.zeros(0)),
        lambda arrays: arrays.update(weights=np.ones((2, 4))),
        lambda arrays: arrays.update(weights=np.ones((2, 4, 3, 2), dtype=complex)),
        lambda arrays: arrays.update(placebo_weights=np.ones((2, 4, 3, 5))),
        lambda arrays: arrays.update(predicted_rms=np.ones((2, 4, 3))),
    ],
)
def test_arrays_of_a_mixture_that_do_not_fit(
    mixtures: Path, tmp_path: Path, change: Callable[[dict[str, np.ndarray]], None]
) -> None:
    run = copied(mixtures, tmp_path)
    with np.load(run / "trajectories.npz") as loaded:
        arrays = dict(loaded)
    change(arrays)
    np.savez(run / "trajectories.npz", **arrays)
    said, _ = shown(run, tmp_path, drawn=arrays["norm"].ndim != 2)
    assert "trajectories.npz: damaged" in said
    steps = pd.read_parquet(tmp_path / "tables" / "steps.parquet")
    norms = [line["norm"] for line in lines_of(run / "rounds.jsonl")]
    assert steps["norm"].tolist() == norms  # the first replicate's, from the lines


def test_a_mixture_whose_lines_hold_other_kinds(mixtures: Path, tmp_path: Path) -> None:
    run = copied(mixtures, tmp_path)
    rows = lines_of(run / "rounds.jsonl")
    rows[1]["k"], rows[2]["distances"], rows[3]["weights"] = [3], 5, "x"
    written(run / "rounds.jsonl", rows)
    shown(run, tmp_path)
    agents = pd.read_parquet(tmp_path / "tables" / "agents.parquet")
    known = agents[agents["replicate"] == 0].groupby("t")["k"].count()
    assert known.tolist() == [3, 0, 3, 3]


def test_of_two_lines_for_one_draw_page_and_tables_show_the_same(
    texts: Path, tmp_path: Path
) -> None:
    run = copied(texts, tmp_path)
    rows = lines_of(run / "responses.jsonl")
    written(run / "responses.jsonl", [*rows, {**rows[0], "text": "said later"}])
    shown(run, tmp_path)
    (page,) = page_data([run])["runs"]
    table = pd.read_parquet(tmp_path / "tables" / "responses.parquet")
    assert len(table) == len(rows)
    held, text = page["texts"], page["texts"]["responses"]["text"]
    assert [held["strings"][i] for i in text] == table["text"].tolist()
    assert table["text"].iloc[0] == "said later"


def test_half_a_character_in_a_run_that_goes_on(texts: Path, tmp_path: Path) -> None:
    run = copied(texts, tmp_path)
    live = Live([run])
    manifest = json.loads((run / "manifest.json").read_text())
    manifest |= {"status": "\ud83d", "error": "\ud83d", "experiment": "\ud83d"}
    (run / "manifest.json").write_text(json.dumps(manifest))
    delta = live.poll()
    assert delta is not None
    for said in (delta, live.data(), Live([run]).data()):
        json.dumps(said, ensure_ascii=False).encode()


def test_a_fork_does_not_tell_where_its_parent_lay(texts: Path, tmp_path: Path) -> None:
    run = copied(texts, tmp_path)
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["forked"] = {"run": "/somewhere/secret/parent", "at": 2, "created": "2026-01-01"}
    (run / "manifest.json").write_text(json.dumps(manifest))
    (source,) = open_all([run])
    assert ["forked", "run: parent, at: 2, created: 2026-01-01"] in about(source)["rows"]
    assert "secret" not in json.dumps(page_data([run]))


def test_the_embeddings_of_the_seed_are_gone(texts: Path, tmp_path: Path) -> None:
    run = copied(texts, tmp_path)
    (run / "embeddings" / "seed.npy").unlink()
    said, _ = shown(run, tmp_path)
    assert "seed.npy: gone or damaged: the drift from A(0) is not known" in said
    (page,) = page_data([run])["runs"]
    assert page["curves"]["drift"] == [None] * 3
    assert None not in page["curves"]["within"]


def test_no_page_tells_where_the_package_lies(texts: Path) -> None:
    """A store that is another one now is named as the config names it."""
    (note,) = [line for line in page_data([texts])["notes"] if "sha256 differs" in line]
    assert "the store crypto here" in note
    assert str(Path(lwd.__file__).parents[1]) not in note


def test_tables_name_runs_as_they_were_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The placebo that is found beside a run too."""
    for name in ("r", "r-placebo"):
        made_run(tmp_path / name, network(3, n=2, draws=3), placebo=name != "r")
    monkeypatch.chdir(tmp_path)
    export("r", tables=["runs"], measures=False)
    assert read_table("r/export/runs.parquet")["path"].tolist() == ["r", "r-placebo"]


def test_a_mixtures_damage_is_not_said_of_texts(mixtures: Path, tmp_path: Path) -> None:
    run = copied(mixtures, tmp_path)
    (run / "trajectories.npz").write_bytes(b"no archive")
    notes = [note for note in page_data([run])["notes"] if "trajectories.npz" in note]
    assert not [note for note in notes if "texts" in note]  # a mixture has none


@pytest.mark.parametrize("name", ["rounds.jsonl", "responses.jsonl", "manifest.json"])
def test_a_file_that_may_not_be_read(
    texts: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copied(texts, tmp_path)
    kept = Path.read_bytes, Path.read_text

    def refused(file: Path) -> None:
        if file.name == name and run in file.parents:
            raise PermissionError(13, "Permission denied", str(file))

    def read_bytes(file: Path) -> bytes:
        refused(file)
        return kept[0](file)

    def read_text(file: Path, *args: str, **keys: str) -> str:
        refused(file)
        return kept[1](file, *args, **keys)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    monkeypatch.setattr(Path, "read_text", read_text)
    notes = page_data([run])["notes"]
    assert any(name in note and "Permission denied" in note for note in notes)
    assert any("Permission denied" in line for line in export(run, out=tmp_path / "t").said)
    Live([run]).poll()


def test_figures_that_cannot_be_written(texts: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be written"):
        draw(texts, tmp_path / ("x" * 400), formats=("svg",), only=("figure2",))
