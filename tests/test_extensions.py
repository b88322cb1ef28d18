"""Parts of others: dotted paths, factories, and a plugin that is installed for real."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from lwd_agents import extensions
from lwd_agents.agents.models import resolve_model
from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.extensions import call, imported, is_dotted_path, load, registered
from lwd_agents.laboratory import run
from lwd_agents.trajectory import Trajectory
from lwd_agents.trajectory import load as load_run

PLUGIN = Path(__file__).parent / "plugin"


def distribution(
    folder: Path, name: str, points: dict[str, str], group: str = "lwd_agents.models"
) -> None:
    """Write what an installed distribution leaves beside its modules."""
    about = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{key} = {value}" for key, value in points.items()]
    (about / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which pip installed the plugin of this folder."""
    root = tmp_path_factory.mktemp("plugin")
    shutil.copytree(PLUGIN, root / "source", ignore=shutil.ignore_patterns("__pycache__"))
    options = "--no-deps --no-build-isolation --no-index --quiet --disable-pip-version-check"
    places = ["--target", str(root / "site"), str(root / "source")]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options.split(), *places], check=True, timeout=300
    )
    return root / "site"


def lwd(site: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = [str(site), str(PLUGIN.parents[1])]
    return subprocess.run(
        [sys.executable, "-m", "lwd_agents.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def run_parrot(site: Path, cwd: Path, model: str, **options: object) -> Any:
    agent = {"name": "polly", "model": model, "options": options}
    settings = [f"agents={json.dumps([agent])}", "draws=3", "steps=1"]
    sets = [part for setting in settings for part in ("--set", setting)]
    return lwd(site, cwd, "run", "pocket", *sets, "--out", "run", "--quiet")


PARTS = {
    "models": "parrot[:REST]",
    "laws": "echoes",
    "retrievers": "keyhole",
    "readerships": "perches",
    "posting": "loudest",
    "keeping": "forgetful",
    "internets": "cage",
}


def test_a_plugin_that_pip_installed_is_listed_and_runs(installed: Path, tmp_path: Path) -> None:
    listed = lwd(installed, tmp_path, "list")
    assert listed.returncode == 0, listed.stderr
    for kind, name in PARTS.items():
        about = listed.stdout.partition(f"{kind}:\n")[2].split("\n")
        lines = [line.split(maxsplit=1) for line in takewhile(lambda x: x.startswith(" "), about)]
        assert [name, "registered by lwd-parrot 0.3.1"] in lines, kind
    done = run_parrot(installed, tmp_path, "parrot:loud", times=2)
    assert (done.returncode, done.stderr) == (0, "")
    lines = (tmp_path / "run" / "responses.jsonl").read_text().splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    assert len(texts) == 6
    assert all(text == text.upper() and text.endswith("!!") for text in texts), texts
    stored = (tmp_path / "run" / "manifest.json").read_text()
    assert "parrot:loud" in stored


CURIOUS = """
import numpy as np
from langchain_core.language_models import FakeListChatModel
from langchain_core.retrievers import BaseRetriever
from lwd_agents.internet.backends import MemoryBackend

def make():
    return FakeListChatModel(responses=["One.", "Two two.", "Three three three."])

class Oldest:
    def __init__(self, skip=0):
        self.skip = skip

    def draw(self, view, k, rng):
        return np.arange(len(view))[self.skip:][:k]

class Newest(BaseRetriever):
    internet: object
    skip: int

    def _get_relevant_documents(self, query, *, run_manager, k, visible):
        return self.internet.get(visible[::-1][self.skip:][:k])

def nobody(names, rng):
    return np.zeros((len(names), len(names)), dtype=bool)

def last(answers, rng):
    return [len(answers) - 1]

def brief(text):
    return len(text.split()) < 3

def early(posts, t, rng):
    return np.array([post.step == 0 for post in posts])

class Drawer(MemoryBackend):
    where = "a drawer"
"""


def run_parts(out: Path, **keys: object) -> Trajectory:
    return run("pocket", out=out, steps=3, draws=4, settings=settings_of(keys))


def settings_of(keys: dict[str, object]) -> list[str]:
    return [f"{key}={json.dumps(value)}" for key, value in keys.items()]


def test_a_plugin_brings_a_part_of_each_kind(installed: Path, tmp_path: Path) -> None:
    parrots = [{"name": name, "model": "parrot"} for name in ("ara", "beo", "coco")]
    keys = {
        "agents": [*parrots[:2], {**parrots[2], "model": "parrot:loud"}],
        "reading": {"law": "echoes", "options": {"louder": 1e9}, "k": 3},
        "readership": "perches",
        "posting": {"choose": "loudest", "keep": "forgetful"},
        "internet": {"seed": "crypto", "store": "cage"},
    }
    sets = [part for setting in settings_of(keys) for part in ("--set", setting)]
    sets += ["--set", "draws=4", "--steps", "3"]
    ended = lwd(installed, tmp_path, "run", "pocket", *sets, "--out", "run", "--quiet")
    assert (ended.returncode, ended.stderr) == (0, "")
    done = load_run(tmp_path / "run")
    posted = [line["posted"] for line in done.rounds]
    assert [line["left"] for line in done.rounds] == [ids[:1] for ids in posted]  # ara's
    assert [line["internet_size"] for line in done.rounds] == [20, 22, 24, 26]
    whose = {post_id: i for ids in posted for i, post_id in enumerate(ids)}
    for t in (1, 2, 3):  # ara reads beo, beo coco, coco itself: three loud posts at the most
        reads = [[whose.get(i) for i in ids] for ids in done.rounds[t]["reads"].values()]
        assert set(reads[0]) <= {None, 1}
        assert reads[1].count(1) == reads[2].count(2) == t
    rows = done.responses()
    for _, draws in rows.groupby(["t", "agent"]):
        capitals = [sum(map(str.isupper, text)) for text in draws["text"]]
        assert draws["post_id"].notna().tolist().index(True) == capitals.index(max(capitals))
    assert not (tmp_path / "run" / "internet").exists()  # a cage is no folder


def test_a_part_of_each_kind_from_a_file_beside_the_experiment(here: Path) -> None:
    (here / "lwd_test_curious.py").write_text(CURIOUS)
    keys: dict[str, Any] = {
        "agents": [{"name": n, "model": "lwd_test_curious:make"} for n in ("a", "b")],
        "reading": {"law": "lwd_test_curious:Oldest", "options": {"skip": 2}, "k": 4},
        "readership": "lwd_test_curious:nobody",
        "posting": {"choose": "lwd_test_curious:last", "keep": "lwd_test_curious:early"},
        "internet": {"seed": "crypto", "store": "lwd_test_curious:Drawer"},
    }
    done = run_parts(here / "run", **keys)
    assert len({tuple(ids) for line in done.rounds for ids in line["reads"].values()}) == 1
    rows = done.responses()
    assert rows[rows["post_id"].notna()]["draw"].tolist() == [3] * 8
    assert done.rounds[0]["left"] == done.rounds[0]["posted"]
    assert [line["internet_size"] for line in done.rounds] == [20, 20, 22, 24]
    rule = "lwd_test_curious:brief"
    keys["reading"] = {"retriever": "lwd_test_curious:Newest", "options": {"skip": 1}, "k": 4}
    keys |= {"posting.choose": {"unless": rule}, "marks": [rule]}
    done = run_parts(here / "unless", **keys)
    rows = done.responses()
    first = rows[rows["marks"].map(len) == 0].groupby(["t", "agent"])["draw"].first()
    assert rows[rows["post_id"].notna()]["draw"].tolist() == first.tolist()
    for i, name in enumerate("ab"):  # the newest but one of those that have not left
        assert done.rounds[3]["reads"][name][0] == done.rounds[1]["posted"][i]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("reading.law=ecoes", "reading.law: no law 'ecoes'; did you mean 'echoes'?"),
        ("readership=perchs", "no such readership"),
        ("posting.choose=loudst", "there is no 'loudst'"),
        ("posting.keep=forgetfull", "there is no 'forgetfull'"),
        ("internet.store=cge", "no such store 'cge'; did you mean 'cage'?"),
    ],
)
def test_a_wrong_name_is_answered_with_the_choices_of_plugins_too(
    installed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str, words: str
) -> None:
    monkeypatch.syspath_prepend(installed)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=re.escape(words)) as error:
        run("pocket", settings=[setting])
    assert "choices: " in str(error.value)
    if "readership" not in setting:
        assert re.search("echoes|loudest|forgetful|cage", str(error.value))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "runs").exists()


