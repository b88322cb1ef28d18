"""The words of ``lwd verdict``, from what its JSON holds. Nothing is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from lwd_agents.report.wording import count, plain, printable

Found = Mapping[str, Any]
_MOST = 10  # lines of one kind, and names in a line: the rest is counted
_LONG = 40  # characters of a name


def tell(found: Found, console: Console | None = None) -> None:
    """Print a verdict on a graph."""
    console = console or Console(highlight=False)
    for line in lines(found):
        console.print(printable(line), soft_wrap=True, markup=False, emoji=False)


def lines(found: Found) -> list[str]:
    """The verdict on a graph, line by line."""
    told = [f"from t = {one['from']}: {headline(one)}" for one in found.get("graphs", [])]
    told = [*(told or [headline(found)]), *_decided(found), ""]
    if found.get("basis") not in ("bound", "none"):
        told += _section(
            "unstable sources (nothing enters them, and no member has real data)",
            [_listed(members) for members in found["unstable_sources"]],
        )
    inside = {name for members in found["unstable_sources"] for name in members}
    led = [name for name in found["learns_collapse_from"] if name not in inside]
    told += _section(
        "how collapse reaches the others (a shortest path each)",
        [_path(found["learns_collapse_from"], name) for name in led[:_MOST]],
        len(led),
    )
    told += _radii(found) if found["basis"] == "graph" else _moment_radii(found)
    if "changes" in found:
        told += _changes(found["changes"])
    if "bounded" in found:
        told += _bounded(found["bounded"], "setting" in found)
    return [*told, "conditions:", *(f"  {line}" for line in found["conditions"])]


def headline(found: Found) -> str:
    """``3 of 6 learners collapse: a, b, c``."""
    if found["collapses"] is None:
        return "no verdict is claimed"
    falling, n = found["collapses"], len(found["collapses"]) + len(found["stable"])
    if not falling:
        return f"no learner collapses ({count(n, 'learner')})"
    verb = "collapses" if len(falling) == 1 else "collapse"
    return f"{len(falling):,} of {count(n, 'learner')} {verb}: {_listed(falling)}"


def _decided(found: Found) -> list[str]:
    """What decides, of an experiment; what the graph alone would have said, where it does not."""
    if "why" not in found:
        return []
    told = [f"setting: {found['setting']}"] if found["setting"] else []
    told.append(f"{'because' if found['applies'] else 'why'}: {found['why']}")
    alone = [name for name, radius in found["spectral_radius"].items() if radius == 1]
    if found["basis"] != "graph" and found["collapses"] != alone:
        told.append(f"(the graph alone would say: {_listed(alone) or 'nobody'})")
    return told


def _moment_radii(found: Found) -> list[str]:
    """Those nearest to 1, and above, first."""
    radius = found["moment_radius"]
    if radius is None:
        return []
    names = sorted(radius, key=lambda name: -radius[name])
    return _section(
        "spectral radius of E[M (x) M], each with its ancestors (errors grow from 1 on)",
        [f"{_cut(name)}: {_radius(radius[name])}" for name in names[:_MOST]],
        len(names),
    )


def _radii(found: Found) -> list[str]:
    """The stable learners', nearest to 1 first."""
    radius = found["spectral_radius"]
    names = sorted(found["stable"], key=lambda name: -radius[name])
    off = found["spectral_radius_error"]
    title = "spectral radius of the stable, each with its ancestors (1 for all that collapse)"
    if off > 1e-9:
        title += f"; up to {off:.1g} off, the graph is slow to settle"
    return _section(
        title, [f"{_cut(name)}: {_radius(radius[name])}" for name in names[:_MOST]], len(names)
    )


def _radius(value: float) -> str:
    return f"1 - {1 - value:.2g}" if 0.999 < value < 1 else f"{value:.4g}"


