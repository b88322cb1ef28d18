from __future__ import annotations

import subprocess
import sys

import pytest

from lwd_agents.agents.sampling import RANDOM_SEED, check_seeds, reason, response
from lwd_agents.errors import BadInput


def test_a_text_is_kept_exactly_as_it_was_sampled() -> None:
    text = "  Bitcoin\twill rise.\n\n "
    assert response(text).text == text
    assert response(text).missing is None


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_an_empty_answer_is_missing(text: str) -> None:
    drawn = response(text, seed=3, output_tokens=1, finish_reason="stop")
    assert (drawn.text, drawn.missing, drawn.seed) == (None, "empty answer", 3)


def test_an_answer_of_100_kb_is_missing_and_20_000_characters_are_not() -> None:
    assert response("x" * 20_000).missing is None
    drawn = response("x" * 100_000)
    assert (drawn.text, drawn.missing) == (None, "longer than 20,000 characters (100,000)")


def test_half_a_surrogate_pair_is_no_text() -> None:
    half = chr(0xD83D)
    assert response(f"up {half}").missing == "not text: half a surrogate pair"
    assert reason(ValueError(half)) == "ValueError: ?"


def test_a_failure_is_one_line_with_its_class() -> None:
    assert reason(ValueError("\nno such\nmodel")) == "ValueError: no such"
    assert reason(TimeoutError()) == "TimeoutError"


def test_seeds_stay_below_the_value_that_means_random() -> None:
    check_seeds(RANDOM_SEED - 40, 40)
    for seed, n in ((RANDOM_SEED - 39, 40), (-1, 1), (RANDOM_SEED, 1)):
        with pytest.raises(BadInput, match="seed"):
            check_seeds(seed, n)


def test_the_package_imports_no_heavy_library() -> None:
    code = (
        "import sys, lwd_agents.agents, lwd_agents.agents.models, lwd_agents.agents.sampling;"
        "print(*[m for m in ('torch', 'langchain_core', 'xllamacpp', 'transformers')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
