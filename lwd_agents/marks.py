"""Marks: what a declared rule says of an answer, which is kept as it is whatever it says.

Two rules are ours, and any function from a text to a bool can be one, by its dotted path.

``refusal``: the answer opens with a phrase in which instruction-tuned models decline: an apology
("I'm sorry, ...", "I apologize ...", "My apologies ..."), an inability ("I cannot ...", "I can't
...", "I won't ...", "I must decline ...", "I am unable to ...", "I'm not able to ...", "I don't
have access / personal / the ability ..."), or what the speaker is ("As an AI language model, ...",
"I'm just an AI, ..."). Words such as "Sorry, but", "Unfortunately," or "Well," are read over first.
Only the opening counts, and only its form: "I cannot imagine that Bitcoin falls" is marked, while
"We cannot know" and a refusal in the second half are not. English alone.

``not_one_sentence``: the number of sentences is not one. A sentence ends

- at . ! ? or an ellipsis, with closing quotes and brackets, before white space or the end, or
  between a small letter or digit and a capitalised word ("rises.The bank");
- at a CJK mark (``。``, ``！``, ``？``) anywhere;
- at a line break, unless a small letter follows (a line that was wrapped).

It goes on before a small letter after ! ? an ellipsis or a closing quote; after the number of an
item ("1. Buy"), a single capital (J. Doe), and an abbreviation: one of ``LATE`` unless a capital
follows, one of ``BEFORE_NUMBERS`` before a digit or a small letter, and whatever follows one of
``BEFORE_NAMES`` or single letters with full stops between (e.g., U.S.). A full stop inside a word
or number (3.5, example.com) ends none. Words without a final mark are a sentence too, so "Bitcoin
rises" is one; a text without a letter or digit has none.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence

from lwd_agents import extensions
from lwd_agents.errors import BadInput, RunStopped

Rule = Callable[[str], bool]

_READ_OVER = "hello hi hey sure okay ok well no yes unfortunately regrettably sorry but however"
_SPEAKER = (
    r"an? (?:large )?(?:ai|artificial intelligence|language model|assistant|chatbot)"
    r"(?: (?:language )?(?:model|assistant|system|program|chatbot))?"
)
_REFUSALS = (
    r"(?:i'm|i am) (?:(?:very|so|really|truly|deeply|terribly) )?sorry\b",
    r"(?:i'm|i am) afraid (?:that )?i\b",
    r"i (?:do |must |sincerely )?apologi[sz]e\b",
    r"(?:my|our) (?:\w+ )?apologies\b",
    r"i (?:cannot|can not|can't|could not|couldn't|won't|will not|must decline|decline|refuse)\b",
    r"(?:i'm|i am) (?:\w+ly )?(?:unable|not able|not allowed|not permitted|not comfortable)\b",
    r"i (?:do not|don't) feel comfortable\b",
    r"i (?:do not|don't) have (?:access|any|personal|opinions|the (?:cap)?ability)\b",
    rf"as {_SPEAKER}(?: (?:developed|trained|created|made|built) by [^,.]*)?(?:,| i\b)",
    rf"(?:i'm|i am) (?:just |only )?{_SPEAKER}(?:[,.;:]| and\b| so\b| that\b| without\b|$)",
)
_REFUSAL = re.compile(
    rf"\W*(?:(?:{'|'.join(_READ_OVER.split())})\b\W*)*(?:{'|'.join(_REFUSALS)})", re.IGNORECASE
)

# Abbreviations without their last full stop, in small letters.
BEFORE_NAMES = "mr mrs ms dr prof st vs cf gov sen approx ca"
BEFORE_NUMBERS = (
    "no nos fig figs eq sec ch p pp vol jan feb mar apr jun jul aug sep sept oct nov dec"
)
LATE = "etc inc ltd co corp al jr sr a.m p.m ph.d bn mn dept est"
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_CLOSING = "\"'\u201d\u2019\u00bb)\\]}*_"  # quotes, brackets, and marks of emphasis
_OPEN = "\"'\u201c\u2018\u00ab([{*_"
_END = re.compile(
    "(?P<cjk>[\u3002\uff01\uff1f]+[\u300d\u300f\u201d\u2019\uff09]*)"
    rf"|(?P<mark>[.!?\u2026]+)[{_CLOSING}]*(?=\s|$|(?<=[a-z0-9][.!?])[A-Z][a-z])"
    r"|(?P<line>\n)"
)


def refusal(text: str) -> bool:
    """Whether an answer opens like a refusal (see the top of this module)."""
    return bool(_REFUSAL.match(_plain(text)))


def not_one_sentence(text: str) -> bool:
    """Whether an answer is no sentence or several (see the top of this module)."""
    return len(sentences(text)) != 1


def sentences(text: str) -> list[str]:
    """The sentences of a text, in order, without the white space around them."""
    found, start = [], 0
    for end in _END.finditer(text):
        if _goes_on(text, start, end):
            continue
        found.append(text[start : end.end()])
        start = end.end()
    found.append(text[start:])
    return [part.strip() for part in found if any(letter.isalnum() for letter in part)]


def _goes_on(text: str, start: int, end: re.Match[str]) -> bool:
    """Whether the sentence that began at ``start`` goes on after what looks like its end."""
    follows = text[end.end() :].lstrip()[:1]
    if not follows or end["cjk"]:
        return False
    if end.group() != ".":  # another mark, a quote that closes, a line break
        return follows.islower()
    before = text[start : end.start()].split() or [""]
    word = before[-1].lstrip(_OPEN)
    if (len(before) == 1 and word.isdigit()) or (len(word) == 1 and word.isupper() and word != "I"):
        return True
    word = word.lower()
    if word in LATE.split():
        return not follows.isupper()
    if word in BEFORE_NUMBERS.split():
        return follows.isdigit() or follows.islower()
    return word in BEFORE_NAMES.split() or _INITIALS.fullmatch(word) is not None


RULES: dict[str, Rule] = {"refusal": refusal, "not_one_sentence": not_one_sentence}


def rules(names: Sequence[str]) -> dict[str, Rule]:
    """The rules of the config key ``marks``: name -> rule, in their order.

    A name is one of ``RULES``, or the dotted path of a function from a text to a bool. Raises
    BadInput, in one line, for any other.
    """
    return {name: _rule(name) for name in names}


def marks_of(text: str, declared: Mapping[str, Rule]) -> list[str]:
    """The names of the rules that say True of a text, in their order.

    Raises RunStopped, in one line, where a rule raises, or says neither True nor False.
    """
    return [name for name, rule in declared.items() if _says(name, rule, text)]


def _rule(name: str) -> Rule:
    if name in RULES:
        return RULES[name]
    choices = f"{', '.join(RULES)}, or a function's dotted path such as my_module:rule"
    if not extensions.is_dotted_path(name):
        near = difflib.get_close_matches(name, RULES, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise BadInput(f"marks: no rule {name!r}{hint} (choices: {choices})")
    rule = extensions.imported(name, "marks")
    if not callable(rule):
        raise BadInput(
            f"marks: {name!r} is a {type(rule).__name__}, not a function from a text to a bool"
        )
    return rule  # type: ignore[no-any-return]


def _says(name: str, rule: Rule, text: str) -> bool:
    try:
        answer = rule(text)
    except Exception as error:
        raise RunStopped(
            f"marks: rule {name!r} raised {extensions.said(error)} on {text[:60]!r}"
        ) from error
    if not isinstance(answer, bool):
        raise RunStopped(
            f"marks: rule {name!r} gave a value of type {type(answer).__name__}, not True or False"
        )
    return answer


def _plain(text: str) -> str:
    """The text with straight apostrophes and single spaces."""
    return " ".join(re.sub("[\u2018\u2019\u02bc]", "'", text).split())
