"""Which runs are replicates of one condition, which are its placebos, and which pairs match.

Two runs are of one condition where their configs agree in all but the seed, the number of steps or
replicates, the placebo, the stop rule, and what bounds calls and money. A live run and a placebo of
one condition are matched where they have one seed, and so one set of random keys.
"""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lwd_agents.config import CONFIGS
from lwd_agents.errors import BadInput
from lwd_agents.manifest import FREE
from lwd_agents.run_files import Run, read_run

_ASIDE = ("seed", "steps", "placebo", "replicates", "stop")


@dataclass(frozen=True)
class Condition:
    """The runs of one condition.

    Attributes:
        name: what sets it apart from the other conditions given.
        live: its runs, one a seed, in the order in which they were made.
        placebos: seed -> the placebo with that seed.
        said: what was left out of it, and why.
    """

    name: str
    live: tuple[Run, ...]
    placebos: dict[int, Run]
    said: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[Run, ...]:
        """All its runs."""
        return (*self.live, *self.placebos.values())

    @property
    def frozen(self) -> bool:
        """Whether its agents read nothing: a control."""
        return all(run.frozen for run in self.runs)

    @property
    def pairs(self) -> list[tuple[Run, Run]]:
        """(live, placebo) of one seed each, in the order of the live runs."""
        return [(run, self.placebos[run.seed]) for run in self.live if run.seed in self.placebos]


def expand(places: Sequence[str | Path]) -> list[Path]:
    """Run directories, of paths that name one, a folder of several, or a pattern with a ``*``.

    Raises:
        BadInput: there is no run at one of them.
    """
    found: list[Path] = []
    for place in places:
        path = Path(place)
        try:
            named = [path] if path.exists() else [Path(p) for p in sorted(glob.glob(str(place)))]
        except (OSError, ValueError) as error:  # a name that is too long, or has a zero byte
            raise BadInput(f"{str(place)[:80]}: no path: {error}"[:200]) from None
        runs = [run for name in named for run in _runs_in(name)]
        if not runs:
            raise BadInput(f"{place}: no run directory, nor a folder that holds some")
        found += runs
    return list(dict.fromkeys(found))


def _runs_in(path: Path) -> list[Path]:
    """A run directory itself, or those in a folder (replicates, a sweep)."""
    if (path / "rounds.jsonl").is_file():
        return [path]
    folders = sorted(entry.parent for entry in path.glob("*/manifest.json"))
    return [run for folder in folders for run in _runs_in(folder)]


def with_placebos(paths: Sequence[Path]) -> list[Path]:
    """The run directories, and the placebos that ``--with-placebo`` left beside them."""
    beside = [place for path in paths for place in _beside(path)]
    runs = [place for place in beside if (place / "rounds.jsonl").is_file()]
    return list(dict.fromkeys([*paths, *runs]))


def _beside(path: Path) -> list[Path]:
    """Where the placebo of a run, or of one of several replicates, would stand."""
    whole = path if path.name and path.parent.name else path.resolve()
    parent = whole.parent
    places = [parent / f"{whole.name}-placebo"]
    return (
        [*places, parent.with_name(f"{parent.name}-placebo") / whole.name]
        if parent.name
        else places
    )


def read_all(paths: Iterable[Path]) -> tuple[list[Run], list[str]]:
    """The runs that can be read, and a sentence for each that cannot.

    Raises:
        BadInput: none can.
    """
    runs, said = [], []
    for path in paths:
        try:
            runs.append(read_run(path))
        except BadInput as error:
            said.append(str(error))
    if not runs:
        raise BadInput("; ".join(said))
    return runs, said


def conditions(runs: Sequence[Run], among: Sequence[Run] = ()) -> list[Condition]:
    """The runs by condition, in the order of their first runs.

    Args:
        runs: of these.
        among: all runs that the names should tell apart; by default the same.
    """
    names = _names({_key(run): run for run in reversed([*runs, *among])})
    by_key: dict[str, list[Run]] = {}
    for run in runs:
        by_key.setdefault(_key(run), []).append(run)
    return [_condition(names[key], group) for key, group in by_key.items()]


