"""What can go wrong, by what the person in front of the screen should do about it."""

from __future__ import annotations


class LwdError(Exception):
    """An error with one line for the user: the value, where it came from, what would be right."""

    exit_code = 1


class BadInput(LwdError):
    """The input cannot be used as it is (exit 2). Nothing was written, or what was stays valid."""

    exit_code = 2


class RunStopped(LwdError):
    """The run could not go on (exit 3). Its committed steps are valid; the command resumes it."""

    exit_code = 3


class Refused(RunStopped):
    """A provider refuses every call: a wrong key, no money, no such model."""


class BadLearner(BadInput):
    """Something about one learner of a network, whose name is not known where it is found.

    Attributes:
        place: of the learner among its network's, counted from 0.
        why: what is wrong with it, as the sentence goes on.
    """

    def __init__(self, place: int, why: str) -> None:
        super().__init__(f"learner {place} (counted from 0) {why}")
        self.place, self.why = place, why


def unreadable(error: Exception) -> str:
    """Why a file of text cannot be read, in words."""
    if isinstance(error, UnicodeDecodeError):
        return f"should be UTF-8, which the byte {error.object[error.start]:#04x} in it is not"
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"
