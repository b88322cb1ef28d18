"""Users bring their own A(0): a folder, JSONL, CSV or text; what is wrong is named by its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lwd_agents import resources
from lwd_agents.errors import BadInput
from lwd_agents.internet.seeds import read_seed

POSTS = ["Bitcoin rises; traders smile.", "Größe, “quotes” and 比特币"]


def test_the_four_forms_give_the_same_posts(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    first = json.dumps({"text": POSTS[0], "tone": "x"})
    jsonl = "\n".join([first, json.dumps(POSTS[1], ensure_ascii=False), ""])
    forms = {
        "folder/posts.jsonl": jsonl,
        "posts.jsonl": "\ufeff" + jsonl,
        "posts.csv": f'tone,text\nx,"{POSTS[0]}"\ny,"{POSTS[1]}"\n',
        "posts.txt": f"{POSTS[0]}\r\n\n{POSTS[1]}\n",
    }
    for name, content in forms.items():
        (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    for place in ("folder", "posts.jsonl", "posts.csv", "posts.txt"):
        posts = read_seed(tmp_path / place)
        assert [post.text for post in posts] == POSTS
        assert [post.slot for post in posts] == [0, 1]
        assert {(p.author, p.kind, p.step) for p in posts} == {("human", "human", -1)}
    assert read_seed(tmp_path / "folder")[0].metadata()["tone"] == "x"


def test_equal_posts_stay_two_posts(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("same\nsame\n")
    one, other = read_seed(tmp_path / "p.txt")
    assert one.text == other.text
    assert one.id != other.id


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.jsonl", b"", "no posts"),
        ("p.txt", b"\n \n", "no posts"),
        ("p.jsonl", b'{"text": "a"}\n{"text": "  "}', "line 2: the post is empty"),
        ("p.jsonl", b'{"text": 7}', "line 1: 'text' is int"),
        ("p.jsonl", b'{"body": "a"}', "line 1: no 'text'"),
        ("p.jsonl", b"[1]", "line 1"),
        ("p.jsonl", b"{'text'", "line 1: not JSON"),
        ("p.jsonl", b'{"text": "\\ud800"}', "line 1: half a surrogate pair"),
        ("p.csv", b"body\na", r"no column 'text' \(columns: body\)"),
        ("p.csv", b'text\n""\n', "the post is empty"),
        ("p.txt", b"\xff\xfea", "not UTF-8"),
        ("p.docx", b"PK", r"use \.jsonl, \.csv or \.txt"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=words) as caught:
        read_seed(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_posts(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"posts\.jsonl"):
        read_seed(tmp_path)


def test_the_shipped_store_is_the_papers_shape() -> None:
    posts = read_seed(resources.folder("stores") / "crypto")
    tones = [post.labels["sentiment"] for post in posts]
    assert (len(posts), len({p.text for p in posts})) == (20, 20)
    assert [tones.count(tone) for tone in ("positive", "neutral", "negative")] == [7, 7, 6]
