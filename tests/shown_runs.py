"""Pages of real runs, made once a session: the pocket models', a hostile one, several, mixtures."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.runnables import RunnableLambda
from made_runs import made_run, network

import lwd_agents as lwd
from lwd_agents.trajectory import Trajectory

LONG = "<b onmouseover='window.pwned=9'>long</b> " * 2500 + "end"  # 100 kB
HOSTILE = (
    "<script>window.pwned=1</script>",
    '"><img src=x onerror="window.pwned=2">',
    "</script><script>window.pwned=3</script>",
    "<!-- <script> ]]> -->",
    "'-window.pwned-'\"+window.pwned+\"`${window.pwned}`\\",
    '<svg onload=window.pwned=4><a href="javascript:window.pwned=5">x</a>',
    "\u202etxet desrever\u202c and \u2066isolates\u2069",
    "line\u2028separator, nul \x00, bell \x07, escape \x1b[31m",
    "&lt;script&gt; &amp;amp; &#60;img&#62;",
    "<b>bold</b><br><sub>plotly's own tags</sub> {{7*7}} %{x}",
    "</style></textarea></title></noscript><iframe src=//example.org>",
    LONG,
)
NAMES = ("<img src=x onerror=window.pwned=6>", "</script><b>b</b>\u202e")
QUERY = "What </script><script>window.pwned=7</script> about <b>it</b>?"


@dataclass(frozen=True)
class Shown:
    """A page and the run that it shows first."""

    page: Path
    run: Trajectory


@pytest.fixture(scope="session")
def pocket_page(pocket_run: Trajectory, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The pocket models' run, small."""
    made = lwd.page(pocket_run.path, out=tmp_path_factory.mktemp("page") / "pocket.html")
    assert not made.notes
    return Shown(made.page, pocket_run)


@pytest.fixture(scope="session")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """A run whose models write what would harm a page, under names that would."""
    folder = tmp_path_factory.mktemp("hostile") / "run <i>1"
    texts = itertools.cycle([*HOSTILE[:-1], "long"])  # the laboratory takes no text of that length
    agents = {name: RunnableLambda(lambda _: next(texts)) for name in ("a", "b")}
    run = lwd.run(
        "pocket",
        out=folder,
        agents=agents,
        embeddings=DeterministicFakeEmbedding(size=8),
        steps=3,
        draws=6,
        settings=["internet.store=memory"],
        query=QUERY,
    )
    for file in (folder / "manifest.json", folder / "rounds.jsonl", folder / "responses.jsonl"):
        _rename(file, {**dict(zip("ab", NAMES, strict=True)), "long": LONG})
    return Shown(lwd.page(folder).page, lwd.load(run.path))


def _rename(file: Path, names: dict[str, str]) -> None:
    """Names and texts that no experiment may have, but a directory of somebody else's can."""

    def renamed(value: object) -> object:
        if isinstance(value, dict):
            return {names.get(key, key): renamed(one) for key, one in value.items()}
        if isinstance(value, list):
            return [renamed(one) for one in value]
        return names.get(value, value) if isinstance(value, str) else value

    rows = (
        [json.dumps(renamed(json.loads(line))) for line in file.read_text().split("\n") if line]
        if file.suffix == ".jsonl"
        else [json.dumps(renamed(json.loads(file.read_text())))]
    )
    file.write_text("".join(f"{row}\n" for row in rows))


@pytest.fixture(scope="session")
def several_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two live runs that differ in a key, one with its placebo."""
    folder = tmp_path_factory.mktemp("several")
    live = network(8, draws=6, key=1, fall=0.7)
    made_run(folder / "half", live, seed=0)
    made_run(folder / "half-placebo", network(8, draws=6, key=2), seed=0, placebo=True)
    made_run(folder / "more", network(8, draws=6, key=3), seed=0, reading={"beta": 0.7})
    places = [folder / "half", folder / "more"]
    return lwd.page(places, out=folder / "both.html").page


@pytest.fixture(scope="session")
def gmm_page(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """A mixture's run of twenty replicates, with its placebo."""
    out = tmp_path_factory.mktemp("gmm") / "run"
    run = lwd.run("figure4", out=out, steps=12, replicates=20, placebo=True)
    return Shown(lwd.page(out).page, run)
