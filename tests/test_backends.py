"""What holds for the Internet in every store: Chroma on disk and over HTTP, FAISS, and memory."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chroma_servers import chroma_server, free_port
from langchain_core.embeddings import DeterministicFakeEmbedding

from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.internet import backends
from lwd_agents.internet import chroma_server as chroma_server_backend
from lwd_agents.internet.backends import Backend, MemoryBackend, open_backend
from lwd_agents.internet.post import HUMAN, SYNTHETIC, Post
from lwd_agents.internet.store import Internet

WIDTH = 8
EMBEDDINGS = DeterministicFakeEmbedding(size=WIDTH)
KINDS = ("chroma", "server", "faiss", "memory")
_numbers = itertools.count()

Open = Callable[[], Backend]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chroma_server(tmp_path_factory.mktemp("server")) as running:
        yield running.address


@pytest.fixture(params=KINDS)
def open_it(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens one and the same store, again and again."""
    spec = request.param
    if spec == "server":
        spec = f"chroma+http://{request.getfixturevalue('server')}/net{next(_numbers)}"
    return lambda: open_backend(spec, tmp_path / "internet", EMBEDDINGS, run="me")


def posts(n: int, text: str = "post {}") -> list[Post]:
    """Half of A(0), half by two agents in turns."""
    humans = [Post(text.format(i), HUMAN, -1, i, "", HUMAN, {"tone": "x"}) for i in range(n // 2)]
    agents = ["north", "south"]
    made = [Post(text.format(i), agents[i % 2], i, 0, "q", SYNTHETIC) for i in range(n - n // 2)]
    return humans + made


def vectors(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, WIDTH)).astype(np.float32)


def filled(backend: Backend, kept: list[Post]) -> Internet:
    internet = Internet(Path("unused"), EMBEDDINGS, backend)
    internet.restore(kept, vectors(len(kept)))
    return internet


def phi() -> np.ndarray:
    return np.ones(WIDTH, dtype=np.float32)


def test_posts_come_back_whole_and_in_the_order_asked(open_it: Open) -> None:
    internet = filled(open_it(), posts(40))
    asked = [internet.ids[i] for i in (17, 3, 39, 0)]
    found = internet.get(asked)
    assert [d.id for d in found] == asked
    assert [d.page_content for d in found] == [posts(40)[i].text for i in (17, 3, 39, 0)]
    own = {"author": "human", "step": -1, "slot": 17, "kind": "human", "query": ""}
    assert found[0].metadata == {**own, "tone": "x"}
    own = {"author": "south", "step": 19, "slot": 0, "kind": "synthetic", "query": "q"}
    assert found[2].metadata == own
    assert internet.get([]) == []
    found[0].metadata["author"] = "changed"
    assert internet.get(asked)[0].metadata["author"] == "human"


def test_it_is_a_multiset_oldest_first(open_it: Open) -> None:
    kept = posts(6, "the same")
    internet = filled(open_it(), kept)
    late = [Post("the same", "north", 50 + i, 0, "q", SYNTHETIC) for i in range(3)]
    internet.add(late, vectors(3))
    internet.add([], vectors(0))
    assert internet.ids == [post.id for post in [*kept, *late]]
    assert len(internet) == len(set(internet.ids)) == 9
    assert [d.page_content for d in internet.get(internet.ids)] == ["the same"] * 9
    assert late[1].id in internet
    assert "no-such-id" not in internet


def test_any_text_is_kept_as_it_is(open_it: Open) -> None:
    texts = ["ẞ🜨 שלום", "two\nlines\r\n", " spaces ", '"quoted" \\', "e\u0301 \u00e9", "x" * 30_000]
    kept = [Post(text, "né", 0, i, "¿q?", SYNTHETIC) for i, text in enumerate(texts)]
    internet = filled(open_it(), kept)
    found = internet.get(internet.ids)
    assert [d.page_content for d in found] == texts
    assert {(d.metadata["author"], d.metadata["query"]) for d in found} == {("né", "¿q?")}


def test_a_lost_post_is_an_error(open_it: Open) -> None:
    backend = open_it()
    internet = filled(backend, posts(4))
    lost = internet.ids[2]
    backend.remove([lost])
    with pytest.raises(RunStopped, match=f"1 of 3 posts are not in the store.*{lost}"):
        internet.get(internet.ids[1:])


def test_a_store_is_kept_or_filled_anew(open_it: Open) -> None:
    first = filled(open_it(), posts(10))
    first.add([Post("not committed", "north", 77, 0, "q", SYNTHETIC)], vectors(1))
    first.close()
    for kept in (posts(10), posts(12, "other {}"), posts(3)):
        backend = open_it()
        again = filled(backend, kept)
        assert again.ids == [post.id for post in kept]
        assert backend.ids() == set(again.ids)
        assert [d.page_content for d in again.get(again.ids)] == [post.text for post in kept]
        again.close()
    last = open_it()
    filled(last, posts(3)).remove([posts(3)[0].id])
    assert last.ids() == {post.id for post in posts(3)[1:]}


def test_posts_leave(open_it: Open) -> None:
    kept = posts(10)
    backend = open_it()
    internet = filled(backend, kept)
    internet.note_reads([kept[8].id, kept[8].id])
    gone = [kept[7].id, kept[0].id, kept[7].id, "no-such-id"]
    internet.remove(gone)
    left = [post for post in kept if post.id not in gone]
    assert internet.ids == [post.id for post in left]
    assert backend.ids() == set(internet.ids)
    assert len(internet) == 8
    assert kept[7].id not in internet
    assert [d.page_content for d in internet.get(internet.ids)] == [post.text for post in left]
    with pytest.raises(RunStopped, match="1 of 1 posts are not in the store"):
        internet.get([kept[7].id])
    view = internet.view("north", 3, None, phi)
    assert view.reads.tolist() == [2 * (post is kept[8]) for post in left]
    where = [i for i in range(10) if kept[i].id not in gone]
    np.testing.assert_array_equal(view.vectors(), vectors(10)[where])
    late = Post("late", "new", 9, 0, "q", SYNTHETIC)
    internet.add([late], vectors(1, seed=5))
    np.testing.assert_array_equal(internet.vectors([late.id]), vectors(1, seed=5))
    internet.remove(internet.ids)
    assert (len(internet), backend.ids(), internet.get([])) == (0, set(), [])
    internet.add([late], vectors(1, seed=5))
    assert internet.get([late.id])[0].page_content == "late"


def test_a_view_shows_human_posts_and_those_of_the_authors_allowed(open_it: Open) -> None:
    kept = posts(9)
    internet = filled(open_it(), kept)
    for may, seen in (
        (None, kept),
        ({"north", "south"}, kept),
        ({"south", "nobody"}, [p for p in kept if p.author != "north"]),
        (set(), [p for p in kept if p.kind == HUMAN]),
    ):
        view = internet.view("south", 4, may, phi)
        assert (view.agent, view.t) == ("south", 4)
        assert list(view.ids) == [post.id for post in seen]
        assert view.author.tolist() == [post.author for post in seen]
        assert view.step.tolist() == [post.step for post in seen]
        assert view.human.tolist() == [post.kind == HUMAN for post in seen]
        rows = [kept.index(post) for post in seen]
        np.testing.assert_array_equal(view.vectors(), vectors(9)[rows])
        assert view.vectors().shape == (len(seen), WIDTH)
        assert view.vectors().dtype == np.float32
        np.testing.assert_array_equal(view.query(), phi())


def test_reads_are_counted_before_and_after_a_run_goes_on(open_it: Open) -> None:
    kept = posts(6)
    internet = Internet(Path("unused"), EMBEDDINGS, open_it())
    internet.note_reads([kept[1].id, kept[5].id, "of a post that has left"])
    internet.note_reads([kept[1].id])
    internet.restore(kept, vectors(6))
    internet.note_reads([kept[0].id, kept[1].id])
    assert internet.view("a", 0, None, phi).reads.tolist() == [1, 3, 0, 0, 0, 1]


def test_the_vector_store_finds_what_is_near(open_it: Open) -> None:
    internet = Internet(Path("unused"), EMBEDDINGS, open_it())
    retriever = internet.vectorstore.as_retriever(search_kwargs={"k": 1})  # before any post
    kept = posts(6)
    known = np.array(EMBEDDINGS.embed_documents([p.text for p in kept]), dtype=np.float32)
    for texts in (kept[:5], kept):  # filled, then filled anew
        internet.restore(texts, known[: len(texts)])
        (nearest,) = retriever.invoke("post 2")
        assert nearest.page_content == "post 2"
        assert nearest.id in internet.ids
    internet.remove([post.id for post in kept if post.text == "post 2"])
    (nearest,) = retriever.invoke("post 2")
    assert nearest.page_content != "post 2"


def test_a_view_does_not_change_afterwards() -> None:
    kept = posts(300)
    internet = filled(MemoryBackend(EMBEDDINGS), kept)
    whole, some = (internet.view("a", 0, may, phi) for may in (None, {"north"}))
    before = [(list(v.ids), v.reads.tolist(), v.vectors().copy()) for v in (whole, some)]
    internet.note_reads(internet.ids)
    late = [Post(f"late {i}", "north", 9, i, "q", SYNTHETIC) for i in range(1_000)]
    internet.add(late, vectors(1_000, seed=1))
    internet.remove(internet.ids[:200])
    for view, (ids, reads, matrix) in zip((whole, some), before, strict=True):
        assert (list(view.ids), view.reads.tolist()) == (ids, reads)
        np.testing.assert_array_equal(view.vectors(), matrix)
    rows = np.concatenate([vectors(300), vectors(1_000, seed=1)])[200:]
    np.testing.assert_array_equal(internet.vectors(internet.ids), rows)


def test_human_posts_of_a_later_step_are_human(open_it: Open) -> None:
    internet = filled(open_it(), posts(2))
    internet.add([Post("fresh", "placebo-3", 3, 0, "q", HUMAN)], vectors(1))
    view = internet.view("a", 4, set(), phi)
    assert view.author.tolist() == ["human", "human"]
    assert view.step.tolist() == [-1, 3]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("chrome", r"no such store 'chrome'; did you mean 'chroma'\? \(choices: chroma, .*memory"),
        ("", r"no such store ''"),
        ("chroma+http://127.0.0.1", r"is not the address of a Chroma server; write chroma\+http"),
        ("chroma+http://127.0.0.1:99999", r"[Pp]ort"),
        ("chroma+http://me:x@127.0.0.1:80/net", "is not the address of a Chroma server"),
        ("chroma+http://127.0.0.1:8000/a/b", "'a/b' in .* cannot name an Internet"),
        ("chroma+http://127.0.0.1:8000/x", "'x' in .* cannot name an Internet; use 3 to 128"),
    ],
)
def test_a_wrong_name_is_one_line_with_the_choices(tmp_path: Path, spec: str, words: str) -> None:
    for refuse in (
        lambda: backends.check(spec, "internet.store"),
        lambda: open_backend(spec, tmp_path, EMBEDDINGS, "internet.store"),
    ):
        with pytest.raises(BadInput, match=words) as refused:
            refuse()
        assert str(refused.value).startswith("internet.store: ")
        assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_names_that_are_right_pass_the_check() -> None:
    for spec in ("chroma", "faiss", "memory", "chroma+http://[::1]:80", "some.package:Backend"):
        backends.check(spec)
    assert backends.address("chroma+http://[::1]:80", "x") == ("::1", 80, "internet")
    assert backends.address("chroma+http://box:80/a.b/", "x") == ("box", 80, "a.b")


class Mine(MemoryBackend):
    """A store of one's own, named by its dotted path."""

    def __init__(self, embeddings: object, path: Path) -> None:
        super().__init__(EMBEDDINGS)
        self.where = str(path)


def not_a_store(embeddings: object) -> list[object]:
    return [embeddings]


def test_a_store_of_ones_own(tmp_path: Path) -> None:
    internet = Internet(tmp_path, EMBEDDINGS, "test_backends:Mine")
    internet.restore(posts(4), vectors(4))
    assert [d.id for d in internet.get(internet.ids)] == internet.ids
    assert not internet.shared
    with pytest.raises(BadInput, match="'test_backends:not_a_store': it made a list, which is no"):
        open_backend("test_backends:not_a_store", tmp_path, EMBEDDINGS)
    with pytest.raises(BadInput, match="'test_backends:Theirs': test_backends has no 'Theirs'"):
        open_backend("test_backends:Theirs", tmp_path, EMBEDDINGS)


def test_no_server_is_one_line(tmp_path: Path) -> None:
    port = free_port()
    spec = f"chroma+http://127.0.0.1:{port}"
    with pytest.raises(RunStopped, match=f"no Chroma server answers.*chroma run .*{port}") as told:
        open_backend(spec, tmp_path, EMBEDDINGS)
    assert "\n" not in str(told.value)


def test_another_kind_of_server_is_told(tmp_path: Path) -> None:
    import http.server

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"hello": 1}')

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        spec = f"chroma+http://127.0.0.1:{listening.server_port}"
        with pytest.raises(RunStopped, match="what answers there is no Chroma server"):
            open_backend(spec, tmp_path, EMBEDDINGS)
        listening.shutdown()


