"""The stores that ship: made as their cards say, and as alike as the cards' figures say."""

from __future__ import annotations

import re
from collections import Counter
from difflib import SequenceMatcher

import compare_stores
import pocket_press as press
import pytest
import yaml

from lwd_agents import resources
from lwd_agents.internet.post import Post
from lwd_agents.internet.seeds import read_seed
from lwd_agents.marks import refusal, sentences

STORES = ("crypto", "held_out", "noise")


def posts(store: str) -> list[Post]:
    return read_seed(resources.folder("stores") / store)


def texts(store: str) -> list[str]:
    return [post.text for post in posts(store)]


def card(store: str) -> str:
    return (resources.folder("stores") / store / "card.md").read_text("utf-8")


def tones(store: str) -> list[str]:
    return [str(post.labels["sentiment"]) for post in posts(store)]


def test_the_shipped_stores() -> None:
    assert set(STORES) <= set(resources.names("stores"))
    for store in resources.names("stores"):
        assert card(store).startswith(f"# {store}\n")
        assert "- Licence: Apache-2.0." in card(store)
        assert f"- Counts: {len(posts(store))} posts" in card(store)


def test_it_is_large_enough_for_the_pocket_preset() -> None:
    file = resources.folder("experiments") / "pocket.yaml"
    preset = yaml.safe_load(file.read_text("utf-8"))
    needed = (preset["steps"] + 1) * len(preset["agents"])
    assert needed == 183
    assert f"needs {needed} of them" in " ".join(card("held_out").split())
    assert len(posts("held_out")) == 240 >= needed


def test_the_proportions_of_sentiments_are_those_of_crypto() -> None:
    wanted = Counter(tones("crypto"))
    assert wanted == {"positive": 7, "neutral": 7, "negative": 6}
    found = tones("held_out")
    assert [Counter(found[i : i + 20]) for i in range(0, 240, 20)] == [wanted] * 12


def test_all_posts_differ_within_and_across_stores() -> None:
    every = [text for store in STORES for text in texts(store)]
    assert len(set(map(str.lower, every))) == len(every) == 320
    held = texts("held_out")
    closest = max(
        SequenceMatcher(None, one, other, autojunk=False).ratio()
        for one in texts("crypto")
        for other in held
    )
    assert closest < 0.75


def test_posts_name_phrases_as_the_recipe_says() -> None:
    per_post: dict[str, Counter[int]] = {tone: Counter() for tone in press.TONES}
    one_topic: Counter[str] = Counter()
    named: Counter[str] = Counter()
    for text, tone in zip(texts("held_out"), tones("held_out"), strict=True):
        phrases = press.phrases_in(text)
        assert len(set(phrases)) == len(phrases)
        assert {press.TONE_OF[phrase] for phrase in phrases} == {tone}, text
        per_post[tone][len(phrases)] += 1
        one_topic[tone] += len(phrases) == 2 and len({press.TOPIC_OF[p] for p in phrases}) == 1
        named.update(phrases)
    assert per_post == {
        "positive": {1: 36, 2: 48},
        "neutral": {2: 84},
        "negative": {1: 12, 2: 48, 3: 12},
    }
    assert one_topic == {"positive": 36, "neutral": 72, "negative": 24}
    assert set(named) == set(press.TOPIC_OF)
    counts = {tone: {n for p, n in named.items() if press.TONE_OF[p] == tone} for tone in per_post}
    assert counts == {"positive": {5, 6}, "neutral": {7}, "negative": {6}}


def test_no_post_is_a_filled_frame_or_an_answer() -> None:
    frames = [
        re.compile(re.sub(r"\\\{[xyX]\\\}", ".+", re.escape(frame)), re.IGNORECASE)
        for frame in press.POSTS
    ]
    filled = press.POSTS[0].format(X="Empty hype", y="thin liquidity")
    assert any(frame.fullmatch(filled) for frame in frames)
    for text in texts("held_out"):
        assert not any(frame.fullmatch(text) for frame in frames), text
        assert not press.openers_in(text)
        assert all(press.parse(text, query) is None for query in press.QUERIES)


@pytest.mark.parametrize("store", ["held_out", "noise"])
def test_posts_are_single_plain_sentences(store: str) -> None:
    for text in texts(store):
        assert len(sentences(text)) == 1, text
        assert not refusal(text)
        assert text.isascii()
        assert text == text.strip()


def test_noise_names_nothing_of_the_matter() -> None:
    """No word of the models' phrases, none of markets; not a phrase of theirs by chance either."""
    about = {word for phrase in press.TOPIC_OF for word in phrase.split()}
    about |= set(
        re.findall(r"\w+", "bitcoin ethereum crypto coin coins price sell buy trade money")
    )
    assert {word for text in texts("noise") for word in compare_stores.words(text)} & about == set()


EXACT = (
    "posts",
    "words a post, mean",
    "standard deviation",
    "least to most",
    "phrases of the pocket grammar a post",
    "different words in 20 posts",
)


def test_the_figures_of_the_card() -> None:
    """Every figure is measured again; those of embeddings may differ in the last digits."""
    lines = [line.split("|")[1:-1] for line in card("held_out").splitlines() if line[:2] == "| "]
    written = {name.strip(): [cell.strip() for cell in cells] for name, *cells in lines[1:]}
    found = compare_stores.compare(STORES, permutations=999)
    assert set(written) == {name for row in found.values() for name in row}
    for i, store in enumerate(STORES):
        for name, measured in found[store].items():
            if name in EXACT:
                assert measured == written[name][i], (store, name)
            else:  # p has another number of permutations here
                within = 0.02 if name == "p" else 0.002
                assert float(measured) == pytest.approx(float(written[name][i]), abs=within), name
    assert float(found["held_out"]["p"]) > 0.5
    assert float(found["noise"]["p"]) <= 0.001
