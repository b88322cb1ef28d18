"""The words that end ``lwd run`` on a terminal."""

from __future__ import annotations

import math
import shlex
from statistics import mean

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lwd_agents.report.learner_words import learner_lines
from lwd_agents.report.summary import side_by_side
from lwd_agents.report.wording import number, printable
from lwd_agents.trajectory import Trajectory

_ALONE = "A falling norm alone is no evidence of collapse: readings grow, and average out."
_NARROWEST = 20  # columns of a terminal that one answer needs to be read


def closing(trajectory: Trajectory, console: Console | None = None) -> None:
    """The norm at both ends, what the world has to show, and where everything is."""
    console = console or Console(highlight=False)
    first, last = _ends(trajectory)
    lengths = {len(run) - 1 for run in trajectory.runs}
    end = f"t = {lengths.pop()}" if len(lengths) == 1 else "each one's last step"
    share = trajectory.synthetic_share[-1]
    _say(
        console,
        f"||D||_F{_whose(trajectory)}: {number(first)} at t = 0, "
        f"{number(last)} at {end}{_change(first, last)}; "
        + (
            f"{share:.0%} of the data was labelled by learners."
            if trajectory.world == "graph"
            else f"{share:.0%} of the Internet was written by the models."
        ),
    )
    if trajectory.world == "llm":
        _stopped(trajectory, console)
        if trajectory.replicates:
            _spread(trajectory, console)
        if last < first:
            _say(console, _ALONE)
        _answers(trajectory, console)
        _account(trajectory, console)
    elif trajectory.world == "graph":
        for line in learner_lines(trajectory.summary):
            _say(console, printable(line))
    else:
        _replicates(trajectory, console)
    figures = sorted((trajectory.path / "figures").glob("*.png"))
    _say(console, f"run: {trajectory.path} ({trajectory.manifest['status']})")
    for figure in figures:
        _say(console, f"figure: {figure}")
    _say(console, f"a page to look at: lwd report {shlex.quote(str(trajectory.path))}")


def _ends(trajectory: Trajectory) -> tuple[float, float]:
    """The norm at t = 0 and t = T; of replicates that are runs of their own, the mean."""
    said, which = trajectory.summary, "_mean" if trajectory.replicates else ""
    first, last = (said[f"norm_{end}{which}"] for end in ("first", "last"))
    return math.nan if first is None else first, math.nan if last is None else last


def _change(first: float, last: float) -> str:
    """`` (-12%)``, or how many times where it is many."""
    if not (first > 0 and math.isfinite(last)):
        return ""
    if last >= 100 * first:
        return f" ({last / first:.3g} times)"
    return f" ({last / first - 1:+.0%})"


def _whose(trajectory: Trajectory) -> str:
    """Whose norm it is, where a run in numbers has several replicates."""
    numeric = trajectory.world != "llm" and trajectory.summary.get("replicates", 1) > 1
    return " of the first replicate" if numeric else ""


def _stopped(trajectory: Trajectory, console: Console) -> None:
    """Where and why a run stopped itself, if it did."""
    if stopped := trajectory.manifest.get("stopped"):
        first, last = stopped["fresh"]
        _say(
            console,
            f"converged at t = {stopped['at']}: ||D||_F, less its draw floor, is below "
            f"{stopped['margin']:.4g} at {stopped['window']} steps in a row (level "
            f"{stopped['alpha']:g} over the run, given the readings). Steps {first} to {last} are "
            "fresh: later tests may use only them.",
        )


def _spread(trajectory: Trajectory, console: Console) -> None:
    """How far the replicates are apart, and whose answers follow."""
    said = trajectory.summary
    first, last = (
        number(math.nan if error is None else error)
        for error in (said["norm_first_se"], said["norm_last_se"])
    )
    _say(
        console,
        f"means over {said['replicates']} replicates, standard errors {first} and {last}; the "
        f"answers below are those of {trajectory.source.name}.",
    )