def test_a_server_that_goes_away_stops_the_run_and_nothing_is_lost(tmp_path: Path) -> None:
    with chroma_server(tmp_path) as running:
        spec = f"chroma+http://{running.address}/net"
        internet = Internet(tmp_path, EMBEDDINGS, spec, run="me")
        internet.restore(posts(4), vectors(4))
    late = Post("late", "north", 9, 0, "q", SYNTHETIC)
    for use in (
        lambda: internet.get(internet.ids),
        lambda: internet.add([late], vectors(1)),
        lambda: internet.sync(3),
    ):
        with pytest.raises(RunStopped, match=r"the store failed: ConnectError.*is the server up"):
            use()
    port = running.address.rpartition(":")[2]
    with chroma_server(tmp_path, int(port)):  # the same files
        again = Internet(tmp_path, EMBEDDINGS, spec, run="me")
        again.restore([*posts(4), late], vectors(5))
        assert [d.page_content for d in again.get(again.ids)][-1] == "late"


def test_a_server_that_falls_silent_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chroma_server_backend, "_SECONDS", 1.0)
    with chroma_server(tmp_path) as running:
        spec = f"chroma+http://{running.address}/net"
        internet = Internet(tmp_path, EMBEDDINGS, spec, run="me")
        internet.restore(posts(2), vectors(2))
        running.process.send_signal(signal.SIGSTOP)
        os.waitpid(running.process.pid, os.WUNTRACED)  # until it has stopped: threads go on so long
        try:
            with pytest.raises(RunStopped, match="the store failed: ReadTimeout"):
                internet.get(internet.ids)
            with pytest.raises(RunStopped, match=r"no Chroma server answers.*TimeoutError"):
                open_backend(spec, tmp_path, EMBEDDINGS)
        finally:
            running.process.send_signal(signal.SIGCONT)


