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


def words(text: str) -> tuple[str, ...]:
    """The words of a text, in order; () where it has none."""
    if text.isascii():
        return tuple(_ASCII.findall(text.lower()))
    return tuple(_rule().findall(unicodedata.normalize("NFC", text.casefold())))


def ngrams(text: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """The runs of n words of a text, in order; [] where it has fewer words.

    Raises:
        ValueError: n is below 1.
    """
    if n < 1:
        raise ValueError(f"n = {n}; phrases have at least 1 word")
    return [tuple(text[i : i + n]) for i in range(len(text) - n + 1)]
