"""What runs show, from their directories alone: ``lwd.test`` and ``lwd test`` are here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lwd_agents import __version__
from lwd_agents.blocks import replace_file
from lwd_agents.errors import BadInput
from lwd_agents.inference.assess import ConditionFindings, Untested, assess
from lwd_agents.inference.calibrate import Calibration
from lwd_agents.inference.compare import compare
from lwd_agents.inference.contrasts import Contrast
from lwd_agents.inference.controls import calibrations
from lwd_agents.inference.grouping import Condition, conditions, expand, read_all, with_placebos
from lwd_agents.inference.measured import Reader
from lwd_agents.inference.options import Options, read_steps, read_window
from lwd_agents.inference.told import told
from lwd_agents.inference.windows import Windows
from lwd_agents.inference.within_run import RunFindings, StepFindings, run_findings, step_tests
from lwd_agents.run_files import Run


@dataclass(frozen=True)
class Findings:
    """What ``test`` found; ``as_json`` is what summary.json keeps under ``inference``.

    Attributes:
        version: of this package.
        options: what was asked for.
        runs: the directories, placebos and controls too.
        conditions: one for each condition among the live runs.
        steps: the tests inside steps.
        by_run: bands and convergence of each live run of language models.
        contrasts: between conditions, where some were declared (``against``).
        contrast_windows: the windows of all of them.
        calibrations: the verdict on controls, where that was asked for.
        untested: what could not be tested, and why.
        said: what is wrong with the files; the rest was computed.
    """

    version: str
    options: Options
    runs: tuple[str, ...]
    conditions: tuple[ConditionFindings, ...]
    steps: tuple[StepFindings, ...]
    by_run: tuple[RunFindings, ...]
    contrasts: tuple[Contrast, ...]
    contrast_windows: Windows | None
    calibrations: tuple[Calibration, ...]
    untested: tuple[Untested, ...]
    said: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values; null for what is not finite."""
        return dict(told(self))


def test(
    runs: str | Path | Sequence[str | Path],
    *,
    against: str | Path | Sequence[str | Path] = (),
    at: str | Sequence[int] | None = None,
    early: str | Sequence[int] | None = None,
    late: str | Sequence[int] | None = None,
    alpha: float = 0.05,
    permutations: int | None = None,
    margin: float | None = None,
    window: int | None = None,
    radius: float | None = None,
    calibrate: bool = False,
    seed: int = 0,
    write: bool = True,
) -> Findings:
    """Say what runs show, and what they cannot show; nothing is run and no model is needed.

    Args:
        runs: run directories, folders of runs, or patterns with a ``*``; placebos among them, or
            beside them as ``lwd run --with-placebo`` leaves them, are matched by their seeds.
        against: the same, of further conditions; each makes one declared contrast with ``runs``.
        at: the steps to test inside: numbers, "all" or "none"; by default the first and the last.
        early, late: windows, as (first, last) or "first:last"; by default those that the
            experiment declares, or step 0 (without placebos the first tenth) and the last fifth.
        alpha, permutations, margin, window, radius, seed: see ``inference.options.Options``.
        calibrate: make the same verdict on controls among ``runs`` too.
        write: keep what is found in the summary.json of every live run.

    Raises:
        BadInput: there is no run, or an option makes no test.
    """
    options = Options(
        alpha=alpha,
        permutations=permutations,
        at=read_steps(at),
        early=read_window(early, "--early"),
        late=read_window(late, "--late"),
        margin=margin,
        window=window,
        radius=radius,
        seed=seed,
    )
    given = [runs] if isinstance(runs, str | Path) else list(runs)
    others = [against] if isinstance(against, str | Path) else against
    groups = [_group([*given]), *(_group([place]) for place in others)]
    said = [line for _, lines in groups for line in lines]
    every = [run for members, _ in groups for run in members]
    found = [[c for c in conditions(members, every) if c.live] for members, _ in groups]
    reader = Reader()
    untested: list[Untested] = []
    main = _tested(found[0], [condition for group in found[1:] for condition in group])
    if not main:
        why = "placebos alone are given; give the runs that they belong to"
        untested.append(Untested("everything", why))
    assessed = _assessed(main, reader, options, untested)
    texts = [run for condition in main for run in condition.live if run.world == "llm"]
    steps, not_tested, lost = step_tests(texts, options)
    by_run, no_bands = run_findings(texts, reader, options)
    compared, spans, no_contrast = compare(found, reader, options) if against else ((), None, ())
    tried = calibrations(every, main, reader, options) if calibrate else ()
    found_now = Findings(
        version=__version__,
        options=options,
        runs=tuple(str(run.path) for run in every),
        conditions=tuple(assessed),
        steps=tuple(steps),
        by_run=tuple(by_run),
        contrasts=tuple(compared),
        contrast_windows=spans,
        calibrations=tuple(tried),
        untested=(*untested, *not_tested, *no_bands, *no_contrast),
        said=tuple(dict.fromkeys([*said, *lost])),
    )
    not_kept = _keep(found_now, main) if write else []
    return replace(found_now, said=(*found_now.said, *not_kept))


def _group(places: Sequence[str | Path]) -> tuple[list[Run], list[str]]:
    """The runs at some places, with the placebos that stand beside them."""
    return read_all(with_placebos(expand(places)))


def _tested(first: Sequence[Condition], others: Sequence[Condition]) -> list[Condition]:
    """The conditions that are tested: frozen readers are controls, unless they are all there is."""
    live = [condition for condition in first if not condition.frozen] or list(first)
    return [*live, *others]


def _assessed(
    tested: Sequence[Condition], reader: Reader, options: Options, untested: list[Untested]
) -> list[ConditionFindings]:
    """What each condition shows; one that cannot be measured is said, unless it is the only one."""
    found = []
    for condition in tested:
        try:
            found.append(assess(condition, reader, options))
        except BadInput as error:
            if len(tested) == 1:
                raise
            untested.append(Untested(condition.name, str(error)))
    return found


def _keep(findings: Findings, tested: Sequence[Condition]) -> list[str]:
    """Write what was found into the summaries of the live runs; returns what was not written."""
    not_written = []
    whole = findings.as_json()
    homes = dict.fromkeys(run.path for condition in tested for run in condition.live)
    parents = dict.fromkeys(path.parent for path in homes if _holds_replicates(path.parent))
    for path in [*homes, *parents]:
        mine = {
            name: [one for one in whole[name] if path in parents or one["run"] == str(path)]
            for name in ("steps", "by_run")
        }
        if problem := _write(path, {**whole, **mine}):
            not_written.append(problem)
    return not_written


def _holds_replicates(path: Path) -> bool:
    return (path / "manifest.json").is_file() and not (path / "rounds.jsonl").is_file()


def _write(path: Path, found: dict[str, Any]) -> str | None:
    """Lay what was found into one summary.json; a sentence where that cannot be done."""
    file = path / "summary.json"
    lock = FileLock(path / ".lock")
    try:
        with lock.acquire(timeout=0):
            there = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
            text = json.dumps({**there, "inference": found}, ensure_ascii=False, indent=1)
            replace_file(file, lambda handle: handle.write(f"{text}\n".encode()))
    except Timeout:
        return f"{path}: a process is running in it; what was found is not kept there"
    except ValueError as error:
        return f"{file}: damaged ({error}); what was found is not kept there"
    except OSError as error:
        return f"{file}: cannot be written ({error.strerror}); what was found is not kept there"
    return None
