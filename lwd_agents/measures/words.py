"""Words and their n-grams, by one rule for all languages.

A word is a run of letters, digits and combining marks, which may be joined by single apostrophes
("doesn't"). Scripts that are written without spaces (Han, kana, Thai, Lao, Khmer, Myanmar, Tibetan)
give a word a character, with its marks. Case is folded, and composed characters are one form
(NFC). All else (punctuation, emoji, underscores) parts words. [ours]
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from itertools import groupby

_UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)


@functools.cache
def _rule() -> re.Pattern[str]:
    # Python's \w has no combining marks, without which Hindi or Tamil words would fall apart.
    planes = map(chr, range(0x20000))  # all letters that take marks are below
    marks = "".join(c for c in planes if unicodedata.category(c)[0] == "M")
    letter = rf"(?:(?![{_UNSPACED}])[^\W_])"
    alone = rf"(?:(?=[{_UNSPACED}])[^\W_])[{marks}]*"
    return re.compile(rf"{alone}|{letter}(?:{letter}|[{marks}]|['\u2019](?={letter}))*")


_ASCII = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")  # the same rule, many times as fast


Span = tuple[int, int]


def words(text: str) -> tuple[str, ...]:
    """The words of a text, in order; () where it has none."""
    if text.isascii():
        return tuple(_ASCII.findall(text.lower()))
    return tuple(_rule().findall(_nfc(text.casefold())))


def spanned_words(text: str) -> tuple[tuple[str, ...], tuple[Span, ...]]:
    """``words(text)``, and where each stands in the text as it is: (start, stop) in code points.

    A span has the characters that its word was made from. Spans are in order; no two overlap.
    """
    if text.isascii():
        folded = composed = text.lower()
        spans = [found.span() for found in _ASCII.finditer(folded)]
    else:
        folded = text.casefold()
        composed = _nfc(folded)
        spans = [found.span() for found in _rule().finditer(composed)]
    found = tuple([composed[start:stop] for start, stop in spans])
    if composed == folded and len(folded) == len(text):  # a character for a character
        return found, tuple(spans)
    _, starts, stops = _composed(text)
    return found, tuple((min(starts[a:b]), max(stops[a:b])) for a, b in spans)


@functools.cache
def _many_marks() -> re.Pattern[str]:
    marks = "".join(c for c in map(chr, range(0x20000)) if unicodedata.combining(c))
    return re.compile(f"[{marks}]{{200}}")


def _nfc(folded: str) -> str:
    """NFC; the library's takes the square of the number of marks that follow one another."""
    if len(folded) > 2000 and _many_marks().search(folded):
        return "".join(_composed(folded)[0])
    return unicodedata.normalize("NFC", folded)


def _composed(text: str) -> tuple[list[str], list[int], list[int]]:
    """The characters of the folded and composed text, and where what made each starts and stops.

    Unicode's own steps (UAX 15), character by character: decompose, put marks in order, compose.
    """
    apart = [
        (part, unicodedata.combining(part), i)
        for i, character in enumerate(text)
        for part in unicodedata.normalize("NFD", character.casefold())
    ]
    ordered: list[tuple[str, int, int]] = []
    for _, run in groupby(apart, key=lambda one: one[1] == 0):
        ordered += sorted(run, key=lambda one: one[1])
    made: list[tuple[str, int, int]] = []
    starter, last = -1, 0  # the place of what marks join, and the class of what was put after it
    for part, order, i in ordered:
        free = starter >= 0 and (starter == len(made) - 1 or last < order)
        both = _pair(made[starter][0], part) if free else None
        if both is not None:
            _, start, stop = made[starter]
            made[starter] = both, min(start, i), max(stop, i + 1)
            continue
        if not order:
            starter = len(made)
        last = order
        made.append((part, i, i + 1))
    return [one[0] for one in made], [one[1] for one in made], [one[2] for one in made]


@functools.lru_cache(maxsize=4096)
def _pair(first: str, second: str) -> str | None:
    """The one character that two make; None where they make none."""
    both = unicodedata.normalize("NFC", first + second)
    return both if len(both) == 1 else None


def ngrams(text: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """The runs of n words of a text, in order; [] where it has fewer words.

    Raises:
        ValueError: n is below 1.
    """
    if n < 1:
        raise ValueError(f"n = {n}; phrases have at least 1 word")
    return [tuple(text[i : i + n]) for i in range(len(text) - n + 1)]