def _changes(found: Found) -> list[str]:
    added, removed = found["added"], found["removed"]
    falls = added["collapse"]
    told = []
    if falls["edges"]:
        told.append(f"{count(falls['edges'], 'edge')}, {falls['which']}; such as:")
        for one in falls["examples"][:3]:
            told.append(f"  {_edge(one['source'], one['target'])}: {one['collapse']:,} collapse")
    shown = _section("an edge more that makes learners collapse", told)
    shown += _section(
        "an edge more that rescues, however small",
        [
            f"into {_listed(one['into'])} from {_listed(one['from_for_example'], 3)} "
            f"({count(one['edges'], 'edge')} in all): rescues {_listed(one['rescued'])}"
            for one in added["rescue"][:_MOST]
        ],
        len(added["rescue"]),
    )
    for kind, title in (
        ("collapse", "an edge less that makes its target collapse, and all that learn from it"),
        ("rescue", "an edge less that rescues its target"),
    ):
        edges = removed[kind]
        shown += _section(title, [_edge(*edge) for edge in edges[:_MOST]], len(edges))
    if not shown:
        shown = ["no single edge, added or removed, changes the verdict on anyone", ""]
    lone = removed["leaves_without_data"]
    if lone:
        verb = "is its learner's only one" if lone == 1 else "are their learners' only ones"
        shown[-1:] = [f"({count(lone, 'edge')} {verb}, and can't be removed)", ""]
    return shown


def _bounded(found: Found, setting: bool) -> list[str]:
    """In units of a round's noise; of a setting E|e|^2, with the noise of its rows."""
    bound = plain(found["bound"])
    told = []
    for name, one in list(found["least_real_share"].items())[:_MOST]:
        variance = found["variance"][name]
        now = "without bound" if variance is None else plain(variance)
        told.append(f"{_cut(name)}: {now} now; least real share {_share(one)}")
    what, unit = "error variance", "one dimension, each round's noise is 1"
    if setting:
        what = "squared distance from the truth"
        unit = f"of one round's fit: {_spread(found['noise'])}"
    title = f"{what} over {bound}, as it settles ({unit})"
    shown = _section(title, told, len(found["over"])) or [f"no {what} settles over {bound}", ""]
    common = _share(found["common_real_share"])
    return [*shown[:-1], f"the same real share for all that keeps all under {bound}: {common}", ""]


def _spread(noise: Mapping[str, float]) -> str:
    least, most = (plain(end(noise.values())) for end in (min, max))
    return least if least == most else f"{least} to {most}"


def _share(one: Found) -> str:
    said = "none" if one["share"] is None else f"{one['share']:.4g}"
    return f"{said} ({one['reason']})" if one["reason"] else said


def _section(title: str, said: Sequence[str], total: int | None = None) -> list[str]:
    """Some lines below a title; ``total`` where ``said`` is the first of more."""
    shown = [f"  {line}" for line in said[:_MOST]]
    more = (len(said) if total is None else total) - len(shown)
    if more > 0:
        shown.append(f"  and {more:,} more (--json has all)")
    return [f"{title}:", *shown, ""] if said else []


def _path(before: Found, name: str) -> str:
    """``a -> b -> c``, its middle counted where it is long."""
    steps = [name]
    while (step := before[steps[-1]]) is not None:
        steps.append(step)
    steps = [_cut(step) for step in reversed(steps)]
    if len(steps) > _MOST:
        steps = [*steps[:4], f"({len(steps) - 8:,} more)", *steps[-4:]]
    return " -> ".join(steps)


def _edge(source: str, target: str) -> str:
    return f"{_cut(source)} -> {_cut(target)}"


def _listed(names: Sequence[str], most: int = _MOST) -> str:
    said = ", ".join(_cut(name) for name in names[:most])
    return said if len(names) <= most else f"{said} and {len(names) - most:,} more"


def _cut(name: str) -> str:
    return name if len(name) <= _LONG else f"{name[:_LONG]}..."
