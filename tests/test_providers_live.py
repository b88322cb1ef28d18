"""Agents behind real servers on loopback: what a provider honours, bounds, waits and refusals."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from langchain_core.prompts import ChatPromptTemplate
from providers import FAULTS, FaultyProvider, always, llama_server, random_plan, seeded_text

from lwd_agents.agents.agent import Agent, Reading, make_agent
from lwd_agents.agents.calls import Caller, Gate
from lwd_agents.agents.models import resolve_model
from lwd_agents.agents.probe import heeding, probe
from lwd_agents.agents.providers import Service
from lwd_agents.agents.sampling import Response
from lwd_agents.errors import BadInput, LwdError, RunStopped

PROMPT = ChatPromptTemplate.from_messages([("human", "{posts}\n{query}")])
READING = Reading(("Bitcoin rises.",), "What will Bitcoin do?")


def agent(
    url: str, *, timeout: float = 5.0, attempts: int = 1, gate: Gate | None = None, **size: int
) -> Agent:
    """An agent as an experiment's spec makes it, not yet probed."""
    model = resolve_model(
        "openai:some-model",
        draws=8,
        temperature=1.0,
        max_tokens=size.get("max_tokens", 24),
        service=Service(base_url=url, timeout=timeout),
    )
    caller = Caller("a", gate or Gate(), attempts=attempts)
    return make_agent("a", model, prompt=PROMPT, caller=caller)


def probed(url: str, n: int = 8, **given: Any) -> Agent:
    made = agent(url, **given)
    return heeding(made, probe(made, made.given(READING), n))


def honours(made: Agent) -> dict[str, Any]:
    found: dict[str, Any] = made.backend["honours"]
    return found


def texts(draws: list[Response]) -> list[str | None]:
    return [draw.text for draw in draws]


# The faulty provider itself, seen from the wire.


def ask(url: str, timeout: float = 5.0, n: int = 3) -> tuple[int, dict[str, str], bytes]:
    line = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    try:
        body = {"model": "m", "n": n, "messages": [{"role": "user", "content": "q"}]}
        line.request(
            "POST", "/v1/chat/completions", json.dumps(body), {"Authorization": "Bearer k"}
        )
        answer = line.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        line.close()


BROKEN: dict[str, type[Exception] | tuple[type[Exception], ...]] = {
    "reset": ConnectionResetError,
    "reset_midway": (ConnectionResetError, http.client.IncompleteRead),
    "cut": http.client.IncompleteRead,
    "stall": TimeoutError,
    "stall_midway": TimeoutError,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_line_that_breaks(kind: str) -> None:
    with FaultyProvider(kind) as provider:
        with pytest.raises(BROKEN[kind]):
            ask(provider.url, timeout=0.2)
        assert provider.calls[0].fault == kind


def test_answers_that_are_spoilt() -> None:
    def choices(kind: str) -> Any:
        with FaultyProvider(kind) as provider:
            status, _, raw = ask(provider.url)
            assert status == 200
            assert provider.served == [
                c["message"]["content"]
                for c in json.loads(raw)["choices"] or ()
                if c["message"]["content"]
            ]
            return json.loads(raw)["choices"]

    assert [c["index"] for c in choices("ok")] == [0, 1, 2]
    assert [len(choices(kind)) for kind in ("fewer", "more", "no_choices")] == [1, 5, 0]
    assert choices("null_choices") is None
    assert [c["index"] for c in choices("repeated_index")] == [0, 1, 0]
    assert choices("doubled")[2] == choices("doubled")[0]
    assert choices("empty")[0]["message"]["content"] == ""
    assert choices("null")[0]["message"]["content"] is None
    assert choices("filtered")[0]["finish_reason"] == "content_filter"
    with FaultyProvider("truncated") as provider, pytest.raises(json.JSONDecodeError):
        json.loads(ask(provider.url)[2])


def test_refusals() -> None:
    for kind, status in (("429", 429), ("500", 500), ("401", 401), ("404", 404), ("too_long", 400)):
        with FaultyProvider(kind, echo=True) as provider:
            found, headers, raw = ask(provider.url)
            assert found == status
            assert headers.get("Retry-After") == ("0.05" if kind == "429" else None)
            assert "Bearer k" in json.loads(raw)["error"]["message"]
            assert "Bearer k" not in str(provider.calls)
    with FaultyProvider("429_date") as provider:
        assert ask(provider.url)[1]["Retry-After"].endswith("GMT")


def test_a_plan_is_a_function_of_the_number_alone() -> None:
    plan, again = random_plan(1, 0.3), random_plan(1, 0.3)
    kinds = [plan(number) for number in range(2_000)]
    assert kinds == [again(number) for number in range(2_000)]
    assert set(kinds) == {"ok", *FAULTS}
    assert 0.27 < sum(kind != "ok" for kind in kinds) / 2_000 < 0.33
    assert kinds != [random_plan(2, 0.3)(number) for number in range(2_000)]


def test_it_closes_at_once_with_calls_held_back() -> None:
    before = threading.active_count()
    provider = FaultyProvider("stall")
    with provider:
        for _ in range(3):
            threading.Thread(target=quietly_asked, args=(provider.url,)).start()
        while len(provider.calls) < 3:
            time.sleep(0.01)
        began = time.monotonic()
    assert time.monotonic() - began < 2.0
    until = time.monotonic() + 5.0
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(urlsplit(provider.url).port or 0)))


