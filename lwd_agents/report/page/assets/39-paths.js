// #paths: the agents' perspectives over time, in one frame.
(function () {
  "use strict";

  const MOST = 60; // agents whose paths are drawn
  let others = true;

  // Where one axis holds everything it is drawn against the step: the other would be noise.
  const flat = () => LWD.data.paths !== null && LWD.data.paths.share[1] !== undefined && LWD.data.paths.share[1] < 0.001;
  const across = (run, agent) => (flat() ? run.t : column(run.path.x, agent));
  const along = (run, agent) => column(flat() ? run.path.x : run.path.y, agent);

  // Of what, where that is not all there is.
  const of = (run) => (run.replicates && run.replicates.count > 1 ? "Of the first replicate. "
    : (run.readings || 1) > 1 ? "Of the first reading of each step. " : "");

  // The chart in words: where each agent began, and where it is.
  function told(run) {
    if (!run.path) return "No trajectories.";
    const at = LWD.at(run, LWD.state.t);
    const place = (k, i) => (run.path.x[k] && run.path.x[k][i] !== null
      ? "(" + LWD.number(run.path.x[k][i], 2) + ", " + LWD.number(run.path.y[k][i], 2) + ")" : "nowhere");
    return "Trajectories of the agents\u2019 perspectives, from step " + run.t[0] + " to step " + run.t[at] + ": "
      + run.agents.slice(0, 24).map((name, i) => LWD.plain(name) + " from " + place(0, i) + " to " + place(at, i)).join("; ") + ".";
  }

  const column = (rows, agent) => rows.map((row) => (row ? row[agent] : null));

  function pathTraces() {
    const { runs } = LWD.data;
    const chosen = LWD.run();
    const made = [];
    runs.forEach((run) => {
      if (run === chosen || !run.path || !others) return;
      const alpha = runs.length > 4 ? 0.14 : 0.4;
      run.agents.slice(0, MOST).forEach((_, i) => made.push({
        type: "scatter", mode: "lines", hoverinfo: "skip", x: across(run, i), y: along(run, i),
        line: { color: LWD.faint(LWD.colour(i), alpha), width: 1.2, dash: LWD.runDash(run) },
      }));
    });
    if (!chosen.path) return made;
    const last = Math.max(chosen.t.length - 1, 1);
    chosen.agents.slice(0, MOST).forEach((_, i) => {
      const colour = LWD.colour(i);
      made.push({
        type: "scatter", mode: "lines+markers", hoverinfo: "none", meta: i, customdata: chosen.t,
        x: across(chosen, i), y: along(chosen, i),
        line: { color: LWD.faint(colour, 0.3), width: 1.3 },
        marker: { color: chosen.t.map((__, k) => LWD.faint(colour, 0.18 + 0.72 * k / last)), symbol: LWD.symbol(i), size: 7, line: { width: 0 } },
      });
    });
    made.push(here(chosen));
    return made;
  }

  // Where the agents are at the chosen step.
  function here(run) {
    const at = LWD.at(run, LWD.state.t);
    const drawn = run.agents.slice(0, MOST);
    const [x, y] = flat() ? [drawn.map(() => run.t[at]), run.path.x[at]] : [run.path.x[at], run.path.y[at]];
    return {
      type: "scatter", mode: "markers", hoverinfo: "skip", x: (x || []).slice(0, MOST), y: (y || []).slice(0, MOST),
      marker: { size: 15, color: drawn.map((_, i) => LWD.colour(i)), symbol: drawn.map((_, i) => LWD.symbol(i)),
        line: { width: 2.2, color: LWD.css("--ink") } },
    };
  }

  LWD.start(function () {
    const mount = LWD.mount("paths");
    if (!mount || !LWD.run()) return;
    if (!LWD.data.runs.some((run) => run.path)) {
      mount.append(LWD.el("p", { class: "quiet" }, LWD.data.live ? "Trajectories come when the run has ended." : "There are no trajectories: they need perspectives at more than one step."));
      return;
    }
    others = LWD.data.runs.length <= 8; // more of them hide the one that is looked at
    const chart = LWD.el("div", { class: "chart plane", role: "img", "aria-label": "" });
    const caption = LWD.el("p", {});
    const names = LWD.el("ul", { class: "legend" });
    const bar = LWD.data.runs.length > 1 ? LWD.el("div", { class: "controls" }, LWD.check("other runs, faint (placebos dashed)", others, (on) => { others = on; again(); })) : null;
    mount.append(...[bar, LWD.el("figure", {}, chart, names, LWD.el("figcaption", {}, caption))].filter(Boolean));
    let drawn = false;
    const again = LWD.drawing(chart, () => {
      const frame = LWD.data.paths;
      // Equal scales and margins that follow the labels pull at each other.
      const still = { automargin: false };
      LWD.plot(chart, pathTraces(), LWD.layout({
        hovermode: "closest",
        xaxis: flat() ? LWD.stepAxis(LWD.data.runs, still) : LWD.axis(LWD.shareTitle(frame, 0), { nticks: 8, ...still }),
        yaxis: flat() ? LWD.axis(LWD.shareTitle(frame, 0), still) : LWD.axis(LWD.shareTitle(frame, 1), { nticks: 8, scaleanchor: "x", scaleratio: 1, ...still }),
      }));
      if (!drawn) listen(chart);
      drawn = true;
    });
    LWD.on((state, changed) => {
      const run = LWD.run();
      chart.setAttribute("aria-label", told(run));
      if (changed.has("run") || changed.has("theme")) {
        names.replaceChildren(...run.agents.slice(0, 24).map((_, i) => LWD.el("li", {}, LWD.agent(i))));
        caption.textContent = run.path
          ? "Pale marks are early, strong ones late; the outlined marks are the chosen step. " + of(run)
            + LWD.sentence(LWD.data.paths && LWD.data.paths.about)
            + (flat() ? "One axis holds all of it, so it is drawn against the step. " : "")
            + (run.agents.length > MOST ? "The first " + MOST + " of " + LWD.count(run.agents.length) + " agents are drawn." : "")
          : "This run has no trajectories.";
      }
      if (changed.has("run") || changed.has("theme") || changed.has("data") || !drawn) again();
      else if (changed.has("t")) soon(() => again());
    });
  });

  function listen(chart) {
    LWD.hover(chart, (points) => {
      const [point] = points;
      if (point.data.meta === undefined) return null;
      return LWD.el("div", {}, LWD.agent(point.data.meta), LWD.el("span", { class: "quiet" }, " step " + point.customdata));
    });
    chart.on("plotly_click", (event) => {
      const point = event.points[0];
      if (point.data.meta !== undefined) LWD.set({ t: point.customdata });
    });
  }

  // After the slider has come to rest.
  let waiting = null;
  function soon(act) {
    clearTimeout(waiting);
    waiting = setTimeout(act, 120);
  }
})();
