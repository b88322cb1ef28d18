"""Which phrases of a run's responses stood in what was read, and where each came from.

The phrases and chains are those of ``lwd_agents.measures.lineage``; here they become places in the
responses' own texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from lwd_agents.measures.lineage import Tracer, index_phrases
from lwd_agents.measures.words import Span, spanned_words
from lwd_agents.post_lines import Key
from lwd_agents.posts import Posts, read_posts
from lwd_agents.run_files import Run

Mark = tuple[int, int, int]
"""Where a phrase starts and stops, in UTF-16 units, and the number of its chain."""


def phrase_columns(
    run: Run, texts: Mapping[str, Any], *, posts: Posts | None = None, n: int = 3
) -> dict[str, Any]:
    """The phrases of all responses in ``texts``: ``phrases`` and ``chains`` of Texts.

    A phrase is n words or more. ``start`` and ``stop`` are its place in the response's text in
    UTF-16 units, as a browser counts; ``chain`` is the number of the posts' rows from the one
    that was read to the origin. A reading and a text that come again are traced once.

    Args:
        run: of the world llm.
        texts: of ``lwd_agents.report.page.texts.text_columns``.
        posts: of ``lwd_agents.posts.read_posts``; read from the run where they are not given.
        n: words of the shortest phrase.

    Raises:
        BadInput: a run of another world.
    """
    marking = _Marking(read_posts(run) if posts is None else posts, texts, n)
    columns: dict[str, list[int]] = {"response": [], "start": [], "stop": [], "chain": []}
    said, names = texts["responses"], run.agents
    keys = zip(said["t"], said["agent"], said["query"], said["reading"], strict=True)
    for response, ((t, agent, query, reading), text) in enumerate(
        zip(keys, said["text"], strict=True)
    ):
        if text is not None:
            marks = marking.of((t, names[agent], query, reading), text)
            columns["response"] += [response] * len(marks)
            columns["start"] += [start for start, _, _ in marks]
            columns["stop"] += [stop for _, stop, _ in marks]
            columns["chain"] += [chain for _, _, chain in marks]
    return {"phrases": columns, "chains": [list(chain) for chain in marking.chains]}


class _Marking:
    """What was found so far. ``chains``: each with its number."""

    def __init__(self, posts: Posts, texts: Mapping[str, Any], n: int) -> None:
        self._posts, self._tracer = posts, Tracer(index_phrases(posts, n))
        self._strings: Sequence[str] = texts["strings"]
        self._rows = {post_id: row for row, post_id in enumerate(texts["posts"]["id"])}
        self._reads: dict[Key, frozenset[int]] = {}
        self._words: dict[int, tuple[tuple[str, ...], Sequence[Span]]] = {}
        self._marks: dict[tuple[frozenset[int], int], list[Mark]] = {}
        self.chains: dict[tuple[int, ...], int] = {}

    def of(self, reading: Key, text: int) -> list[Mark]:
        """The phrases of a text, by its number, written after a reading."""
        if reading not in self._reads:
            self._reads[reading] = frozenset(self._posts.reads.get(reading, ()))
        read = self._reads[reading]
        if (read, text) not in self._marks:
            if text not in self._words:
                self._words[text] = utf16_words(self._strings[text])
            words, spans = self._words[text]
            self._marks[read, text] = [
                (spans[start][0], spans[stop - 1][1], self._chain(chain))
                for start, stop, chain in self._tracer.trace(read, words)
            ]
        return self._marks[read, text]

    def _chain(self, chain: Sequence[int]) -> int:
        ids = self._posts.ids
        rows = tuple([self._rows[ids[row]] for row in chain])
        return self.chains.setdefault(rows, len(self.chains))


def utf16_words(text: str) -> tuple[tuple[str, ...], Sequence[Span]]:
    """The words of a text and where each stands, (start, stop) in UTF-16 units."""
    words, spans = spanned_words(text)
    if text.isascii() or max(text) <= "\uffff":
        return words, spans
    units = [0, *accumulate(2 if character > "\uffff" else 1 for character in text)]
    return words, [(units[start], units[stop]) for start, stop in spans]
