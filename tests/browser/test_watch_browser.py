"""``lwd watch`` in a real browser, while a real run goes on."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from chromium import Open
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.runnables import RunnableLambda

import lwd_agents as lwd
from lwd_agents.engine import Round
from lwd_agents.progress import Silent

STEPS = 4
PATIENCE = 60.0  # seconds; how soon a step is shown is timed in scripts/bench_report.py


class StepByStep(Silent):
    """Holds a run after each committed step until it may go on."""

    def __init__(self) -> None:
        self.committed = threading.Semaphore(0)
        self.onward = threading.Semaphore(0)

    def round(self, round: Round, steps: int) -> None:
        self.committed.release()
        assert self.onward.acquire(timeout=PATIENCE)


def say(given: dict[str, str]) -> str:
    return given["posts"].split("\n")[-1] + " indeed"


def going_on(out: Path, held: StepByStep) -> threading.Thread:
    models: dict[str, Any] = {name: RunnableLambda(say) for name in ("a", "b")}
    settings = {"steps": STEPS, "draws": 4, "settings": ["internet.store=memory"]}
    how = {"agents": models, "embeddings": DeterministicFakeEmbedding(size=8), **settings}
    return threading.Thread(
        target=lambda: lwd.run("pocket", out=out, progress=held, **how)  # type: ignore[arg-type]
    )


def test_each_committed_step_is_on_the_page_while_the_run_waits(tmp_path: Path, show: Open) -> None:
    out, held = tmp_path / "run", StepByStep()
    run = going_on(out, held)
    with lwd.watch(out, wait=True) as watched:
        run.start()
        assert held.committed.acquire(timeout=PATIENCE)
        shown = show(watched.url)
        shown.page.locator("#explore").scroll_into_view_if_needed()
        for t in range(STEPS + 1):
            shown.page.wait_for_function(
                "t => document.getElementById('step-now')?.textContent.startsWith(`${t} `)",
                arg=t,
                timeout=1000 * PATIENCE,
            )
            assert shown.page.locator("#step").input_value() == str(t) == str(shown.state()["t"])
            norms = shown.page.evaluate("() => LWD.run().curves.norm")
            np.testing.assert_allclose(norms, lwd.load(out).norm, rtol=1e-5)
            held.onward.release()
            assert t == STEPS or held.committed.acquire(timeout=PATIENCE)
        run.join()
        # at its end the page is made anew, with the verdict and the texts' measures
        shown.page.wait_for_function(
            "() => typeof LWD === 'object' && LWD.data?.verdict", timeout=1000 * PATIENCE
        )
        assert "pair" in (shown.page.locator("#verdict").text_content() or "")
        assert shown.said == []
        assert all(address.startswith(watched.url) for address in shown.asked)
