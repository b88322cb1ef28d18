"""Figures for papers and for the page: their data, their bytes, and names that are hostile."""

from __future__ import annotations

import copy
import hashlib
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import made_run, network
from matplotlib.figure import Figure

import lwd_agents as lwd
from lwd_agents.errors import BadInput
from lwd_agents.report.figures.contrast import contrast_figure
from lwd_agents.report.figures.drawing import FIGURES, draw
from lwd_agents.report.figures.llm import norm_figure, responses_figure
from lwd_agents.report.figures.measures import diversity_figure, lineage_figure
from lwd_agents.report.figures.registry import names_of
from lwd_agents.report.figures.style import MARKERS, look, plain, styled
from lwd_agents.report.figures.subject import Subject, subject_of
from lwd_agents.report.figures.trajectories import trajectories_figure
from lwd_agents.report.page.stills import stills
from lwd_agents.trajectory import Trajectory

pytestmark = pytest.mark.filterwarnings("error")
HOSTILE = ["$x_1$", "a<b>&", "Ünï", "_under", "\U0001f600\u4e2d", "^{$", "]]>--", "%\u202ex"]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_run(tmp_path_factory.mktemp("figures") / "r", network(6, key=3, wander=0.05))


@pytest.fixture(scope="module")
def mixtures(tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    path = tmp_path_factory.mktemp("mixtures") / "r"
    return lwd.run("figure4", out=path, steps=12, placebo=True, replicates=8)


@pytest.fixture(scope="module")
def paired(pairs: Path) -> Subject:
    return subject_of(str(pairs / "*"))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven live runs that fall, each with a placebo that does not."""
    home = tmp_path_factory.mktemp("pairs")
    for seed in range(7):
        live = network(5, key=seed, fall=0.9, wander=0.01)
        made_run(home / f"l{seed}", live, seed=seed)
        made_run(home / f"p{seed}", network(5, key=50 + seed), seed=seed, placebo=True)
    return home


def curves(figure: Figure, panel: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """The (x, y) of each line of a panel."""
    lines = figure.axes[panel].get_lines()
    return [(np.asarray(x.get_xdata()), np.asarray(x.get_ydata())) for x in lines]


def drawn_texts(figure: Figure) -> list[str]:
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return [*legends, *(axes.get_title() for axes in figure.axes), figure.get_suptitle()]


def test_every_format_is_what_it_says(run: Path, tmp_path: Path) -> None:
    drawn = draw(run, tmp_path / "f", formats=("pdf", "svg", "png"), only=("figure2",))
    assert [file.name for file in drawn.files] == [
        f"figure2.{kind}" for kind in ("pdf", "svg", "png")
    ]
    pdf, svg, png = (file.read_bytes() for file in drawn.files[:3])
    assert pdf.startswith(b"%PDF-")
    assert b"/FontFile2" in pdf  # TrueType, embedded
    assert b"/Type3" not in pdf
    assert not {b"/CreationDate", b"/Producer"} & set(pdf.split())
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert not list(root.iter(f"{SVG}text"))  # paths: no font is asked for
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20], "big") == 990  # 3.3 inches at 300 dots
    assert sorted(p.name for p in (tmp_path / "f").iterdir()) == sorted(f.name for f in drawn.files)


def test_two_processes_write_the_same_bytes(run: Path, tmp_path: Path) -> None:
    only, formats = ("figure2",), ("pdf", "svg", "png")
    here = draw(run, tmp_path / "here", formats=formats, only=only)
    code = (
        "import sys; from lwd_agents.report.figures.drawing import draw;"
        f"draw(sys.argv[1], sys.argv[2], formats={formats!r}, only={only!r})"
    )
    there = tmp_path / "there"
    subprocess.run([sys.executable, "-c", code, str(run), str(there)], check=True)
    for file in here.files:
        assert digest(file) == digest(there / file.name), file.name


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_users_own_style_changes_nothing(run: Path, tmp_path: Path) -> None:
    import matplotlib

    plainly = draw(run, tmp_path / "a", formats=("svg",), only=("figure2",))
    with matplotlib.rc_context({"lines.linewidth": 9, "axes.facecolor": "red", "font.size": 30}):
        oddly = draw(run, tmp_path / "b", formats=("svg",), only=("figure2",))
    assert digest(plainly.files[0]) == digest(oddly.files[0])


def test_all_that_a_run_has_and_what_it_lacks(run: Path, tmp_path: Path) -> None:
    drawn = draw(run, tmp_path, formats=("svg",))
    names = [file.stem for file in drawn.files]
    assert names == ["figure2", "figure3", "trajectories", "diversity", "lineage"]
    (said,) = drawn.said
    assert said.startswith("contrast is not drawn: no live run has a placebo")
    assert "--with-placebo" in said


def test_errors_name_what_there_is(run: Path, mixtures: Trajectory, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"figure5: a run of world llm has: figure2, figure3, traj"):
        draw(run, tmp_path / "f", only=("figure2", "figure5"))
    with pytest.raises(BadInput, match=r"figure2: a run of world gmm has: figure4, figure5, fig"):
        draw(mixtures, tmp_path / "f", only=("figure2",))
    with pytest.raises(
        BadInput, match=r"'diversty': no such figure .did you mean diversity\? choices: figure2"
    ):
        draw(run, tmp_path / "f", only=("diversty",))
    with pytest.raises(BadInput, match=r"no format 'jpg' \(choices: pdf, png, svg\)"):
        draw(run, tmp_path / "f", formats=("jpg",))
    with pytest.raises(BadInput, match="figure contrast: no live run has a placebo"):
        draw(run, tmp_path / "f", only=("figure2", "contrast"))
    with pytest.raises(BadInput, match="no run directory"):
        draw(tmp_path, tmp_path / "f")
    assert not (tmp_path / "f").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="file: not a folder"):
        draw(run, tmp_path / "file", only=("figure2",))


def test_figures_4_and_6_are_one_drawing(mixtures: Trajectory, tmp_path: Path) -> None:
    fits = [name for name in names_of("gmm") if FIGURES[name].fits(subject_of(mixtures))]
    assert fits == ["figure4", "figure5", "diversity", "contrast"]
    other = draw(mixtures, tmp_path / "six", formats=("svg",), only=("figure6", "figure4"))
    four, six = other.files
    assert (four.name, six.name) == ("figure4.svg", "figure6.svg")
    assert four.read_bytes() == six.read_bytes()


def test_titles_can_be_left_to_the_caption(paired: Subject, mixtures: Trajectory) -> None:
    for subject in (paired, subject_of(mixtures)):
        for name in names_of(subject.world):
            with_title = FIGURES[name].draw(subject, True)
            assert with_title.get_suptitle(), name
            assert FIGURES[name].draw(subject, False).get_suptitle() == "", name
            width = 3.3 if name == "figure2" else 6.9
            assert with_title.get_size_inches()[0] == pytest.approx(width), name


def test_figure2_shows_the_norm(run: Path) -> None:
    trajectory = lwd.load(run)
    figure = norm_figure(trajectory)
    ((x, y),) = curves(figure)
    np.testing.assert_array_equal(x, np.arange(6))
    np.testing.assert_array_equal(y, trajectory.norm)
    np.testing.assert_array_equal(curves(figure, 1)[0][1], trajectory.synthetic_share)


def test_figure3_keeps_the_distances_of_responses(tmp_path: Path) -> None:
    """Responses in a plane: classical MDS moves them, and changes no distance."""
    embeddings = network(4, draws=5, dimensions=3)
    embeddings[..., 2] = 0.0
    embeddings[3, 1, 2] = np.nan
    figure = responses_figure(lwd.load(made_run(tmp_path / "r", embeddings)))
    assert [axes.get_title() for axes in figure.axes] == ["$t = 1$", "$t = 3$"]
    clouds = [[np.asarray(c.get_offsets()) for c in axes.collections] for axes in figure.axes]
    assert [[len(cloud) for cloud in step] for step in clouds] == [[5, 5, 5], [5, 4, 5]]
    there = np.concatenate([*clouds[0], *clouds[1]])
    true = embeddings[[1, 3]].reshape(-1, 3)
    true = true[np.isfinite(true[:, 0])].astype(np.float32)
    apart = np.linalg.norm(true[:, None] - true, axis=2)
    np.testing.assert_allclose(np.linalg.norm(there[:, None] - there, axis=2), apart, atol=1e-5)


def test_trajectories_show_the_measured_coordinates(run: Path) -> None:
    subject = subject_of(run)
    figure = trajectories_figure(subject)
    found = subject.measures.agents
    for i, name in enumerate(lwd.load(run).agents):
        mine = found.xs(name, level="agent")
        path, first, last = curves(figure)[3 * i : 3 * i + 3]
        np.testing.assert_array_equal(path, (mine["x"], mine["y"]))
        assert (first[0][0], last[0][0]) == (mine["x"].iloc[0], mine["x"].iloc[-1])
        np.testing.assert_array_equal(curves(figure, 2)[3 * i][1], mine["y"])


def test_diversity_shows_the_measures(run: Path, mixtures: Trajectory) -> None:
    subject = subject_of(run)
    figure = diversity_figure(subject)
    panels = {axes.get_title(loc="left"): i for i, axes in enumerate(figure.axes)}
    vendi = subject.measures.agents["vendi"].unstack("agent")
    for i, name in enumerate(lwd.load(run).agents):
        np.testing.assert_array_equal(curves(figure, panels["Vendi score"])[i][1], vendi[name])
    within, drift, _ = (curves(diversity_figure(subject_of(mixtures)), i) for i in range(3))
    found = lwd.measure(mixtures).steps
    np.testing.assert_array_equal(within[1][1], found["placebo_within"])
    np.testing.assert_array_equal(drift[0][1], found["drift"])


def test_lineage_stacks_shares_to_one(run: Path) -> None:
    subject = subject_of(run)
    names = ("human", "others", "own", "elsewhere", "new")
    shares = np.random.default_rng(0).dirichlet(np.ones(5), size=len(subject.measures.agents))
    table = subject.measures.agents
    for column, values in zip(names, shares.T, strict=True):
        table[f"from_{column}"] = values
    figure = lineage_figure(subject)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a0", "a1", "a2"]
    for i, axes in enumerate(figure.axes):
        mine = shares.reshape(6, 3, 5)[:, i]
        tops = [area.get_paths()[0].vertices[:, 1].max() for area in axes.collections]
        np.testing.assert_allclose(tops, np.cumsum(mine, axis=1).max(axis=0))


def test_contrast_shows_the_pairs_and_what_the_test_found(pairs: Path, paired: Subject) -> None:
    figure = contrast_figure(paired)
    found = lwd.test(str(pairs / "*"), at="none", write=False).conditions[0]
    assert found.collapse is not None
    norms = np.stack([lwd.load(pairs / f"l{seed}").norm for seed in range(7)])
    drawn = [y for _, y in curves(figure)]
    np.testing.assert_allclose(drawn[:7], norms)
    np.testing.assert_allclose(drawn[7], norms.mean(axis=0))
    placebos = np.stack([lwd.load(pairs / f"p{seed}").norm for seed in range(7)])
    np.testing.assert_allclose(drawn[8:15], placebos)
    for row, quantity in enumerate(found.collapse.quantities):
        zero, deltas, ends, mean = curves(figure, 1 + row)
        assert list(zero[0]) == [0.0, 0.0]
        np.testing.assert_array_equal(deltas[0], quantity.deltas)
        assert tuple(ends[0]) == (quantity.interval.low, quantity.interval.high)
        assert list(mean[0]) == [quantity.interval.estimate]
    assert found.collapse.quantities[0].interval.high < 0  # between did fall beyond the placebo
    assert not (pairs / "l0" / "summary.json").exists()  # nothing was written into the runs


def test_hostile_names_stand_as_they_are(tmp_path: Path) -> None:
    """No mathematics, no name dropped, no warning for a glyph that no font here has."""
    agents = [{"name": name, "model": "pocket:north"} for name in HOSTILE]
    path = made_run(tmp_path / "r", network(4, n=len(HOSTILE), draws=4), agents=agents)
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["experiment"] = "$odd_{$ <name>"
    (path / "manifest.json").write_text(json.dumps(manifest))
    drawn = draw(path, tmp_path / "f", formats=("svg", "pdf"), only=["figure3"])
    ElementTree.fromstring(drawn.files[0].read_bytes())
    with styled():
        labels = drawn_texts(responses_figure(lwd.load(path)))[: len(HOSTILE)]
    assert labels[:4] == [r"\$x_1\$", "a<b>&", "Ünï", "_under"]
    assert labels[4] == "\U0001f600<U+4E2D>"
    assert labels[7] == "%\ufffdx"  # a mark that would turn the text round


def test_plain_names_are_cut_and_never_mathematics() -> None:
    from matplotlib.cbook import is_math_text

    assert len(plain("x" * 500)) == 40
    assert not any(is_math_text(plain(name)) for name in (*HOSTILE, "$$", r"\$a\$", "$" * 9))
    assert len({look(i) for i in range(49)}) == 49
    assert [look(i)[1] for i in range(7)] == list(MARKERS)


def test_one_step_one_agent_and_no_norm(tmp_path: Path) -> None:
    only, svg = ("figure2", "figure3", "trajectories"), ("svg",)
    one = made_run(tmp_path / "one", network(1))
    alone = made_run(tmp_path / "alone", network(3, n=1))
    for path in (one, alone):
        assert len(draw(path, tmp_path / "f", formats=svg, only=only).files) == 3
    with pytest.raises(BadInput, match="figure contrast: there is one step"):
        draw(one, tmp_path / "f", only=("contrast",))
    lost = made_run(tmp_path / "lost", np.full((3, 3, 4, 8), np.nan))
    none = draw(lost, tmp_path / "f3")
    assert not none.files
    assert len(none.said) == len(names_of("llm"))
    with pytest.raises(BadInput, match=r"figure figure2: \|\|D\|\|_F is known at no step"):
        draw(lost, tmp_path / "f3", only=("figure2",))


def test_damage_leaves_out_what_needs_it(tmp_path: Path) -> None:
    path = made_run(tmp_path / "r", network(4))
    (path / "embeddings" / "00003.npy").write_bytes(b"broken")
    drawn = draw(path, tmp_path / "f", formats=("svg",))
    assert {"figure2", "trajectories"} <= {file.stem for file in drawn.files}
    assert any(line.startswith("figure3 is not drawn: ") for line in drawn.said)
    with pytest.raises(BadInput, match=r"figure figure3: .*00003\.npy"):
        draw(path, tmp_path / "f", only=("figure3",))


# --- the page's stills -------------------------------------------------------------------------


def page(runs: int = 1, steps: int = 5, names: tuple[str, ...] = ("a", "b")) -> dict[str, Any]:
    """The page's Data of made-up runs."""
    return {"runs": [_run(i, steps, names) for i in range(runs)]}


def _run(i: int, steps: int, names: tuple[str, ...]) -> dict[str, Any]:
    n, t = len(names), list(range(steps))
    norm = [round(2.0 / (1 + s) + i, 4) for s in t]
    rows = [(s, a, d) for s in t for a in range(n) for d in range(3)]
    place = [[0.1 * s + a for a in range(n)] for s in t]
    return {
        "key": f"run-{i}",
        "world": "llm",
        "placebo": i % 2 == 1,
        "of": f"run-{i - 1}" if i % 2 else None,
        "agents": list(names),
        "t": t,
        "curves": {"norm": norm, "between": [x * x for x in norm], "within": [None] * steps},
        "floor": [0.3] * steps,
        "band": dict.fromkeys(("centre", "low", "high", "low_all", "high_all"), norm),
        "theory": {},
        "replicates": None,
        "path": {"x": place, "y": place, "off": place},
        "weights": None,
        "texts": {
            "responses": {
                "t": [row[0] for row in rows],
                "agent": [row[1] for row in rows],
                "x": [None if row == (0, 0, 0) else 0.1 * row[2] for row in rows],
                "y": [None if row == (0, 0, 0) else 0.2 * row[1] for row in rows],
            }
        },
    }


def texts_of(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg.encode())
    return ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]


