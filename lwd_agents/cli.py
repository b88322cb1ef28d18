"""The command line. Every error is one line on stderr; the exit code says what to do about it."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lwd_agents import __version__, analysis_commands, graph_commands, report_commands
from lwd_agents.errors import BadInput, LwdError
from lwd_agents.secrets import redact

if TYPE_CHECKING:
    from lwd_agents.trajectory import Trajectory

STOPPED = 130
BUG = 1
# typer brings its own copy of click, or uses click's: either way this is its base of errors.
ClickException: type[Exception] = next(
    c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException"
)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="A laboratory for model collapse in networks of generative models.",
)

Experiment = Annotated[str, typer.Argument(help="A preset's name, or the path of a YAML file.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="A.B=C", help="Set one key; may be repeated.")
]
Seed = Annotated[int | None, typer.Option(help="The seed of all randomness.")]
Steps = Annotated[int | None, typer.Option(help="T: the steps are t = 0 .. T.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"lwd {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _app(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """A laboratory for model collapse in networks of generative models."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def run(
    experiment: Experiment = "pocket",
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The run directory.")] = None,
    seed: Seed = None,
    steps: Steps = None,
    settings: Settings = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no closing words.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON on stdout.")] = False,
    allow_versions: Annotated[
        bool, typer.Option("--allow-versions", help="Go on with a run of other versions.")
    ] = False,
    with_placebo: Annotated[
        bool, typer.Option("--with-placebo", help="Run its placebo too, into DIR-placebo.")
    ] = False,
    no_figures: Annotated[
        bool, typer.Option("--no-figures", help="Draw none at the end; lwd report --figures does.")
    ] = False,
) -> None:
    """Run an experiment; the same command on an existing run goes on with it."""
    from lwd_agents import laboratory

    how: dict[str, Any] = {
        "settings": settings or [],
        "quiet": quiet,
        "allow_versions": allow_versions,
        "figures": not no_figures,
        **_given(seed=seed, steps=steps),
    }
    if with_placebo:
        _check_pair(experiment, settings or [])
    live = laboratory.run(experiment, out=out, **how)
    if not with_placebo:
        _show(live, quiet, as_json)
        return
    beside = live.path.with_name(f"{live.path.name}-placebo")
    placebo = laboratory.run(experiment, out=beside, placebo=True, **how)
    _show_pair(live, placebo, quiet, as_json)


def _check_pair(experiment: str, settings: list[str]) -> None:
    """Refuse a placebo beside a run that is one, or that others post into."""
    from lwd_agents.config import LlmConfig, read_experiment
    from lwd_agents.internet.backends import HTTP

    config = read_experiment(experiment, settings).resolve()
    if not isinstance(config, LlmConfig):
        raise BadInput(
            f"--with-placebo: the world {config.world} draws its placebo in the same run; "
            "give --set placebo=true"
        )
    if config.placebo or config.internet.store.startswith(HTTP):
        raise BadInput("--with-placebo: the run is a placebo itself, or on a store that is shared")


def _show(trajectory: Trajectory, quiet: bool, as_json: bool) -> None:
    """What a run came to: JSON, words, or nothing."""
    from lwd_agents.report.closing import closing

    if as_json:
        print(json.dumps(trajectory.summary, ensure_ascii=False, allow_nan=False))
    elif not quiet:
        closing(trajectory)


