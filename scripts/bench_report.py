"""Time the page: how long it takes to make, how fast it answers, what watching a run costs.

    python scripts/bench_report.py [--only page|large|watch] [--run RUN] [--keep DIR] [--steps 60]

page   the pocket preset's page: seconds beyond those of its measures and tests, and bytes. --run: a
       finished pocket run; without, one is made first.
large  100 steps x 10 agents x 40 draws: seconds and bytes; in a browser, from a move of the slider
       to the next painted frame, and from a search to the table. The run is a real one on cheap
       models (large_run.py); it takes some minutes and is kept in --keep, to be used again.
watch  a pocket run while `lwd watch` serves its page to a browser: from a committed line to the
       step on the page, the watcher's processor seconds, and the run's time without and with it.

Prints a Markdown table. Needs Chromium for large and watch. Processor seconds stand beside those of
the clock, since machines are shared.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import psutil  # noqa: E402
from chromium import launched, opened  # noqa: E402
from large_run import large_run  # noqa: E402

import lwd_agents as lwd  # noqa: E402

LWD = [sys.executable, "-m", "lwd_agents.cli"]
MOVES, SEARCHES = 50, ("bitcoin", "regulation", '"steady holders"', "supply 42", "the")

# From an input event to the end of the first frame in which the marks are where the step's are.
SLIDE = """async (moves) => {
  const slider = document.getElementById("step");
  const chart = document.querySelector("#explore .chart.plane");
  const place = chart.data.findIndex((one) => one.meta === "response");
  const painted = () => new Promise((go) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => go(performance.now());
    channel.port2.postMessage(0);
  }));
  const there = (t) => {
    const { xaxis, yaxis, _fullData } = { ...chart._fullLayout, _fullData: chart._fullData };
    const { x, y } = LWD.run().texts.responses;
    const [first, end] = LWD.rows(LWD.run(), t);
    const marks = chart.querySelectorAll(`.trace${_fullData[place].uid} path.point`);
    return [first, end - 1].every((row) => {
      const mark = marks[row - first];
      const at = mark && mark.getAttribute("transform").match(/[-.\\d]+/g).map(Number);
      return at && Math.abs(at[0] - xaxis.c2p(x[row])) < 0.1
        && Math.abs(at[1] - yaxis.c2p(y[row])) < 0.1;
    });
  };
  const taken = [];
  for (const t of moves) {
    await new Promise((go) => setTimeout(go, 60));
    const began = performance.now();
    slider.value = t;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    let ended = await painted();
    while (!there(t) && ended - began < 3000) ended = await painted();
    taken.push(ended - began);
  }
  return taken;
}"""

# From the last key to the table that answers it; the page waits a moment for further keys.
SEARCH = """async (words) => {
  const box = document.getElementById("responses-search");
  const count = document.getElementById("responses-count");
  const taken = [];
  for (const word of words) {
    const before = count.textContent;
    const began = performance.now();
    box.value = word;
    box.dispatchEvent(new Event("input", { bubbles: true }));
    while (count.textContent === before && performance.now() - began < 3000)
      await new Promise((go) => requestAnimationFrame(go));
    taken.push(performance.now() - began);
  }
  return taken;
}"""

# When the page's own words first say that a step is shown, in seconds since 1970; also after the
# page was loaded anew.
SHOWN = """(() => {
  const shown = JSON.parse(sessionStorage.getItem("shown") || "{}");
  const look = () => {
    const said = document.getElementById("step-now");
    const step = said && said.textContent.split(" ")[0];
    if (!step || step in shown) return;
    shown[step] = Date.now() / 1000;
    sessionStorage.setItem("shown", JSON.stringify(shown));
  };
  new MutationObserver(look).observe(document, {
    childList: true, characterData: true, subtree: true,
  });
})()"""
SEEN = "() => JSON.parse(sessionStorage.getItem('shown') || '{}')"

Row = tuple[str, str, str]


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds by the clock, seconds of the processor, and what came of it."""
    clock, processor = time.perf_counter(), time.process_time()
    made = work()
    return time.perf_counter() - clock, time.process_time() - processor, made


def beyond(run: Path, folder: Path) -> tuple[list[float], Any]:
    """Seconds (clock, processor) of the page, of measures and tests, and of the page less them."""

    def measures() -> None:
        lwd.measure(run)
        lwd.test(run, write=False)

    lwd.page(run, out=folder / "warm.html")  # compiles, and imports
    clock, processor, made = timed(lambda: lwd.page(run, out=folder / "page.html"))
    others = timed(measures)
    return [clock, processor, clock - others[0], processor - others[1]], made


def page(given: argparse.Namespace, folder: Path) -> Iterator[Row]:
    run = given.run or lwd.run("pocket", steps=given.steps, out=folder / "pocket").path
    (clock, processor, more, more_processor), made = beyond(run, folder)
    yield "pocket preset: page", "", f"{clock:.1f} s ({processor:.1f} s processor)"
    yield (
        "pocket preset: page beyond measures and tests",
        "< 10 s",
        f"{more:.1f} s ({more_processor:.1f} s processor)",
    )
    yield "pocket preset: size", "< 10 MB", f"{made.size / 1e6:.1f} MB"


