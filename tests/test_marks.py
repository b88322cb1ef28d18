"""Marks: the two rules on texts of many kinds, rules of others, and what is refused."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage

from lwd_agents.agents.models import pocket_names, resolve_model
from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.marks import marks_of, not_one_sentence, refusal, rules, sentences


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I\u2019m sorry, but I can\u2019t predict prices.",
        "I am truly sorry, this is beyond me.",
        "Sorry, but I cannot give financial advice.",
        "Unfortunately, I am unable to predict the future of Bitcoin.",
        "I apologize, but as a language model I have no opinion.",
        "My sincere apologies, but no.",
        "I cannot provide financial advice.",
        "I can not say.",
        "I won't speculate about prices.",
        "I must decline.",
        "As an AI language model, I do not have opinions.",
        "As an artificial intelligence, I have no access to the future.",
        "As a large language model trained by somebody, I cannot tell.",
        "I'm just an AI, and the future is unknown to me.",
        "I'm not able to answer.",
        "I don't have personal opinions.",
        "  \n\u201cI cannot say.\u201d",
        "I cannot imagine that Bitcoin falls.",  # by form, as the rule says
    ],
)
def test_a_refusal_is_told_by_its_opening(text: str) -> None:
    assert refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Bitcoin cannot fall, and I am sorry for whoever sold.",
        "We cannot know where Bitcoin goes.",
        "It can't be stopped.",
        "Sorry holders will sell again.",
        "As an AI boom lifts stocks, Bitcoin follows.",
        "As an AI-powered market, crypto will boom.",
        "As an asset, Bitcoin is scarce.",
        "I'm an AI investor who buys Bitcoin.",
        "I can see Bitcoin at $100,000.",
        "I canvass the market.",
        "However, no miner sells.",
        "No, Bitcoin is fine.",
        "Investors say: I cannot sell.",
    ],
)
def test_what_is_not_an_opening_of_a_refusal(text: str) -> None:
    assert not refusal(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("...", 0),
        ("\U0001f680 \U0001f680", 0),
        ("Bitcoin rises", 1),
        ("Bitcoin rises.", 1),
        ("Bitcoin rises!!! ", 1),
        ("Bitcoin rises. It falls.", 2),
        ("Bitcoin rises. it falls.", 2),
        ("Bitcoin rises! Does it? Yes.", 3),
        ("Bitcoin rose 3.5 percent to $100,000.50 today.", 1),
        ("The U.S. Securities and Exchange Commission agrees.", 1),
        ("Miners leave the U.S. for good.", 1),
        ("They live in the U.S.", 1),
        ("Dr. Smith and J. Doe of Mt. Gox vs. Mr. Lee.", 2),  # Mt is not among ours
        ("Banks, e.g. JPMorgan, i.e. the old guard, will buy.", 1),
        ("Coinbase Inc. is growing.", 1),
        ("It buys coins, shares, etc. Prices follow.", 2),
        ("It buys coins, shares, etc. and holds.", 1),
        ("See No. 5 on page p. 3 by Dec. 31.", 1),
        ("The answer is no. Bitcoin falls.", 2),
        ("It opened at 9 a.m. and fell.", 1),
        ("Bitcoin will ... rise.", 1),
        ("Bitcoin will\u2026 rise.", 1),
        ("Bitcoin falls... Then it rises.", 2),
        ('"Bitcoin rises." said the bank.', 1),
        ('"Bitcoin rises." The bank agreed.', 2),
        ("\u201cBitcoin rises.\u201d", 1),
        ("He asked \u2018why now?\u2019 and left.", 1),
        ("(Bitcoin rises.)", 1),
        ("Bitcoin rises (see fig. 2).", 1),
        ("Who, I? I. You too.", 3),
        ("1. Bitcoin rises.", 1),
        ("1. Bitcoin rises.\n2. It falls.", 2),
        ("Sure! Here it is:\n\nBitcoin rises.", 3),
        ("Here it is: Bitcoin rises.", 1),
        ("Bitcoin rises\nand falls.", 1),
        ("Bitcoin rises\r\nIt falls", 2),
        ("Bitcoin rises.\n\n", 1),
        ("Bitcoin rises. \U0001f680", 1),
        ("See example.com for more.", 1),
        ("Bitcoin rises.The bank agrees in 2030.Then it falls.", 3),
        ("Node.js, U.S.A. and Ph.D. theses.", 1),
        ("\u6bd4\u7279\u5e01\u4e0a\u6da8\u3002", 1),
        ("\u6bd4\u7279\u5e01\u4e0a\u6da8\u3002\u6bd4\u7279\u5e01\u4e0b\u8dcc\u3002", 2),
        ("\u300c\u4e0a\u6da8\uff01\u300d\u4e0b\u8dcc\uff1f", 2),
        ("**Bitcoin rises.** It falls.", 2),
    ],
)
def test_sentences_are_told_apart(text: str, count: int) -> None:
    assert len(sentences(text)) == count
    assert not_one_sentence(text) == (count != 1)
    assert "".join("".join(sentences(text)).split()) in "".join(text.split())


def test_answers_of_the_pocket_models() -> None:
    """One sentence to the query they know; what is doubled or said to another query is seen."""
    asked = "Please provide EXACTLY one concise sentence about the future prospects of Bitcoin."
    known, foreign = (HumanMessage(f"Bitcoin rises.\n{end}") for end in (asked, "Say more."))
    declared = rules(["refusal", "not_one_sentence"])
    several = 0
    for name in pocket_names():
        model = resolve_model(f"pocket:{name}", draws=8, temperature=1.0, max_tokens=48)
        result = model.generate([[known], [foreign]], n=8, seed=1)
        texts, strange = ([made.text for made in row] for row in result.generations)
        assert len(set(texts)) > 4
        assert [marks_of(text, declared) for text in texts] == [[]] * 8, texts
        assert marks_of(" ".join(texts[:2]), declared) == ["not_one_sentence"]
        said = f"I'm sorry, but I can't. {texts[0]}"
        assert marks_of(said, declared) == ["refusal", "not_one_sentence"]
        for text in strange:
            parts = sentences(text)
            assert marks_of(text, declared) == ["not_one_sentence"] * (len(parts) != 1)
            assert not any(". The " in part or ".The " in part for part in parts), text
            several += len(parts) > 1
    assert several > 4


def test_a_long_text_takes_no_time() -> None:
    start = time.perf_counter()
    for unit in ("Mr. ", ". ", "sorry ", "I am ", "\n", "a.", "as an ai "):
        text = (unit * 20_000)[:20_000]
        refusal(text)
        not_one_sentence(text)
    assert time.perf_counter() - start < 5


def test_a_function_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lwd_test_rules.py").write_text(
        "def shouts(text):\n    return text.isupper()\n"
        "def raises(text):\n    raise ValueError('too hot\\nhere')\n"
        "def counts(text):\n    return len(text)\n"
        "WORD = 'x'\n"
    )
    monkeypatch.chdir(tmp_path)
    own = "lwd_test_rules:shouts"
    declared = rules(["not_one_sentence", own])
    assert list(declared) == ["not_one_sentence", own]
    assert marks_of("BITCOIN RISES. IT FALLS.", declared) == ["not_one_sentence", own]
    assert marks_of("Bitcoin rises.", declared) == []
    with pytest.raises(RunStopped, match=r"'lwd_test_rules:raises' raised ValueError: too hot on"):
        marks_of("a", rules(["lwd_test_rules:raises"]))
    with pytest.raises(RunStopped, match=r"gave a value of type int, not True or False"):
        marks_of("a", rules(["lwd_test_rules.counts"]))
    with pytest.raises(BadInput, match=r"'lwd_test_rules:WORD' is a str, not a function"):
        rules(["lwd_test_rules:WORD"])
    with pytest.raises(BadInput, match=r"has no 'shout'; did you mean 'shouts'\?"):
        rules(["lwd_test_rules:shout"])


def test_an_unknown_rule_names_the_choices() -> None:
    with pytest.raises(BadInput, match=r"'refusals'; did you mean 'refusal'\? \(choices: refusal,"):
        rules(["refusals"])
    with pytest.raises(BadInput, match="no module 'no_such_module'"):
        rules(["no_such_module:rule"])
    assert rules([]) == {}
