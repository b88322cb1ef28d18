"""LWD: a laboratory for model collapse in networks of generative models.

``run`` runs an experiment (or continues it), ``estimate`` says beforehand what that will cost,
``fork`` goes on from a step of a run under other conditions, ``load`` reads a run directory back as
arrays, ``measure`` measures it step by step, ``test`` says what runs show and what they don't, and
``plan`` what it takes to show an effect. ``page`` makes one HTML file of runs to look at, ``watch``
serves it while a run goes on, ``figures`` draws them for a paper, ``export`` gives tidy tables.
``verdict`` says who collapses in a graph of learners.
Importing this package loads no model, opens no file and imports no heavy library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lwd_agents.errors import BadInput, LwdError, RunStopped

if TYPE_CHECKING:
    from lwd_agents.costs import estimate
    from lwd_agents.forking import fork
    from lwd_agents.inference.pilot import plan
    from lwd_agents.inference.verdict import test
    from lwd_agents.laboratory import run
    from lwd_agents.measures.table import measure
    from lwd_agents.report.figures.drawing import draw as figures
    from lwd_agents.report.live.server import watch
    from lwd_agents.report.page.making import page
    from lwd_agents.report.tables.export import export, read_table
    from lwd_agents.trajectory import Trajectory, load
    from lwd_agents.verdicts import verdict

__version__ = "0.1.0"
__all__ = [
    "BadInput",
    "LwdError",
    "RunStopped",
    "Trajectory",
    "__version__",
    "estimate",
    "export",
    "figures",
    "fork",
    "load",
    "measure",
    "page",
    "plan",
    "read_table",
    "run",
    "test",
    "verdict",
    "watch",
]
_HOMES = {  # what is imported at first use, and from where
    "Trajectory": "trajectory",
    "estimate": "costs",
    "export": "report.tables.export",
    "figures": "report.figures.drawing:draw",
    "fork": "forking",
    "load": "trajectory",
    "measure": "measures.table",
    "page": "report.page.making",
    "plan": "inference.pilot",
    "read_table": "report.tables.export",
    "run": "laboratory",
    "test": "inference.verdict",
    "verdict": "verdicts",
    "watch": "report.live.server",
}


def __getattr__(name: str) -> Any:
    """Import what ``__all__`` names at first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lwd_agents' has no attribute {name!r}")
    module, _, own = _HOMES[name].partition(":")
    return getattr(import_module(f"lwd_agents.{module}"), own or name)


def __dir__() -> list[str]:
    return __all__
