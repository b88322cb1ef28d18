"""The model hub: is it there? Asked once, before a client of it retries for minutes."""

from __future__ import annotations

import functools
import urllib.error
import urllib.request

_TIMEOUT = 8.0  # seconds


@functools.cache
def reachable() -> bool:
    """Whether the hub answers (through the proxy that the environment names, if any)."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        with urllib.request.urlopen(constants.ENDPOINT, timeout=_TIMEOUT):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