def test_stills_say_what_is_seen() -> None:
    found = stills(page(2))
    assert list(found) == ["norm", "plane", "paths", "measures"]
    assert "run-0: 2 at t = 0, 0.4 at t = 4." in found["norm"].alt
    assert "run-1, a placebo: 3 at t = 0, 1.4 at t = 4." in found["norm"].alt
    assert "6 of 6 responses at t = 1; 6 of 6 responses at t = 4" in found["plane"].alt
    assert "a from (0.00, 0.00) to (0.40, 0.40)." in found["paths"].alt
    assert "run-1 (placebo)" in texts_of(found["norm"].svg)
    for still in found.values():
        assert len(still.svg) < 300_000
        assert "<image" not in still.svg  # nothing is pixels
        assert "fill: #ffffff" in still.svg  # black text on a dark page needs a white card
    assert stills(page(2)) == found


def test_stills_hold_names_as_text() -> None:
    found = stills(page(names=tuple(HOSTILE)))
    for name in ("plane", "paths"):
        assert set(texts_of(found[name].svg)) >= {*HOSTILE[:-1], "%\ufffdx"}


def without(data: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    changed = copy.deepcopy(dict(data))
    for run in changed["runs"]:
        run.update(dict.fromkeys(keys))
    return changed


def test_stills_of_what_is_hardly_there() -> None:
    assert stills({"runs": []}) == {}
    assert stills({"runs": [{"key": "r", "t": [], "agents": [], "curves": {}}]}) == {}
    assert list(stills(without(page(), "texts", "path", "band", "floor"))) == ["norm", "measures"]
    assert set(stills(page(steps=1))) == {"norm", "plane", "paths", "measures"}
    unknown = without(page(), "curves")
    assert list(stills(unknown)) == ["plane", "paths"]
    nothing = page()
    nothing["runs"][0]["curves"] = {"norm": [None] * 5}
    assert "norm" not in stills(nothing)


def test_a_gap_in_the_steps_is_a_gap_in_the_line() -> None:
    from matplotlib.figure import Figure as Card

    from lwd_agents.report.page.still_parts import draw_curve

    line = draw_curve(Card().subplots(), [0, 1, 5, 6], [1.0, None, 3.0, 4.0])
    np.testing.assert_array_equal(line.get_xdata(), [0, 1, 5, 5, 6])
    np.testing.assert_array_equal(line.get_ydata(), [1, np.nan, np.nan, 3, 4])


def test_stills_stay_small() -> None:
    many = stills(page(60, steps=100))
    assert all(len(still.svg) < 300_000 for still in many.values())
    assert "And 52 more." in many["norm"].alt
    assert "One in 2 steps is drawn." in many["measures"].alt
    crowd = page()
    rows = crowd["runs"][0]["texts"]["responses"]
    for key in rows:
        rows[key] = rows[key] * 400
    plane = stills(without(crowd, "curves", "path"))["plane"]
    assert "800 of 2400 responses at t = 1" in plane.alt
    assert len(plane.svg) < 300_000


def test_stills_of_mixtures() -> None:
    data = without(page(), "texts", "path", "band", "floor")
    run = data["runs"][0]
    run["weights"] = [[[0.25, 0.75], [1 - 0.1 * t, 0.1 * t]] for t in run["t"]]
    run["replicates"] = {
        "count": 2,
        "norm": [[1.0] * 5] * 2,
        "rms": [9, 1, 1, 1, 4],
        "placebo_rms": [8, 1, 1, 1, 5],
    }
    run["theory"] = {"predicted": [9.5, 1, 1, 1, 4.5], "mean_field": [None] * 5}
    found = stills(data)
    assert "root mean square of 2: 9 at t = 0, 4 at t = 4. its placebo: 8" in found["norm"].alt
    assert "theory: predicted" in found["norm"].alt
    assert "mean field" not in found["norm"].alt
    assert "b (1.00, 0.00) to (0.60, 0.40)." in found["weights"].alt
