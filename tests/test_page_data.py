"""The data of the page: true to measures and inference, and made whatever is wrong with a run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import made_run, network

import lwd_agents as lwd
from lwd_agents.errors import BadInput
from lwd_agents.inference.bands import within_run
from lwd_agents.inference.curves import curves_of
from lwd_agents.measures.perspective import fit_frame, place
from lwd_agents.measures.unbiased import signed_root
from lwd_agents.report.page.data import page_data
from lwd_agents.report.wording import probability
from lwd_agents.run_files import read_run

STEPS = 4


def made(path: Path, seed: int = 0, **config: Any) -> Path:
    """A small run of two agents; t = 0 .. 3."""
    return made_run(path, network(STEPS, 2, 5, 6, key=seed, fall=0.5), seed=seed, **config)


def one(data: dict[str, Any]) -> dict[str, Any]:
    """The only run of a page, which must be JSON without NaN and aligned with its steps."""
    (run,) = checked(data)["runs"]
    return run


def checked(data: dict[str, Any]) -> dict[str, Any]:
    data = json.loads(json.dumps(data, allow_nan=False, ensure_ascii=False).encode())
    for run in data["runs"]:
        columns = [*run["curves"].values(), *run["theory"].values()]
        columns += [*run["agent_measures"].values(), *run["pair_measures"].values()]
        columns += [run[name] for name in ("floor", "k", "weights") if run[name] is not None]
        columns += [v for v in (run["band"] or {}).values() if isinstance(v, list)]
        columns += (run["path"] or {}).values()
        assert {len(column) for column in columns} <= {len(run["t"])}
    return data


def edited(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """A run whose manifest was changed."""
    file = path / "manifest.json"
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))
    return path


def said(data: dict[str, Any], *words: str) -> bool:
    """Whether one note has all the words."""
    return any(all(word in note for word in words) for note in data["notes"])


def test_curves_floor_and_pairs_are_those_of_measure(tmp_path: Path) -> None:
    run = one(page_data([made(tmp_path / "r")]))
    found = lwd.measure(tmp_path / "r")
    assert run["t"] == [0, 1, 2, 3]
    for name in ("between", "within", "energy", "vendi_of_all"):
        np.testing.assert_allclose(run["curves"][name], found.steps[name], rtol=1e-5)
    np.testing.assert_allclose(run["curves"]["norm"], lwd.load(tmp_path / "r").norm, rtol=1e-5)
    np.testing.assert_allclose(run["floor"], signed_root(found.steps["draw_floor"]), rtol=1e-5)
    assert run["agent_measures"]["spread"][2] == pytest.approx(
        found.agents.loc[2]["spread"].to_list(), rel=1e-5
    )
    assert run["pairs"] == [[0, 1]]
    np.testing.assert_allclose(
        np.ravel(run["pair_measures"]["distance"]), found.pairs["distance"], rtol=1e-5
    )
    assert [row["agent"] for row in run["gain"]] == ["a0", "a1"]
    assert run["curves"]["synthetic_share"] == [0, 0.0909091, 0.166667, 0.230769]


def test_the_band_is_inference_s_as_signed_roots(tmp_path: Path) -> None:
    live, other = made(tmp_path / "r"), made(tmp_path / "s", 1)
    made_run(tmp_path / "r-placebo", network(STEPS, 2, 5, 6, key=9), seed=0, placebo=True)
    shown = checked(page_data([live, other]))["runs"]
    assert len({str(run["band"]["centre"]) for run in shown}) == 3
    for run in shown:
        path = tmp_path / run["key"]
        band = within_run(curves_of(read_run(path)).estimate()).of_norm()
        for name in ("centre", "low", "high", "low_all", "high_all"):
            np.testing.assert_allclose(run["band"][name], getattr(band, name), rtol=1e-5)
        assert "95%" in run["band"]["about"]


def test_paths_of_several_runs_are_in_one_frame(tmp_path: Path) -> None:
    paths = [made(tmp_path / f"r{seed}", seed) for seed in (0, 1)]
    data = checked(page_data(paths))
    X = np.stack([lwd.load(path).embeddings.mean(axis=2, dtype=np.float64) for path in paths])
    placed = place(fit_frame(X.reshape(-1, *X.shape[2:])), X.reshape(-1, *X.shape[2:]))
    for axis, name in enumerate("xy"):
        shown = np.concatenate([run["path"][name] for run in data["runs"]])
        np.testing.assert_allclose(shown, placed.coordinates[..., axis], atol=1e-4)
    shown = np.concatenate([run["path"]["off"] for run in data["runs"]])
    np.testing.assert_allclose(shown, placed.residual, atol=1e-4)
    assert data["plane"]["share"] != data["paths"]["share"]
    assert "80 responses" in data["plane"]["about"]
    for frame in (data["plane"], data["paths"]):
        assert f"the two axes hold {sum(frame['share']):.0%} of their spread" in frame["about"]


def test_responses_stand_where_the_plane_puts_their_embeddings(tmp_path: Path) -> None:
    run = one(page_data([made(tmp_path / "r")]))
    E = lwd.load(tmp_path / "r").embeddings.reshape(1, -1, 6)
    Z = place(fit_frame(E), E).coordinates[0]
    responses = run["texts"]["responses"]
    np.testing.assert_allclose(np.stack([responses["x"], responses["y"]], axis=1), Z, atol=1e-4)


def test_a_placebo_beside_is_taken_in_and_linked(tmp_path: Path) -> None:
    made(tmp_path / "r", 3), made(tmp_path / "r-placebo", 3, placebo=True)
    made(tmp_path / "other", 3, query="other")
    data = checked(page_data([tmp_path / "other", tmp_path / "r"]))
    of = {run["key"]: (run["placebo"], run["of"]) for run in data["runs"]}
    assert of == {"other": (False, None), "r": (False, None), "r-placebo": (True, "r")}
    assert page_data([tmp_path / "r"])["title"] == "r"
    assert data["title"] == "3 runs"


def test_keys_are_short_and_no_two_alike(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        made(tmp_path / folder / "r")
    made(tmp_path / "c")
    data = checked(page_data([tmp_path / "a", tmp_path / "b", tmp_path / "c"]))
    assert [run["key"] for run in data["runs"]] == ["a/r", "b/r", "c"]


def test_the_verdict_has_words_and_cards(tmp_path: Path) -> None:
    data = checked(page_data([made(tmp_path / "r")]))
    (card,) = data["verdict"]["cards"]
    assert "no matched placebo" in card["headline"]
    assert card["claim"] is False
    assert [q["name"] for q in card["quantities"]] == ["between", "within", "drift"]
    assert any("VERDICT" in line for line in data["verdict"]["lines"])
    assert not (tmp_path / "r" / "summary.json").exists()


def test_the_verdict_beyond_a_placebo_is_a_claim(tmp_path: Path) -> None:
    made(tmp_path / "r"), made(tmp_path / "r-placebo", placebo=True)
    (card,) = checked(page_data([tmp_path / "r"]))["verdict"]["cards"]
    assert card["claim"] is True
    assert card["pairs"] == 1
    assert card["quantities"][0]["said"] == "not tested"


def test_cards_hold_the_intervals_and_the_adjusted_p_of_the_tests(tmp_path: Path) -> None:
    for seed in range(6):
        made(tmp_path / f"r{seed}", seed)
        still = network(STEPS, 2, 5, 6, key=100 + seed)
        made_run(tmp_path / f"r{seed}-placebo", still, seed=seed, placebo=True)
    (card,) = checked(page_data([tmp_path]))["verdict"]["cards"]
    collapse = lwd.test([tmp_path], write=False).conditions[0].collapse
    assert collapse is not None
    for shown, found in zip(card["quantities"], collapse.quantities, strict=True):
        ends = [getattr(found.interval, end) for end in ("estimate", "low", "high")]
        assert [shown[end] for end in ("estimate", "low", "high")] == pytest.approx(ends, rel=1e-5)
        assert shown["p"] == pytest.approx(found.p_adjusted, rel=1e-5)
        assert shown["p"] > found.test.p  # or the adjustment shows nothing here
        assert shown["said"] == f"p {probability(found.p_adjusted)} ({found.test.alternative})"
    assert card["finding"] == collapse.finding
    assert (card["runs"], card["placebos"], card["pairs"]) == (6, 6, 6)


def test_what_a_run_is_and_what_it_cost(tmp_path: Path) -> None:
    path = edited(made(tmp_path / "r"), lambda m: m.update(sha256={"prompts/a.txt": "ab"}))
    call = {"t": 0, "agent": "a0", "asked": 5, "got": 5, "input_tokens": 700, "output_tokens": 600}
    call |= {"estimated": False, "cost": 0.25, "seconds": 1.0, "error": None}
    file = path / "calls.jsonl"
    file.write_text((json.dumps(call) + "\n") * 2)
    about = one(page_data([path]))["about"]
    costs, rows = dict(about["costs"]), dict(about["rows"])
    assert costs["requests"] == "2"
    assert costs["tokens read"] == "1,400"
    assert costs["tokens written"] == "1,200"
    assert costs["US dollars"] == "0.5000"
    assert rows["agents"] == "a0 (pocket:north), a1 (pocket:north)"
    assert rows["steps"] == "t = 0 .. 3"
    assert about["files"] == {"prompts/a.txt": "ab"}
    file.write_text(json.dumps({**call, "cost": "much"}) + "\n")
    assert "damaged" in dict(one(page_data([path]))["about"]["costs"])["requests"]


def test_what_is_too_much_for_a_page_is_left_out_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lwd_agents.report.page.curves.MOST_NUMBERS", 15)
    data = page_data([made(tmp_path / "r")])  # 4 measures of 1 pair at 4 steps
    assert one(data)["pair_measures"] == {}
    assert said(data, "r: the measures of pairs are too many")


# What is wrong with a run is said, and the rest is shown.


def test_a_run_that_is_still_written_to(tmp_path: Path) -> None:
    path = edited(made(tmp_path / "r"), lambda m: m.update(status="running", finished=None))
    file = path / "rounds.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:3]) + lines[3][:40])  # torn
    data = page_data([path])
    run = one(data)
    assert run["t"] == [0, 1, 2]
    assert run["status"] == "running"
    assert said(data, "r: its status is running", "t = 0 .. 2 of 3 are there")
    assert len(run["path"]["x"]) == 3
    assert len(run["texts"]["responses"]["t"]) == 30


@pytest.mark.parametrize("status", ["stopped", "failed", "odd"])
def test_a_run_that_ended_early(tmp_path: Path, status: str) -> None:
    path = edited(made(tmp_path / "r"), lambda m: m.update(status=status, error="no more disk"))
    data = page_data([path])
    assert one(data)["status"] == status
    words = {"stopped": "stopped by the user", "failed": "no more disk", "odd": "'odd'"}
    assert said(data, words[status])


def test_one_step_only(tmp_path: Path) -> None:
    path = made_run(tmp_path / "r", network(1, 2, 5, 6))
    data = page_data([path])
    run = one(data)
    assert run["t"] == [0]
    assert len(run["curves"]["between"]) == 1
    assert "one step" in data["verdict"]["cards"][0]["headline"]


@pytest.mark.parametrize("begun", ["empty", "absent"])
def test_no_step_committed_yet(tmp_path: Path, begun: str) -> None:
    path = made(tmp_path / "r")
    (path / "rounds.jsonl").unlink()
    if begun == "empty":
        (path / "rounds.jsonl").touch()
    data = page_data([path])
    run = one(data)
    assert run["t"] == []
    assert run["curves"]["norm"] == []
    assert "draws: 5" in run["about"]["config"]
    assert data["verdict"] is None
    assert said(data, "r: no step of this run is committed yet")


def test_a_damaged_line_leaves_a_gap_and_nothing_shifts(tmp_path: Path) -> None:
    path = made(tmp_path / "r")
    whole = one(page_data([path]))
    file = path / "rounds.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([lines[0], '{"t": 1, "no', "\n", *lines[2:]]))
    data = page_data([path])
    run = one(data)
    assert run["t"] == [0, 2, 3]
    assert said(data, "r/rounds.jsonl, line 2: damaged")
    assert said(data, "r: its status is complete, but only 3 of its 4 steps can be read")
    kept = [0, 2, 3]
    for name in ("norm", "between", "within"):
        assert run["curves"][name] == [whole["curves"][name][t] for t in kept]
    for name in ("centre", "low"):  # pointwise: the simultaneous one is over fewer steps
        assert run["band"][name] == [whole["band"][name][t] for t in kept]
    assert run["agent_measures"]["spread"] == [whole["agent_measures"]["spread"][t] for t in kept]


def test_a_damaged_response_is_left_out(tmp_path: Path) -> None:
    path = made(tmp_path / "r")
    file = path / "responses.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*lines[:7], "###\n", *lines[8:]]))
    data = page_data([path])
    assert len(one(data)["texts"]["responses"]["t"]) == 39
    assert said(data, "r/responses.jsonl, line 8")


def test_embeddings_that_are_gone(tmp_path: Path) -> None:
    path = made(tmp_path / "r")
    norm = one(page_data([path]))["curves"]["norm"]
    shutil.rmtree(path / "embeddings")
    data = page_data([path])
    run = one(data)
    assert run["curves"]["norm"] == norm
    assert run["path"] is None
    assert data["plane"] is None
    assert run["curves"]["between"] == [None] * 4
    assert len(run["texts"]["responses"]["text"]) == 40
    assert said(data, "r/embeddings/00000.npy", "it is gone", "and 3 more")


@pytest.mark.parametrize("part", ["status", "experiment", "versions", "sha256", "created"])
def test_a_part_of_the_manifest_that_nothing_rests_on(tmp_path: Path, part: str) -> None:
    path = edited(made(tmp_path / "r"), lambda m: m.pop(part))
    run = one(page_data([path]))
    assert run["t"] == [0, 1, 2, 3]
    assert run["path"] is not None
    assert run["curves"]["edit_between"][0] is not None


@pytest.mark.parametrize(("key", "value"), [("reading", 7), ("agents", [{"name": "a0"}])])
def test_a_configuration_that_is_none(tmp_path: Path, key: str, value: object) -> None:
    path = edited(made(tmp_path / "r"), lambda m: m["config"].update({key: value}))
    data = page_data([path])
    assert len(one(data)["curves"]["norm"]) == 4
    assert said(data, "r/manifest.json", "only its norm and its configuration are shown")


def test_without_its_queries_a_run_has_no_texts_but_measures(tmp_path: Path) -> None:
    path = edited(made(tmp_path / "r"), lambda m: m.pop("queries"))
    data = page_data([path])
    run = one(data)
    assert run["texts"] is None
    assert None not in run["curves"]["between"]
    assert said(data, "r: the texts could not be made", "query is missing")


@pytest.mark.parametrize("part", ["seed", "agents", "world", "config", "schema"])
def test_a_part_of_the_manifest_that_all_rests_on(tmp_path: Path, part: str) -> None:
    path = made(tmp_path / "r")
    norm = one(page_data([path]))["curves"]["norm"]
    data = page_data([edited(path, lambda m: m.pop(part))])
    run = one(data)
    assert run["curves"]["norm"] == norm
    assert run["texts"] is None
    assert said(data, "r/manifest.json", "only its norm and its configuration are shown")


def test_a_manifest_that_is_no_json_and_one_of_odd_agents(tmp_path: Path) -> None:
    broken, odd = made(tmp_path / "broken"), made(tmp_path / "odd")
    (broken / "manifest.json").write_text('{"schema": 1, "wor')
    edited(odd, lambda m: [agent.pop("model") for agent in m["config"]["agents"]])
    data = checked(page_data([broken, odd, made(tmp_path / "good", 1)]))
    assert [run["world"] for run in data["runs"]] == ["unknown", "llm", "llm"]
    assert said(data, "broken/manifest.json", "not readable")
    assert said(data, "odd")
    assert data["runs"][2]["path"] is not None
    assert data["verdict"] is not None


def test_one_run_that_cannot_be_tested_leaves_the_verdict_on_others(tmp_path: Path) -> None:
    odd = edited(made(tmp_path / "odd"), lambda m: m["config"].update(stop=7))
    data = checked(page_data([odd, made(tmp_path / "good", 1)]))
    assert said(data, "odd: the tests could not be made")
    assert [card["runs"] for card in data["verdict"]["cards"]] == [1]


def test_a_run_of_a_newer_version(tmp_path: Path) -> None:
    def newer(manifest: dict[str, Any]) -> None:
        manifest.update(schema=2, agents=[{"name": "a0"}], config={"steps": "many", "new": [1]})

    path = edited(made(tmp_path / "r"), newer)
    data = page_data([path, made(tmp_path / "good", 1)])
    new, good = checked(data)["runs"]
    assert said(data, "r: made by a newer version (schema 2", "norm and its configuration are sh")
    assert len(new["curves"]["norm"]) == 4
    assert new["steps"] is None
    assert new["texts"] is None
    assert "new:\n- 1" in new["about"]["config"]
    assert good["path"] is not None


def test_unknown_keys_do_no_harm(tmp_path: Path) -> None:
    path = made(tmp_path / "r")
    whole = page_data([path])
    edited(path, lambda m: m.update(brand_new={"a": [1, {"b": None}]}))
    file = path / "rounds.jsonl"
    lines = [{**json.loads(line), "new": {"x": 1}} for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert one(page_data([path])) == one(whole)


def test_an_unknown_world(tmp_path: Path) -> None:
    path = edited(made(tmp_path / "r"), lambda m: m.update(world="recursive"))
    data = page_data([path])
    run = one(data)
    assert len(run["curves"]["norm"]) == 4
    assert run["world"] == "recursive"
    assert said(data, "world 'recursive' is not known")
    assert data["verdict"] is None


def test_texts_that_cannot_be_written_are_mended(tmp_path: Path) -> None:
    path = edited(
        made(tmp_path / "r"), lambda m: m.update(experiment="half \ud83d", error="\ud83d")
    )
    edited(path, lambda m: m.update(status="failed"))
    data = page_data([path])  # one() encodes it
    assert one(data)["experiment"] == "half ?"
    assert said(data, "it failed: ?")


def test_several_queries_and_readings(tmp_path: Path) -> None:
    E = [network(STEPS, 2, 5, 6, key=key) for key in range(4)]
    extra = [(".r1", E[1]), (".q1", E[2]), (".q1.r1", E[3])]
    path = made_run(
        tmp_path / "r",
        E[0],
        extra=extra,
        queries=["bitcoin", "bitcoin"],
        reading={"readings_per_step": 2},
    )
    data = page_data([path])
    run = one(data)
    assert run["queries"] == ["q", "q1"]
    assert run["readings"] == 2
    assert "160 responses" in data["plane"]["about"]
    np.testing.assert_allclose(
        run["curves"]["norm_measured"], lwd.measure(path).steps["norm"], rtol=1e-5
    )
    assert run["floor"] is None
    assert said(data, "measures are of the first query")
    assert said(data, "measures are of the first reading")


def test_agents_that_join_and_leave(tmp_path: Path) -> None:
    E = network(STEPS, 3, 5, 6)
    E[:2, 2] = np.nan
    agents = [{"name": f"a{i}", "model": "pocket:north"} for i in range(3)]
    agents[2]["joins"] = 2
    run = one(page_data([made_run(tmp_path / "r", E, agents=agents)]))
    assert [x[2] is None for x in run["path"]["x"]] == [True, True, False, False]
    assert [x is None for x in run["curves"]["norm"]] == [True, True, False, False]
    assert None not in run["curves"]["norm_measured"]


def test_runs_of_other_embeddings_are_left_out_of_the_frames(tmp_path: Path) -> None:
    wide = made_run(tmp_path / "wide", network(STEPS, 2, 5, 7))
    model = edited(made(tmp_path / "model"), lambda m: m["embedding"].update(model="other"))
    data = page_data([made(tmp_path / "r"), wide, model])
    runs = {run["key"]: run for run in checked(data)["runs"]}
    assert runs["r"]["path"]
    assert not runs["wide"]["path"]
    assert not runs["model"]["path"]
    assert "40 responses of the run" in data["plane"]["about"]
    assert said(data, "wide, model: other embeddings than r's")
    assert runs["wide"]["curves"]["between"][0] is not None


def test_no_run_directory_at_a_path(tmp_path: Path) -> None:
    made(tmp_path / "r")
    with pytest.raises(BadInput, match="nothing: no run directory"):
        page_data([tmp_path / "r", tmp_path / "nothing"])
    with pytest.raises(BadInput, match="no path"):
        page_data(["a" * 5000])


@pytest.fixture(scope="module")
def mixtures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "gmm"
    lwd.run("figure4", out=path, settings=["placebo=true"], steps=6, replicates=3)
    return path


def test_a_numeric_world(mixtures: Path) -> None:
    run = one(page_data([mixtures]))
    arrays = lwd.load(mixtures).arrays
    rms = np.sqrt(np.mean(arrays["norm"] ** 2, axis=0))
    np.testing.assert_allclose(run["replicates"]["rms"], rms, rtol=1e-5)
    np.testing.assert_allclose(run["replicates"]["placebo_norm"], arrays["placebo_norm"], rtol=1e-5)
    np.testing.assert_allclose(run["curves"]["norm_mean"], arrays["norm"].mean(axis=0), rtol=1e-5)
    assert len(run["theory"]) == len([name for name in arrays if "predicted" in name]) >= 3
    for name, curve in run["theory"].items():
        key = name.replace("predicted", "predicted_rms").replace(
            "mean_field", "predicted_mean_field"
        )
        np.testing.assert_allclose(curve, np.sqrt(np.mean(arrays[key] ** 2, axis=0)), rtol=1e-5)
    np.testing.assert_allclose(run["weights"], arrays["weights"][0], rtol=1e-5)
    assert run["curves"]["norm"] == run["replicates"]["norm"][0]
    placed = place(fit_frame(arrays["weights"][0]), arrays["weights"][0])
    np.testing.assert_allclose(run["path"]["x"], placed.coordinates[..., 0], atol=1e-4)
    assert run["replicates"]["count"] == 3
    assert run["texts"] is None
    assert run["draws"] is None


def test_worlds_together(tmp_path: Path, mixtures: Path) -> None:
    data = page_data([made(tmp_path / "r"), mixtures])
    texts, numbers = checked(data)["runs"]
    assert texts["path"]
    assert numbers["path"] is None
    assert said(data, "gmm: another kind")
    assert numbers["replicates"]["count"] == 3
    names = [
        json.loads((path / "manifest.json").read_text())["experiment"]
        for path in (tmp_path / "r", mixtures)
    ]
    assert [card["name"] for card in data["verdict"]["cards"]] == names


def test_arrays_that_are_gone(tmp_path: Path, mixtures: Path) -> None:
    path = Path(shutil.copytree(mixtures, tmp_path / "gmm"))
    (path / "trajectories.npz").write_bytes(b"no archive")
    data = page_data([path])
    assert len(one(data)["curves"]["norm"]) == 7
    assert said(data, "gmm", "trajectories.npz")


def test_texts_beyond_the_budget_are_thinned_by_steps(tmp_path: Path) -> None:
    path = made_run(tmp_path / "r", network(9, 2, 5, 6))
    texts = [row["text"] for row in map(json.loads, (path / "responses.jsonl").open())]
    whole = one(page_data([path]))["texts"]
    assert whole["kept"] is None
    assert one(page_data([path], most=len("".join(texts))))["texts"]["kept"] is None
    data = page_data([path], most=len("".join(texts)) // 2)
    thinned = one(data)["texts"]
    assert thinned["kept"] == [0, 3, 5, 8] or thinned["kept"] == [0, 3, 6, 8]
    assert sorted(set(thinned["responses"]["t"])) == thinned["kept"]
    assert thinned["posts"]["id"] == whole["posts"]["id"]
    assert said(data, "r: the responses of 4 of 9 steps are here", "lwd export")
    assert one(page_data([path], most=1))["texts"]["kept"] == [0, 8]


def test_several_runs_share_the_budget(tmp_path: Path) -> None:
    paths = [made_run(tmp_path / f"r{n}", network(9, 2, 5, 6), seed=n) for n in range(2)]
    texts = [json.loads(line)["text"] for p in paths for line in (p / "responses.jsonl").open()]
    data = page_data(paths, most=len("".join(texts)) // 2)
    assert [len(run["texts"]["kept"]) for run in data["runs"]] == [4, 4]