def test_without_its_entry_point_a_plugin_is_unknown(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(installed, tmp_path / "site")
    next((tmp_path / "site").glob("*.dist-info/entry_points.txt")).unlink()
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert "parrot" not in registered("models")
    with pytest.raises(BadInput, match="model 'parrot:loud': "):
        resolve_model("parrot:loud", draws=1, temperature=1.0, max_tokens=8)


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("parrot:silent", {}, "raised ValueError: a parrot is loud or nothing, not 'silent'"),
        ("parrot:loud", {"tims": 2}, "no option 'tims'; did you mean 'times'?"),
        ("parot:loud", {}, "did you mean 'parrot:loud'?"),
    ],
)
def test_what_a_plugin_does_not_take_is_one_line(
    installed: Path,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    options: dict[str, Any],
    words: str,
) -> None:
    monkeypatch.syspath_prepend(installed)
    with pytest.raises(BadInput, match=re.escape(words)) as error:
        resolve_model(model, draws=1, temperature=1.0, max_tokens=8, options=options)
    assert str(error.value).startswith(f"model '{model}': ")
    assert "\n" not in str(error.value)


def test_registered_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lwd_test_broken.py").write_text("raise OSError('no\\nluck')\n")
    points = {"joined": "os.path:join", "broken": "lwd_test_broken:make", "gone": "os:nowhere"}
    distribution(tmp_path, "lwd-one", points)
    distribution(tmp_path, "lwd-kinds", {"joined": "os.path:split"}, "lwd_agents.rules")
    assert {"joined", "broken", "gone"} <= set(registered("models"))
    assert set(registered("rules")) == {"joined"}
    assert load("models", "joined", "here") is os.path.join
    assert extensions.distribution(registered("models")["joined"]) == "lwd-one 1.0"
    line = r"here: 'broken' of lwd-one 1.0 \(lwd_test_broken:make\) cannot .* \(OSError: no\)"
    with pytest.raises(BadInput, match=line):
        load("models", "broken", "here")
    with pytest.raises(BadInput, match=r"'gone' of lwd-one 1\.0"):
        load("models", "gone", "here")
    with pytest.raises(BadInput, match=r"no 'joind' .*did you mean 'joined'\? \(choices: .*gone"):
        load("models", "joind", "here")
    distribution(tmp_path, "lwd-same", {"joined": "os.path:join"})
    assert load("models", "joined", "here") is os.path.join  # one object twice harms nobody
    distribution(tmp_path, "lwd-two", {"joined": "os.path:split"})
    with pytest.raises(BadInput, match=r"'joined' is registered by lwd-\w+ 1.0 .* and by lwd-two"):
        registered("models")