def quietly_asked(url: str) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        ask(url, timeout=30.0)


# What a provider honours.


def test_more_draws_than_the_server_has_slots() -> None:
    with llama_server("north", slots=4) as url:
        made = probed(url, 10)
        assert 2 <= honours(made)["choices"] <= 4
        assert honours(made)["notes"]
        draws = made.sample(READING, 10, 500)
        assert None not in texts(draws)
        assert len(set(texts(draws))) == 10
        assert [draw.seed for draw in draws] == list(range(500, 510))


def test_a_provider_that_honours_n_and_seed_is_asked_once() -> None:
    with FaultyProvider(seeds="honoured") as provider:
        made = probed(provider.url)
        assert (honours(made)["choices"], honours(made)["seed"]) == (8, True)
        before = len(provider.calls)
        draws = made.sample(READING, 8, 70)
        assert len(provider.calls) == before + 1
        prompt = json.dumps(provider.calls[-1].body["messages"])
        assert texts(draws) == [seeded_text(prompt, 70 + j) for j in range(8)]


@pytest.mark.parametrize(
    ("kind", "of_it"),
    [
        ("ignores n", {"one_choice": True, "seeds": "honoured"}),
        ("refuses n > 1", {"most": 1, "seeds": "honoured"}),
        ("gives copies", {"seeds": "one for all"}),
    ],
)
def test_a_provider_without_n_is_asked_draw_by_draw(kind: str, of_it: dict[str, Any]) -> None:
    with FaultyProvider(**of_it) as provider:
        made = probed(provider.url)
        assert honours(made)["choices"] == 1
        assert honours(made)["notes"], kind
        before = len(provider.calls)
        draws = made.sample(READING, 8, 70)
        assert len(provider.calls) == before + 8
        prompt = json.dumps(provider.calls[-1].body["messages"])
        assert texts(draws) == [seeded_text(prompt, 70 + j) for j in range(8)]


def test_a_provider_that_ignores_the_seed_is_recorded_as_such() -> None:
    with FaultyProvider(seeds="ignored") as provider:
        made = probed(provider.url)
        assert honours(made)["seed"] is False
        assert "seed" in " ".join(honours(made)["notes"])
        draws = made.sample(READING, 8, 70)
        assert {draw.seed for draw in draws} == {None}
        assert len(set(texts(draws))) == 8


@pytest.mark.parametrize(
    ("kind", "calls"), [("fewer", 5), ("more", 1), ("repeated_index", 2), ("doubled", 2)]
)
def test_a_call_with_another_number_of_choices(kind: str, calls: int) -> None:
    """Probed while it was well; then one call gives fewer, or more, than were asked for."""
    with FaultyProvider() as provider:
        made = probed(provider.url)
        number = len(provider.calls)
        provider.plan = lambda i: kind if i == number else "ok"
        drawn = texts(made.sample(READING, 8, 70))
        assert None not in drawn
        assert len(set(drawn)) == 8
        assert set(drawn) <= set(provider.served)
        assert len(provider.calls) == number + calls


# Bounds, waits, refusals.


def test_a_wait_that_is_asked_for_is_kept_by_all_calls() -> None:
    with FaultyProvider(always("ok"), one_choice=True, retry_after=0.5) as provider:
        made = probed(provider.url, attempts=3)
        number = len(provider.calls)
        provider.plan = lambda i: "429" if i == number else "ok"
        draws = made.sample(READING, 24, 70)
        assert None not in texts(draws)
        refused = provider.calls[number]
        assert refused.ended is not None
        later = [call.started for call in provider.calls[number + 1 :]]
        # those under way when the refusal came may have started; after that, half a second of rest
        assert not [s for s in later if refused.ended + 0.1 < s < refused.ended + 0.48]
        assert max(later) > refused.ended + 0.48


