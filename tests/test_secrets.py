"""Keys stay out of whatever is recorded or said."""

from __future__ import annotations

import pytest

from lwd_agents import secrets
from lwd_agents.agents.sampling import reason


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "openai_api_key",
        "API-KEY",
        "secret",
        "password",
        "default_headers",
        "authorization",
        "access_token",
        "aws_secret_access_key",
    ],
)
def test_a_setting_that_would_hold_a_key(name: str) -> None:
    assert secrets.looks_secret(name)


@pytest.mark.parametrize("name", ["max_tokens", "api_key_env", "top_k", "keep_alive", "n_batch"])
def test_a_setting_that_would_not(name: str) -> None:
    assert not secrets.looks_secret(name)


def test_what_the_environment_holds_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PROVIDER_API_KEY", "hunter2hunter2")
    monkeypatch.setenv("EDITOR", "a-good-editor")
    said = secrets.redact("the key hunter2hunter2 is wrong, says a-good-editor")
    assert said == "the key [MY_PROVIDER_API_KEY] is wrong, says a-good-editor"
    assert reason(RuntimeError("401: hunter2hunter2")) == "RuntimeError: 401: [MY_PROVIDER_API_KEY]"


def test_what_was_remembered_and_what_looks_like_a_key() -> None:
    secrets.remember("correct horse battery", "PASSPHRASE")
    nested = {"a": ["say correct horse battery", 3, None], "b": {"c": "sk-" + "A1b2" * 8}}
    assert secrets.redact_all(nested) == {"a": ["say [PASSPHRASE]", 3, None], "b": {"c": "[a key]"}}
    assert secrets.redact("the risk-averse sk-1 stays") == "the risk-averse sk-1 stays"


def test_a_short_value_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "on")
    assert secrets.redact("on and on") == "on and on"