def _condition(name: str, runs: Sequence[Run]) -> Condition:
    live: dict[int, Run] = {}
    placebos: dict[int, Run] = {}
    said = []
    whole = [run for run in runs if run.manifest.get("status") == "complete"]
    for run in runs if whole else ():
        if run not in whole:
            said.append(
                f"{run.path}: unfinished (t = 0 to {run.last}) where others are complete: left "
                "out (run it again to go on with it)"
            )
    for run in sorted(
        whole or runs, key=lambda run: (str(run.manifest.get("created")), str(run.path))
    ):
        side = placebos if run.placebo else live
        if run.seed in side:
            said.append(
                f"{run.path}: the same seed ({run.seed}) and config as {side[run.seed].path}: one "
                "replicate, not two; it is left out"
            )
        side.setdefault(run.seed, run)
    return Condition(name, tuple(live.values()), placebos, tuple(said))


def _key(run: Run) -> str:
    """What two runs of one condition have in common, as text."""
    forked = run.manifest.get("forked") or {}
    kept = {key: value for key, value in flat(filled(run)).items() if not _aside(key)}
    return json.dumps([run.world, kept, forked.get("at"), run.agents], sort_keys=True, default=str)


def filled(run: Run) -> dict[str, Any]:
    """A run's config with the keys that the package did not have when it was made."""
    made = CONFIGS.get(run.world)
    try:
        return (
            run.config if made is None else made.model_validate(run.config).model_dump(mode="json")
        )
    except ValidationError:  # of another version
        return run.config


def _aside(key: str) -> bool:
    return key.split(".")[0] in _ASIDE or bool(FREE.match(key))


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of a config by dotted key; agents go by their names."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
            value = {str(v.get("name", i)): v for i, v in enumerate(value)}
        if isinstance(value, dict) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _names(firsts: Mapping[str, Run]) -> dict[str, str]:
    """A name for each condition, no two alike: the keys in which they differ, else where it is.

    Conditions of different worlds differ in all keys; they go by their experiments' names.
    """
    names: dict[str, str] = {}
    for world in dict.fromkeys(run.world for run in firsts.values()):
        configs = {key: _telling(run) for key, run in firsts.items() if run.world == world}
        differing = _differing(list(configs.values()))
        names |= {key: _told(firsts[key], configs[key], differing) for key in configs}
    names = {key: names[key] for key in firsts}
    for place in (_folder, lambda run: str(run.path)):
        doubled = {name for name in names.values() if list(names.values()).count(name) > 1}
        names = {
            key: f"{name} ({place(firsts[key])})" if name in doubled else name
            for key, name in names.items()
        }
    return names


def _differing(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys that set some of them apart, in the configs' order."""
    everywhere = dict.fromkeys(key for config in configs for key in config)
    values = {
        key: {json.dumps(config.get(key), default=str) for config in configs}
        for key in everywhere
        if not _aside(key)
    }
    return [key for key, found in values.items() if len(found) > 1]


def _folder(run: Run) -> str:
    """The name of a run's directory; of one of several replicates, of the directory of all."""
    path = run.path.resolve()
    return path.parent.name if re.fullmatch(r"replicate-\d+", path.name) else path.name


def _telling(run: Run) -> dict[str, Any]:
    """A config's leaves; of the agents of an LLM network, all in one."""
    config = filled(run)
    if run.world != "llm":
        return flat(config)
    told = [f"{agent['name']} ({agent['model']})" for agent in config["agents"]]
    return flat({**config, "agents": " ".join(told)})


def _told(run: Run, config: Mapping[str, Any], keys: Sequence[str]) -> str:
    known = [key for key in keys if config.get(key) is not None]
    shown = [f"{key}={_short(config[key])}" for key in known[:3]]
    if forked := run.manifest.get("forked"):
        shown.append(f"forked at {forked['at']}")
    return ", ".join(shown) or str(run.manifest.get("experiment", run.world))


def _short(value: Any, most: int = 40) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= most else text[: most - 3] + "..."
