"""Which failures of a call are worth another try, and how long to wait before it.

A provider's classes are not imported here: an error is judged by its HTTP status where it has one
(openai, anthropic, httpx and requests all tell), else by the names in its class's ancestry.
"""

from __future__ import annotations

import email.utils
import math
import random
import time
from typing import Any

LONGEST_WAIT = 120.0  # seconds; a provider that asks for more stops the run, which can be resumed
_LONGEST_BACKOFF = 30.0  # seconds
_AGAIN = {408, 409, 425, 429}
_HOPELESS = {401, 402, 403, 404}
_LINE_BROKE = {
    "APIConnectionError",  # openai, anthropic
    "APIResponseValidationError",
    "ConnectionError",  # Python's and requests'
    "JSONDecodeError",
    "ProtocolError",
    "RequestError",  # httpx
    "TimeoutError",
    "TransportError",
}
_NO_CHOICES = "null value for 'choices'"  # langchain-openai, of an answer without any
_NO_MONEY = ("insufficient_quota", "billing", "credit balance")


def status(error: BaseException) -> int | None:
    """The HTTP status of the answer that an error tells of, if any."""
    for owner in (error, getattr(error, "response", None)):
        for name in ("status_code", "http_status", "code"):
            value = getattr(owner, name, None)
            if isinstance(value, int) and 100 <= value < 600:
                return value
    # langchain-openai raises the body's "error" of an answer that came with status 200
    body = error.args[0] if error.args else None
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, int) and 100 <= code < 600 else None


def hopeless(error: BaseException) -> bool:
    """Whether every further call would fail the same way: a wrong key, no money, no such model."""
    code = status(error)
    if code in _HOPELESS:
        return True
    return code == 429 and any(word in str(error) for word in _NO_MONEY)


def transient(error: BaseException) -> bool:
    """Whether the same call may well succeed a little later."""
    code = status(error)
    if code is not None and code >= 400:
        return (code in _AGAIN or code >= 500) and not hopeless(error)
    if code is None and error.args and isinstance(error.args[0], dict):
        return True  # an error in the body of an answer that came with status 200
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(names & _LINE_BROKE) or _NO_CHOICES in str(error)


def wait(error: BaseException, tries: int) -> float:
    """Seconds to wait after try number ``tries`` (1, 2, ...): what the provider asks, or backoff.

    The backoff doubles from a quarter of a second to half a minute, with jitter, so that calls
    that failed together don't come back together.
    """
    asked = _asked(error)
    if asked is not None:
        return asked
    return min(_LONGEST_BACKOFF, 0.25 * 2.0 ** (tries - 1)) * (1.0 + random.random() / 2.0)


def _asked(error: BaseException) -> float | None:
    """Retry-After in seconds: a number, a date, or in milliseconds; None where there is none."""
    headers: Any = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        return None
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            asked = float(headers.get(name)) / unit
        except (TypeError, ValueError):
            continue
        if math.isfinite(asked):
            return max(0.0, asked)
    date = email.utils.parsedate_tz(str(headers.get("retry-after") or ""))
    return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else None
