"""What a draw is, and which seeds there are."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lwd_agents.errors import BadInput
from lwd_agents.secrets import redact

MAX_CHARACTERS = 20_000
SEED_KEY = "lwd_seed"  # in a RunnableConfig's metadata: the seed of the draw that is being made
EMPTY = "empty answer"
RANDOM_SEED = 2**32 - 1  # llama.cpp reads this value as "choose one yourself"


@dataclass(frozen=True)
class Response:
    """One of L draws.

    ``text`` is exactly what was sampled, or None when the draw is missing, and then ``missing``
    says why in one line. ``seed`` is None where the backend takes none; the token counts and the
    finish reason are None where it does not tell. ``input_tokens`` is the prompt's length, the
    same for each draw of a call.
    """

    text: str | None
    missing: str | None
    seed: int | None
    input_tokens: int | None
    output_tokens: int | None
    finish_reason: str | None

    def with_seed(self, seed: int) -> Response:
        """The same draw, with the seed that it was asked for with."""
        return replace(self, seed=seed)

    def of_many(self) -> Response:
        """The same draw, one of several whose tokens were only counted together."""
        return replace(self, output_tokens=None)


def response(
    text: str,
    *,
    seed: int | None = None,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    finish_reason: str | None = None,
) -> Response:
    """Record a draw: present, or missing because it is empty, too long, or not text."""
    missing = None
    if not text.strip():
        missing = EMPTY
    elif len(text) > MAX_CHARACTERS:
        missing = f"longer than {MAX_CHARACTERS:,} characters ({len(text):,})"
    elif any("\ud800" <= character <= "\udfff" for character in text):
        missing = "not text: half a surrogate pair"
    kept = None if missing else text
    return Response(kept, missing, seed, input_tokens, output_tokens, finish_reason)


def reason(error: BaseException) -> str:
    """Why something failed, in one line without keys: the class and the message's first line."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    said = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return redact(said.encode(errors="replace").decode())[:500]


def failed(why: str, seed: int | None = None) -> Response:
    """Record a draw that is missing because its call failed."""
    return Response(None, why, seed, None, None, None)


def check_seeds(seed: int, n: int) -> None:
    """Refuse a window of seeds [seed, seed + n) that leaves [0, 2^32 - 1)."""
    if seed < 0 or seed + n > RANDOM_SEED:
        raise BadInput(
            f"seed {seed} with {n} draws: the seeds {seed} to {seed + n - 1} should lie "
            f"between 0 and {RANDOM_SEED - 1}"
        )