def test_without_faiss_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "lwd_agents.internet.faiss", raising=False)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(BadInput, match=r"pip install 'lwd-agents\[faiss\]'"):
        open_backend("faiss", tmp_path, EMBEDDINGS)


def test_faiss_and_chroma_agree_on_what_is_near(tmp_path: Path) -> None:
    kept, lengths = posts(60), np.linspace(0.2, 5, 60, dtype=np.float32)[:, None]
    found = []
    for spec in ("chroma", "faiss", "memory"):
        internet = Internet(tmp_path / spec, EMBEDDINGS, spec)
        internet.restore(kept, vectors(60) * lengths)  # the cosine does not see lengths
        near = internet.vectorstore.similarity_search("anything", k=7)
        found.append([document.id for document in near])
    assert found[0] == found[1] == found[2]
    query = np.array(EMBEDDINGS.embed_query("anything"))
    units = vectors(60) / np.linalg.norm(vectors(60), axis=1, keepdims=True)
    best = np.argsort(-(units @ query))[:7]
    assert found[0] == [kept[i].id for i in best]


@pytest.mark.slow
def test_seventy_thousand_posts(open_it: Open) -> None:
    kept = [replace(post, slot=i) for i, post in enumerate(posts(70_000))]
    backend = open_it()
    internet = filled(backend, kept)
    assert [d.page_content for d in internet.get(internet.ids)] == [post.text for post in kept]
    internet.remove(internet.ids[:40_000])
    assert backend.ids() == {post.id for post in kept[40_000:]}