def _account(trajectory: Trajectory, console: Console) -> None:
    """What was asked of the models, and what failed or was marked."""
    said = trajectory.summary
    spent = said["spent"]
    tokens = spent["input_tokens"] + spent["output_tokens"]
    about = "about " if spent["estimated"] else ""
    cost = "at a cost that is not known" if spent["cost"] is None else f"for ${spent['cost']:.4f}"
    failed = f" ({spent['failed']:,} failed)" if spent["failed"] else ""
    line = f"calls: {spent['calls']:,}{failed}, {about}{tokens:,} tokens"
    _say(console, f"{line}, {cost}." if spent["cost"] != 0 else f"{line}.")
    if said["missing"]:
        _say(
            console,
            f"missing draws: {said['missing']:,} of {said['responses'] + said['missing']:,}.",
        )
    if marked := said.get("marked"):
        counts = ", ".join(f"{rule} {count:,}" for rule, count in marked.items())
        _say(console, f"marked responses of {said['responses']:,}: {counts}.")


def closing_pair(live: Trajectory, placebo: Trajectory, console: Console | None = None) -> None:
    """A run's closing words, and its norm beside that of its placebo, paired by seeds."""
    console = console or Console(highlight=False)
    closing(live, console)
    first, last = _ends(placebo)
    steps = len(placebo) - 1
    ends = f"{number(first)} at t = 0, {number(last)} at t = {steps}"
    _say(console, f"placebo, human posts in place of the models' own: ||D||_F {ends}.")
    beside = {run.manifest["seed"]: run for run in placebo.runs}
    pairs = [(run, beside[seed]) for run in live.runs if (seed := run.manifest["seed"]) in beside]
    fell = [_fell(run) - _fell(other) for run, other in pairs]
    fell = [value for value in fell if math.isfinite(value)]
    if len(fell) == 1:
        said = f"{fell[0]:+.4f} (one pair, no inference)"
    else:
        said = f"{mean(fell):+.4f} (mean of {len(fell)} pairs, no inference)" if fell else ""
    if said:
        _say(console, f"live minus placebo, last less first: {said}.")
    _say(console, f"placebo run: {placebo.path} ({placebo.manifest['status']})")


def _fell(trajectory: Trajectory) -> float:
    return float(trajectory.norm[-1] - trajectory.norm[0])


def _say(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True, markup=False)


def _answers(trajectory: Trajectory, console: Console) -> None:
    """The agents' answers at t = 1 and t = T: side by side where the terminal is wide enough."""
    answers = side_by_side(trajectory)
    if len(trajectory.agents) * _NARROWEST > console.width:
        for t, by_agent in answers.items():
            for agent, text in by_agent.items():
                console.print(Text(f"t = {t}, {agent}: {_shown(text)}"), soft_wrap=True)
        return
    table = Table("", show_lines=True)
    for agent in trajectory.agents:
        table.add_column(Text(agent))
    for t, by_agent in answers.items():
        table.add_row(f"t = {t}", *(Text(_shown(text)) for text in by_agent.values()))
    console.print(table)


def _replicates(trajectory: Trajectory, console: Console) -> None:
    """All replicates together, the placebo beside them, and what the theory says."""
    said = trajectory.summary
    many = said["replicates"]
    if many > 1:
        ends = f"{said['norm_rms_first']:.4f} at t = 0, {said['norm_rms_last']:.4f} at the end"
        _say(console, f"root mean square over {many} replicates: {ends}.")
    if "placebo_norm_rms_last" in said:
        ends = f"{said['placebo_norm_rms_first']:.4f} at t = 0, "
        ends += f"{said['placebo_norm_rms_last']:.4f} at the end"
        _say(console, f"placebo, human points in place of the models' own: {ends}.")
        _say(console, "Collapse is what the models' posts do beyond the placebo.")
    elif said["norm_rms_last"] < said["norm_rms_first"]:
        _say(console, f"{_ALONE} --set placebo=true draws what human posts would do.")
    theory = said["theory"]
    if theory["applies"]:
        about = " (components overlap: to first order)" if theory["linearised"] else ""
        _say(console, f"theory{about}: {theory['predicted_rms_last']:.4f} at the end.")
    else:
        _say(console, f"theory: no prediction is drawn: {theory['refused']}.")
    if said["clips"]:
        _say(console, f"clips (weights set to epsilon) over all replicates: {said['clips']:,}.")
    if ones := said["k_is_one_at"]:
        _say(console, f"k_t = 1 at t = {ones[0]}: there one point sets every other weight to eps.")


def _shown(text: str | None) -> str:
    """A model's text, in which control characters (they could steer the terminal) are marks."""
    return "(silent)" if text is None else printable(text)
