"""Keys are functions of their fields, and llama.cpp's windows of seeds never overlap in part."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lwd_agents import seeding


def test_a_key_never_changes() -> None:
    # A changed key changes every published run: this number may only change with the schema.
    assert seeding.key(0, "reading", t=1, agent="north", query="q") % 10**9 == KNOWN


KNOWN = 521167294


@given(st.data())
def test_every_field_matters(data: st.DataObject) -> None:
    fields = {"seed": 1, "purpose": "draws", "replicate": 2, "t": 3, "agent": "a", "query": "q"}
    name = data.draw(st.sampled_from(sorted(fields)))
    other = dict(fields)
    other[name] = other[name] + 1 if isinstance(other[name], int) else f"{other[name]}x"
    assert seeding.key(**fields) != seeding.key(**other)


def test_fields_cannot_run_into_each_other() -> None:
    assert seeding.key(0, "p", agent="ab", query="c") != seeding.key(0, "p", agent="a", query="bc")


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1), st.integers(1, 5000))
def test_windows_of_seeds_coincide_or_are_disjoint(one: int, other: int, draws: int) -> None:
    a, b = seeding.base_seed(one, draws), seeding.base_seed(other, draws)
    assert a == b or abs(a - b) >= draws
    assert 0 <= a <= 2**32 - 1 - draws  # so that a + draws - 1 is never 4294967295


def test_generators_of_equal_keys_agree_and_of_others_do_not() -> None:
    def first(key: int) -> list[int]:
        return seeding.generator(key).integers(0, 2**60, 4).tolist()

    assert first(5) == first(5)
    assert first(5) != first(6)