@app.command()
def estimate(
    experiment: Experiment = "pocket",
    seed: Seed = None,
    steps: Steps = None,
    settings: Settings = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Say how many requests and tokens a run takes and what that costs. Nothing is run.

    A price of your own, in dollars per million tokens:
    --set 'prices={"openai:my-model": {input: 0.25, output: 2}}'
    """
    from lwd_agents import costs
    from lwd_agents.report.cost_words import tell

    given = _given(seed=seed, steps=steps)
    found = costs.estimate(experiment, settings=settings or [], **given)
    if as_json:
        print(json.dumps(found.as_json(), ensure_ascii=False, allow_nan=False))
    else:
        tell(found)


def _show_pair(live: Trajectory, placebo: Trajectory, quiet: bool, as_json: bool) -> None:
    """A run and its placebo: JSON, words, or nothing."""
    from lwd_agents.report.closing import closing_pair

    if as_json:
        both = {"live": live.summary, "placebo": placebo.summary}
        print(json.dumps(both, ensure_ascii=False, allow_nan=False))
    elif not quiet:
        closing_pair(live, placebo)


@app.command()
def fork(
    run: Annotated[Path, typer.Argument(help="The run directory to fork; it is only read.")],
    at: Annotated[int, typer.Option(help="The first step that is made anew.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The fork's run directory.")],
    steps: Steps = None,
    settings: Settings = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no closing words.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON on stdout.")] = False,
    allow_versions: Annotated[
        bool, typer.Option("--allow-versions", help="Fork a run of other versions.")
    ] = False,
) -> None:
    """Go on from a step of a run under other conditions; the same command goes on with it."""
    from lwd_agents import forking

    trajectory = forking.fork(
        run,
        at=at,
        out=out,
        settings=settings or [],
        quiet=quiet,
        allow_versions=allow_versions,
        **_given(steps=steps),
    )
    _show(trajectory, quiet, as_json)


@app.command()
def show(
    experiment: Experiment = "pocket",
    seed: Seed = None,
    steps: Steps = None,
    settings: Settings = None,
) -> None:
    """Print an experiment with all its keys, as YAML, after checking it. Nothing is run."""
    import yaml

    from lwd_agents.config import read_experiment

    described = read_experiment(experiment, settings or [])
    for key, value in _given(seed=seed, steps=steps).items():
        described.put(key, value, f"--{key} {value}")
    resolved = described.resolve().model_dump(mode="json")
    print(yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True, width=100), end="")


@app.command(name="list")
def list_(
    what: Annotated[str, typer.Argument(help="models, laws, ...; all if none is named.")] = "",
) -> None:
    """List every name that an experiment knows, with a line on what it is."""
    from lwd_agents.listing import LISTS, listing

    if what and what not in LISTS:
        raise BadInput(f"list: nothing called {what!r} (choices: {', '.join(LISTS)})")
    for kind in [what] if what else LISTS:
        if not what:
            print(f"{kind}:")
        rows = listing(kind)
        width = max((len(name) for name, _ in rows), default=0)
        for name, about in rows:
            print(f"{'' if what else '  '}{name:<{width}}  {about}".rstrip())


@app.command()
def doctor() -> None:
    """Check that everything an experiment needs is here and works."""
    from lwd_agents.doctor import examine

    bad = 0
    for name, good, said in examine():
        print(f"{'ok  ' if good else 'BAD '} {name:<12} {said}")
        bad += not good
    if bad:
        raise LwdError(f"{bad} of the checks failed")


for _commands_of in (analysis_commands, report_commands, graph_commands):
    for _name, _command in _commands_of.COMMANDS.items():
        app.command(name=_name)(_command)


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """The entry point ``lwd``: runs a command, and turns what goes wrong into an exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    code = _call()
    _flush()
    if code == STOPPED and any(not t.daemon for t in threading.enumerate()[1:]):
        # calls to a provider are under way, and would hold the process up until they end
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _flush() -> None:
    """Write what is left; nobody may be there to read it any more."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _call() -> int:
    try:
        code = app(prog_name="lwd", standalone_mode=False)
        if code == STOPPED:  # typer makes this of an interrupt, and says nothing
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except ClickException as error:
        _say(f"{_message(error)} (lwd --help lists what there is)")
        return BadInput.exit_code
    except (KeyboardInterrupt, typer.Abort):
        _say("stopped; what was committed is safe: the same command goes on from there")
        return STOPPED
    except LwdError as error:
        _say(str(error))
        return error.exit_code
    except BrokenPipeError:
        return 0  # whoever read our output went away; that is not an error
    except SystemExit as error:  # which typer and rich make of it
        if isinstance(error.__context__, BrokenPipeError):
            return 0
        raise
    except Exception as error:
        print(redact(traceback.format_exc()), file=sys.stderr)
        _say(f"a bug of ours: {type(error).__name__}: {error}; please report the lines above")
        return BUG


def _message(error: Exception) -> str:
    """What a usage error says; an unknown command is answered with the commands."""
    said = str(getattr(error, "format_message", error.__str__)())
    commands = ", ".join(str(command.name or command.callback.__name__) for command in _commands())
    return f"{said} Choices: {commands}" if "No such command" in said else said


def _commands() -> list[Any]:
    return [command for command in app.registered_commands if command.callback is not None]


def _say(message: str) -> None:
    from lwd_agents.report.wording import printable

    print("lwd: " + printable(redact(" ".join(message.split()))), file=sys.stderr)


if __name__ == "__main__":
    main()
