"""LWD: a laboratory for model collapse in networks of generative models.

``run`` runs an experiment (or continues it), ``estimate`` says beforehand what that will cost,
``fork`` goes on from a step of a run under other conditions, ``load`` reads a run directory back as
arrays, ``measure`` measures it step by step, ``test`` says what runs show and what they don't, and
``plan`` what it takes to show an effect.
Importing this package loads no model, opens no file and imports no heavy library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lwd_agents.errors import BadInput, LwdError, RunStopped

if TYPE_CHECKING:
    from lwd_agents.costs import estimate
    from lwd_agents.forking import fork
    from lwd_agents.inference.pilot import plan
    from lwd_agents.inference.verdict import test
    from lwd_agents.laboratory import run
    from lwd_agents.measures.table import measure
    from lwd_agents.trajectory import Trajectory, load

__version__ = "0.1.0"
__all__ = [
    "BadInput",
    "LwdError",
    "RunStopped",
    "Trajectory",
    "__version__",
    "estimate",
    "fork",
    "load",
    "measure",
    "plan",
    "run",
    "test",
]


def __getattr__(name: str) -> Any:
    """Import what ``__all__`` names at first use."""
    if name == "run":
        from lwd_agents.laboratory import run

        return run
    if name == "estimate":
        from lwd_agents.costs import estimate

        return estimate
    if name == "fork":
        from lwd_agents.forking import fork

        return fork
    if name == "test":
        from lwd_agents.inference.verdict import test

        return test
    if name == "plan":
        from lwd_agents.inference.pilot import plan

        return plan
    if name == "measure":
        from lwd_agents.measures.table import measure

        return measure
    if name in ("load", "Trajectory"):
        from lwd_agents import trajectory

        return getattr(trajectory, name)
    raise AttributeError(f"module 'lwd_agents' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