@pytest.mark.parametrize("text", ["a.b", "a:b", "package.module:Class.make", "_a.b.c", "ä.ö:ü"])
def test_dotted_paths(text: str) -> None:
    assert is_dotted_path(text)


@pytest.mark.parametrize(
    "text",
    ["", "north", "a:", ":a", "a.", ".a", "a..b", "a:b:c", "gpt-4.1", "a/b.c", "1.2", "a b.c"],
)
def test_what_is_no_dotted_path(text: str) -> None:
    assert not is_dotted_path(text)
    with pytest.raises(BadInput, match="no dotted path"):
        imported(text, "agents.a.model")


def test_objects_by_their_path() -> None:
    assert imported("os.path:join", "here") is os.path.join
    assert imported("os.path.join", "here") is os.path.join
    assert imported("pathlib:Path.cwd", "here") == Path.cwd
    assert imported("pathlib.Path.cwd", "here") == Path.cwd


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with modules in it; what is imported from it is forgotten."""
    (tmp_path / "json.py").write_text("raise RuntimeError('this shadows json')\n")
    (tmp_path / "lwd_test_mine.py").write_text(
        "import sys\nimport json\n\ndef make():\n    import lwd_test_late\n    return json\n"
    )
    (tmp_path / "lwd_test_late.py").write_text("")
    (tmp_path / "lwd_test_exits.py").write_text("import sys\nsys.exit('bye')\n")
    (tmp_path / "lwd_test_needs.py").write_text("import lwd_test_not_there\n")
    (tmp_path / "lwd_test_typo.py").write_text("def make(:\n")
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("lwd_test_"):
            del sys.modules[name]


def test_the_current_directory_is_looked_at_last(here: Path) -> None:
    before = list(sys.path)
    make = imported("lwd_test_mine:make", "here")
    assert call(make, {}, "here") is json  # and not the file beside it
    assert sys.path == before
    assert imported("json.dumps", "here") is json.dumps


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("no_such_package:make", r"no module 'no_such_package', neither installed nor in /"),
        ("no_such_package.module.make", "no module 'no_such_package'"),
        ("os.nowhere:make", "no module 'os.nowhere'"),
        ("os.nowhere.make", "os has no 'nowhere'"),
        ("os.path:joyn", r"has no 'joyn'; did you mean 'join'\?"),
        ("lwd_test_mine:make.up", "make has no 'up'"),
        ("lwd_test_exits:make", "importing lwd_test_exits raised SystemExit: bye"),
        ("lwd_test_needs:make", "raised ModuleNotFoundError: No module named 'lwd_test_not_there'"),
        ("lwd_test_typo.make", "raised SyntaxError"),
    ],
)
def test_what_cannot_be_imported_is_one_line(here: Path, path: str, words: str) -> None:
    with pytest.raises(BadInput, match=words) as error:
        imported(path, "agents.a.model")
    assert str(error.value).startswith(f"agents.a.model: '{path}': ")
    assert "\n" not in str(error.value)


GIVEN = {"model": "m", "temperature": 0.5, "draws": 3}


def test_a_factory_gets_what_it_names() -> None:
    @dataclass
    class Made:
        temperature: float
        model: str = ""
        other: int = 7

    assert call(lambda: 1, GIVEN, "here") == 1
    assert call(Made, GIVEN, "here") == Made(0.5, "m")
    assert call(Made, GIVEN, "here", {"other": 8}) == Made(0.5, "m", 8)
    assert call(lambda draws, **rest: (draws, rest), GIVEN, "here", {"x": 1}) == (
        3,
        {"model": "m", "temperature": 0.5, "x": 1},
    )
    assert call(partial(Made, other=9), GIVEN, "here") == Made(0.5, "m", 9)
    assert call(lambda draws: draws, GIVEN, "here", {"draws": 5}) == 5


def needing(model: str, answers: list[str], more: int) -> None:
    """A factory that needs more than it is given."""


def raising(model: str) -> None:
    """A factory that fails."""
    raise KeyError("first line\nsecond line")


def stopping(model: str) -> None:
    """A factory with a line of its own."""
    raise RunStopped("not now")


@pytest.mark.parametrize(
    ("factory", "options", "words"),
    [
        (needing, {"more": 1}, "needing needs answers; it is offered draws, model, temperature"),
        (needing, {"mor": 1}, r"no option 'mor'; did you mean 'more'\? \(choices: answers, more\)"),
        (raising, {}, r"raising raised KeyError: 'first line"),
        (7, {}, "found something of type int, not a function or class"),
        (lambda: sys.exit("bye"), {}, "raised SystemExit: bye"),
    ],
)
def test_a_factory_that_does_not_work_is_one_line(
    factory: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadInput, match=words) as error:
        call(factory, GIVEN, "model 'a:b'", options)
    assert str(error.value).startswith("model 'a:b': ")
    assert "\n" not in str(error.value)


def test_an_error_of_ours_passes_and_a_key_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunStopped, match=r"^not now$"):
        call(stopping, GIVEN, "here")
    monkeypatch.setenv("SOME_API_KEY", "very-secret-value")

    def leaking() -> None:
        raise ValueError("bad key very-secret-value")

    with pytest.raises(BadInput, match=r"bad key \[SOME_API_KEY\]"):
        call(leaking, {}, "here")