def large(given: argparse.Namespace, folder: Path) -> Iterator[Row]:
    run = large_run((given.keep or folder) / "large")
    (clock, processor, more, more_processor), made = beyond(run, folder)
    yield "100 x 10 x 40: page", "", f"{clock:.1f} s ({processor:.1f} s processor)"
    yield (
        "100 x 10 x 40: page beyond measures and tests",
        "< 20 s",
        f"{more:.1f} s ({more_processor:.1f} s processor)",
    )
    yield "100 x 10 x 40: size", "< 25 MB", f"{made.size / 1e6:.1f} MB"
    with launched() as browser, opened(browser, made.page) as shown:
        chart = shown.page.locator("#explore .chart.plane")
        chart.evaluate("one => one.scrollIntoView({ behavior: 'instant' })")
        shown.page.wait_for_selector("#explore .chart.plane .point")
        moves = [(37 * i) % 100 for i in range(1, MOVES + 1)]
        yield "slider to painted frame", "< 100 ms", spread(shown.page.evaluate(SLIDE, moves))
        near = [t % 100 for t in range(20, 20 + MOVES)]
        yield "the same, step after step", "< 100 ms", spread(shown.page.evaluate(SLIDE, near))
        shown.page.locator("#responses").evaluate(
            "one => one.scrollIntoView({ behavior: 'instant' })"
        )
        shown.settle()
        yield "search to table, 40,000 responses", "", spread(shown.page.evaluate(SEARCH, SEARCHES))


def spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.0f} ms median, {max(values):.0f} ms most"


def watch(given: argparse.Namespace, folder: Path) -> Iterator[Row]:
    alone = run_of(folder / "alone", given.steps)
    alone.wait()
    without = seconds_of(folder / "alone")
    out = folder / "watched"
    with serving(out) as (watcher, url):
        run = run_of(out, given.steps)
        committed, processor = {}, {}
        follow = threading.Thread(
            target=lambda: note(out, run, watcher, committed, processor, given.steps), daemon=True
        )
        follow.start()
        while 0 not in committed:
            time.sleep(0.05)
        with launched() as browser, opened(browser, url) as shown:
            shown.page.evaluate(SHOWN)
            shown.page.add_init_script(SHOWN)
            seen: dict[str, float] = {}
            while run.poll() is None:
                shown.page.wait_for_timeout(200)
                seen |= shown.page.evaluate(SEEN)
        follow.join()
    delays = [at - committed[int(t)] for t, at in seen.items() if int(t) in committed]
    said = (
        f"{statistics.median(delays):.2f} s median, {max(delays):.2f} s most, {len(delays)} steps"
    )
    yield "watch: committed line to page", "< 1 s", said
    took = processor["watcher"]
    yield (
        "watch: watcher's processor time while the run goes on",
        "< 1 % of the run's time",
        f"{took:.2f} s: {took / processor['wall']:.2%} of its {processor['wall']:.0f} s by the "
        f"clock, {took / processor['run']:.2%} of its {processor['run']:.0f} s of processor; "
        f"{processor['once']:.2f} s of it up to t = 1",
    )
    beside = seconds_of(out)
    yield (
        "watch: the run's steps with it (and a browser beside), without it",
        "",
        f"{beside:.1f} s, {without:.1f} s",
    )


def run_of(out: Path, steps: int) -> subprocess.Popen[bytes]:
    command = ["run", "pocket", "--steps", str(steps), "--out", str(out), "--quiet"]
    return subprocess.Popen([*LWD, *command])


def seconds_of(run: Path) -> float:
    """The seconds of all steps of a run, as it noted them itself."""
    return float(sum(lwd.load(run).summary["seconds"].values()))


@contextmanager
def serving(out: Path) -> Iterator[tuple[psutil.Process, str]]:
    """`lwd watch` on a run to come: its process and its address."""
    command = [*LWD, "watch", str(out), "--wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield psutil.Process(process.pid), process.stdout.readline().split()[0]
        finally:
            process.terminate()


def note(
    out: Path,
    run: subprocess.Popen[bytes],
    watcher: psutil.Process,
    committed: dict[int, float],
    processor: dict[str, float],
    steps: int,
) -> None:
    """When each line of rounds.jsonl came, and what the processes took up to the last one.

    When the run is over the watcher makes the whole page; that is no longer beside the run.
    """
    file, ours, began = out / "rounds.jsonl", psutil.Process(run.pid), time.perf_counter()
    used = watcher.cpu_times()
    started = used.user + used.system
    while run.poll() is None:
        lines = file.read_bytes().count(b"\n") if file.exists() else 0
        for t in range(len(committed), lines):
            committed[t] = time.time()
        try:
            own, other = ours.cpu_times(), watcher.cpu_times()
        except psutil.Error:
            break
        if own.user and len(committed) <= steps:
            processor["run"] = own.user + own.system
            processor["watcher"] = other.user + other.system - started
            if len(committed) < 3:  # what it takes once: modules, the first page
                processor["once"] = processor["watcher"]
            processor["wall"] = time.perf_counter() - began
        time.sleep(0.02)


PARTS: dict[str, Callable[[argparse.Namespace, Path], Iterator[Row]]] = {
    "page": page,
    "large": large,
    "watch": watch,
}


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--run", type=Path, help="a finished pocket run")
    parser.add_argument("--keep", type=Path, help="where the large run is kept")
    parser.add_argument("--steps", type=int, default=60, help="T of the pocket runs")
    given = parser.parse_args()
    print("| what | wanted | measured |\n|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in given.only or PARTS:
            for row in PARTS[name](given, Path(folder)):
                print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
