"""What a run of learners comes to in words and figures, at the edges of what they can say."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import lwd_agents as lwd
from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.report.closing import closing
from lwd_agents.report.figures import learners as figures
from lwd_agents.report.figures.drawing import draw
from lwd_agents.report.figures.network import Panel, network_figure
from lwd_agents.report.figures.subject import CannotDraw
from lwd_agents.report.learner_words import learner_lines
from lwd_agents.report.wording import number
from lwd_agents.trajectory import Trajectory

GROWING: dict[str, Any] = {
    "world": "graph", "learners": 3, "readership": "ring", "features": 8,
    "designs": "redrawn", "rows": 10, "seed": 1,
}  # fmt: skip
SMALL: dict[str, Any] = {"world": "graph", "learners": 3, "readership": "ring", "features": 2}


def told(run: Trajectory) -> list[str]:
    """The closing words, on a terminal that is wide enough."""
    out = io.StringIO()
    closing(run, Console(file=out, width=200, highlight=False))
    return out.getvalue().splitlines()


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    out = tmp_path_factory.mktemp("grown") / "run"
    return lwd.run(GROWING, out=out, steps=60, replicates=4, placebo=True, figures=False)


def test_numbers_are_short_whatever_their_size() -> None:
    values = (0.0, 1e-5, 0.5, -2.0, 123456.0, 1e6, 1e120, None, float("nan"))
    assert [number(value) for value in values] == [
        "0.0000", "1e-05", "0.5000", "-2.0000", "123456.0000", "1e+06", "1e+120", "not defined",
        "not defined",
    ]  # fmt: skip


def test_what_grows_is_told_in_few_digits_and_without_z(grown: Trajectory) -> None:
    lines = told(grown)
    assert lines[0].startswith("||D||_F of the first replicate: ")
    assert " times); 100% of the data was labelled by learners." in lines[0]
    assert max(len(line) for line in lines[:-3]) < 180
    said = "\n".join(lines)
    assert "root mean square of ||D||_F over 4 replicates: " in said
    assert "no z where the radius of E[M (x) M] is above 1" in said
    assert "placebo, real data in place of the learners' labels: " in said
    last = grown.summary["placebo_error_last"]
    assert f"{last:.4g} at the end" in said
    assert last == pytest.approx(float(grown.arrays["placebo_error"][:, -1].mean()))


def test_the_radius_in_the_table_is_the_one_that_decides(grown: Trajectory) -> None:
    said = grown.summary
    (row,) = [line.split() for line in learner_lines(said) if line.split()[0] == "v1"]
    assert said["learners"][0]["radius"] == pytest.approx(1)
    assert row[2] == f"{said['learners'][0]['moment_radius']:.3g}"
    assert float(row[2]) > 1.5
    none = {**said, "verdicts": [{**said["verdicts"][0], "basis": "none", "applies": False}]}
    (row,) = [line.split() for line in learner_lines(none) if line.split()[0] == "v1"]
    assert row[2] == "-"


def test_what_numbers_cannot_hold_is_said(grown: Trajectory) -> None:
    nothing = dict.fromkeys(("error_last", "growth", "placebo_error_first"))
    lines = learner_lines({**grown.summary, **nothing, "norm_rms_last": None})
    assert any("not finite at the end." in line for line in lines)
    assert any("not finite at t = 0" in line for line in lines)
    assert any("not defined at the end." in line for line in lines)


def test_one_replicate_is_no_first_one(tmp_path: Path) -> None:
    run = lwd.run(SMALL, out=tmp_path / "run", steps=3)
    lines = told(run)
    assert lines[0].startswith("||D||_F: ")
    assert not any("root mean square" in line for line in lines)
    assert [line for line in lines if line.startswith("figure: ")]


def test_a_run_without_figures_keeps_none_of_an_earlier_end(tmp_path: Path) -> None:
    out = tmp_path / "run"
    lwd.run(SMALL, out=out, steps=3)
    assert sorted(file.name for file in (out / "figures").iterdir()) == [
        "errors.png", "graph.png", "norm.png",
    ]  # fmt: skip
    (out / "figures" / "mine.png").write_bytes(b"")
    run = lwd.run(SMALL, out=out, steps=5, figures=False)
    assert [file.name for file in (out / "figures").iterdir()] == ["mine.png"]
    assert run.summary["steps"] == 5
    assert len(draw(out, tmp_path / "drawn").files) >= 3


def test_a_learner_alone_has_no_norm_to_draw(tmp_path: Path) -> None:
    keys = {"world": "graph", "graph": {"edges": [["a" * 60, "a" * 60, 1]]}, "features": 2}
    run = lwd.run(keys, out=tmp_path / "run", steps=3)
    assert sorted(file.name for file in (run.path / "figures").iterdir()) == [
        "errors.png", "graph.png",
    ]  # fmt: skip
    with pytest.raises(CannotDraw, match="one learner has no distance"):
        figures.norm_figure(run)
    with pytest.raises(BadInput, match="figure norm: one learner"):
        draw(run, tmp_path / "drawn", only=["norm"])
    labels = legend(figures.errors_figure(run))
    assert labels == ["a" * 23 + "\u2026 (collapses)", "expected"]


def legend(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_run_that_could_not_go_on_is_drawn_with_its_verdict(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(RunStopped):
        lwd.run(GROWING, out=out, steps=5000, replicates=2)
    run = lwd.load(out)
    assert "verdicts" not in run.summary
    (panel,) = figures.panels_of(run)
    assert panel.falls == [True, True, True]
    drawn = draw(out, tmp_path / "drawn")
    assert {file.name for file in drawn.files} >= {"errors.png", "graph.png", "norm.png"}
    assert legend(figures.errors_figure(run))[0] == "v1 (collapses)"


def test_of_a_schedule_only_what_is_reached_is_drawn(tmp_path: Path) -> None:
    plan = {"schedule": {t: {"edges": [["real", "a", 1], [who, "b", 1]]}
                         for t, who in ((0, "a"), (2, "b"), (90, "a"))}}  # fmt: skip
    keys = {"world": "graph", "graph": plan, "features": 2, "placebo": True}
    run = lwd.run(keys, out=tmp_path / "run", steps=4, replicates=2)
    assert [panel.title for panel in figures.panels_of(run)] == ["from t = 0", "from t = 2"]
    figure = figures.errors_figure(run)
    assert legend(figure) == [
        "a (stable)", "b (collapses from t = 2)", "expected", "placebo, mean",
    ]  # fmt: skip
    dotted = [line for line in figure.axes[0].lines if line.get_label() == "placebo, mean"]
    expected = run.arrays["placebo_error"].mean(axis=(0, 2))
    np.testing.assert_allclose(np.asarray(dotted[0].get_ydata()), expected)


def test_four_graphs_stand_two_by_two_and_only_new_edges_are_dashed() -> None:
    def panel(*edges: tuple[int, int, float]) -> Panel:
        return Panel("", ["a", "b"], edges, np.array([0.5, 0.0]), [False, True])

    same = network_figure([panel((0, 1, 1.0))] * 4)
    places = {
        tuple(np.round(axes.get_subplotspec().get_position(same).p0, 3)) for axes in same.axes
    }
    assert len({x for x, _ in places}) == len({y for _, y in places}) == 2
    assert "edge that is new" not in legend(same)
    fewer = network_figure([panel((0, 1, 1.0), (1, 1, 0.5)), panel((0, 1, 1.0))])
    assert "edge that is new" not in legend(fewer)
    more = network_figure([panel((0, 1, 1.0)), panel((0, 1, 1.0), (1, 1, 0.5))])
    assert "edge that is new" in legend(more)


def test_many_learners_are_drawn_as_few_curves(tmp_path: Path) -> None:
    keys = {"world": "graph", "learners": 450, "readership": "ring", "features": 1, "rows": 3}
    run = lwd.run({**keys, "real": 0.5}, out=tmp_path / "run", steps=2)
    figure = figures.errors_figure(run)
    thin = [line for line in figure.axes[0].lines if line.get_linewidth() == 0.5]
    assert 100 < len(thin) <= 200
    assert legend(figure)[0] == "stable (450)"
    assert not (run.path / "figures" / "graph.png").exists()