@pytest.mark.parametrize(
    "kind", ["429_date", "429_bare", "503", "html", "cut", "truncated", "reset"]
)
def test_another_try_after_what_passes(kind: str) -> None:
    with FaultyProvider(lambda i: kind if i == 0 else "ok") as provider:
        draws = agent(provider.url, attempts=2).sample(READING, 1, 70)
        assert None not in texts(draws)
        assert [call.fault for call in provider.calls] == [kind, "ok"]


def test_a_wait_of_hours_stops_the_run_instead() -> None:
    with FaultyProvider("429", retry_after=7200) as provider:
        began = time.monotonic()
        with pytest.raises(RunStopped, match=r"agent a: .*7,200 s"):
            agent(provider.url, attempts=5).sample(READING, 1, 70)
        assert time.monotonic() - began < 2.0
        assert len(provider.calls) == 1


@pytest.mark.parametrize("kind", ["401", "404"])
def test_a_wrong_key_or_model_is_not_tried_again(kind: str) -> None:
    with FaultyProvider(kind) as provider:
        with pytest.raises(RunStopped, match="agent a: "):
            agent(provider.url, attempts=5).sample(READING, 1, 70)
        assert len(provider.calls) == 1
        with pytest.raises(BadInput, match="agent a: "):
            probed(provider.url, attempts=5)


def test_a_stalled_call_ends_when_its_time_is_over() -> None:
    for kind in ("stall", "stall_midway"):
        with FaultyProvider(kind) as provider:
            began = time.monotonic()
            [draw] = agent(provider.url, timeout=0.3).sample(READING, 1, 70)
            assert time.monotonic() - began < 3.0
            assert draw.text is None
            assert "imeout" in str(draw.missing) or "imed out" in str(draw.missing)


def test_an_answer_in_drops_is_waited_for() -> None:
    """The timeout is how long a provider may be silent, not how long it may take."""
    with FaultyProvider("trickle", stall=1.2) as provider:
        [draw] = agent(provider.url, timeout=0.6).sample(READING, 1, 70)
        assert provider.calls[0].seconds > 1.2
        assert draw.text is not None


def test_so_many_calls_at_once_and_no_more() -> None:
    with FaultyProvider(one_choice=True, delay=0.1) as provider:
        gate = Gate(concurrency=3)
        made = probed(provider.url, gate=gate)
        other = agent(provider.url, gate=gate)  # a second agent of the same model
        provider.most_at_once = 0
        thread = threading.Thread(target=other.sample, args=(READING, 4, 900))
        thread.start()
        assert None not in texts(made.sample(READING, 9, 70))
        thread.join()
        assert provider.most_at_once == 3


def test_so_many_calls_a_second_and_no_more() -> None:
    with FaultyProvider(one_choice=True) as provider:
        made = probed(provider.url, gate=Gate(8, requests_per_second=20.0))
        before = len(provider.calls)
        made.sample(READING, 20, 70)
        started = sorted(call.started for call in provider.calls[before:])
        assert len(started) == 20
        assert started[-1] - started[0] > 0.8  # 19 gaps of a twentieth, less what was saved up


@pytest.fixture(scope="module")
def short() -> Iterator[str]:
    with llama_server("north", slots=2, context=128, max_tokens=8) as url:
        yield url


def test_a_prompt_beyond_the_context_is_said(short: str) -> None:
    long = Reading(("Bitcoin rises. " * 200,), "What?")
    made = agent(short, max_tokens=8)
    with pytest.raises(BadInput, match="context"):
        probe(made, made.given(long), 4)
    made = probed(short, 2, max_tokens=8)
    try:
        said = [str(draw.missing) for draw in made.sample(long, 2, 70)]
    except LwdError as error:
        said = [str(error)]
    assert all("exceeds the available context size" in reason for reason in said)


def test_a_server_that_asks_for_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LWD_TEST_KEY", "the-right-key-5512")
    with llama_server("north", slots=2, key="the-right-key-5512") as url:
        with pytest.raises(BadInput, match="Invalid API Key"):
            probed(url)
        service = Service(base_url=url, api_key_env="LWD_TEST_KEY")
        model = resolve_model(
            "openai:north", draws=2, temperature=1.0, max_tokens=8, service=service
        )
        made = make_agent("a", model, prompt=PROMPT)
        assert None not in texts(made.sample(READING, 2, 70))
        assert "the-right-key-5512" not in json.dumps(made.backend)
