// The errors of learners at a step, as bars, with a mark where each was expected to be.
(function () {
  "use strict";

  const MOST = 24; // learners whose bars are drawn
  const NAME = 14; // characters of a name under a bar
  const HALF = 0.31; // of a bar's width, where 1 is from one to the next
  const ROWS = 400; // learners in the table of numbers
  const shown = { spread: false, fit: false, log: false };
  // By the verdict: [colour, mark, word, pattern].
  const LOOKS = new Map([
    [true, ["--agent-1", "\u25a0", "collapses", "/"]],
    [false, ["--agent-0", "\u25cf", "stable", ""]],
    [null, ["--muted", "\u25c6", "no verdict", ""]],
  ]);

  // Of Gaussians the covariances can be shown in place of the means.
  const kinds = (run) => (run.spreads ? [["", "error of the mean"], ["spread", "trace of the covariance"]] : []);
  const columns = (run) => (shown.spread && run.spreads ? [run.spreads, null, run.expected_spreads]
    : [run.errors, run.errors_se, run.expected]);
  const title = (run) => (!run.spreads ? "squared distance from the truth"
    : shown.spread ? "trace of the covariance" : "squared distance of the mean from the truth");

  // The verdict on each learner in the graph that holds at the chosen step; null: none is claimed.
  function falls(run) {
    const verdicts = (run.learners && run.learners.verdicts) || [];
    const now = verdicts.filter((one, i) => i === 0 || one.from <= LWD.state.t).pop();
    return run.agents.map((_, i) => (now && now.collapses ? now.collapses[i] : null));
  }

  const step = (rows, at) => (rows && rows[at]) || [];
  const value = (row, i) => (row[i] === undefined ? null : row[i]);
  const look = (fall) => LOOKS.get(fall === true || fall === false ? fall : null);

  // What stands of each drawn learner at the chosen step: {error, se, expected, fall}.
  function now(run, most = MOST) {
    const at = LWD.at(run, LWD.state.t);
    const [errors, se, expected] = columns(run).map((rows) => step(rows, at));
    const fall = falls(run);
    return run.agents.slice(0, most).map((_, i) => ({
      error: value(errors, i), se: value(se, i), expected: value(expected, i), fall: fall[i],
    }));
  }

  function traces(run) {
    const all = now(run);
    const x = all.map((_, i) => i + 1);
    const ink = LWD.css("--ink");
    return [
      { type: "bar", x, y: all.map((one) => one.error), hoverinfo: "none", meta: "error", width: 2 * HALF,
        error_y: { type: "data", array: all.map((one) => 2 * (one.se || 0)), color: LWD.css("--muted"),
          thickness: 1.2, width: 3, visible: all.some((one) => one.se) },
        marker: { color: all.map((one) => (one.fall === null ? LWD.faint(LWD.css("--muted"), 0.55) : LWD.css(look(one.fall)[0]))),
          pattern: { shape: all.map((one) => look(one.fall)[3]), fillmode: "overlay", solidity: 0.18, fgcolor: LWD.css("--surface") } } },
      // As wide as a bar at any width of the screen, which a mark is not.
      { type: "scatter", mode: "markers", x, y: all.map((one) => one.expected), hoverinfo: "none", meta: "expected",
        marker: { size: 1, opacity: 0 },
        error_x: { type: "constant", value: HALF, color: ink, thickness: 2.4, width: 0 } },
    ];
  }

  // The least above nought and the most of some steps, errors, bars' ends and expectations.
  function reach(run, places) {
    let [low, high] = [Infinity, 0];
    const [errors, se, expected] = columns(run);
    const take = (size) => {
      if (size > high) high = size;
      if (size > 0 && size < low) low = size;
    };
    for (const at of places) {
      step(errors, at).slice(0, MOST).forEach((size, i) => {
        if (size === null) return;
        take(size);
        take(size + 2 * (value(step(se, at), i) || 0));
      });
      step(expected, at).slice(0, MOST).forEach((size) => size !== null && take(size));
    }
    return [low, high];
  }

  // The same scale at every step, or growth could not be seen; or that of the step.
  function scale(run) {
    const [low, high] = reach(run, shown.fit ? [LWD.at(run, LWD.state.t)] : run.t.keys());
    if (!shown.log || low === Infinity) return { range: [0, 1.06 * high || 1] };
    return { type: "log", range: [Math.log10(low) - 0.3, Math.log10(high) + 0.1], dtick: high / low < 1e6 ? 1 : undefined };
  }

  // Plotly reads tags in the words of an axis.
  const inert = (said) => said.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  function brief(name) {
    const said = [...LWD.plain(name)];
    return inert(said.length > NAME ? said.slice(0, NAME - 1).join("") + "\u2026" : said.join(""));
  }

  function layout(run) {
    const names = run.agents.slice(0, MOST).map(brief);
    return LWD.layout({
      hovermode: "x",
      margin: { l: 70, r: 16, t: 16, b: 56 },
      xaxis: LWD.axis("", { title: undefined, tickvals: names.map((_, i) => i + 1), ticktext: names,
        range: [0.4, names.length + 0.6], ticks: "", showgrid: false, fixedrange: true }),
      yaxis: LWD.axis(title(run), { ...scale(run) }),
    });
  }

  // --- words ----------------------------------------------------------------------------------------

  function words(run) {
    const many = run.replicates ? run.replicates.count : 1;
    const { theory, verdicts } = run.learners || {};
    const mean = many > 1 ? ", the mean over " + many + " replicates" : "";
    const whiskers = many > 1 && !shown.spread ? ", with two standard errors either way" : "";
    const expected = columns(run)[2] ? "The lines across them are what is expected"
      + (theory && !theory.exact ? " to first order in 1 / rows. " : ", by the exact recursion. ")
      : theory && theory.refused ? "Nothing is expected: " + LWD.plain(theory.refused) + ". "
        : "What is expected comes when the run has ended. ";
    return "Bars: each learner\u2019s " + title(run) + mean + whiskers + ". " + expected
      + ((verdicts || []).some((one) => one.collapses) ? "Colours: the verdict on the graph that holds at the step. " : "")
      + (run.agents.length > MOST ? "The first " + MOST + " of " + LWD.count(run.agents.length) + " learners are drawn." : "");
  }

  // The chart in words, for who does not see it.
  function told(run) {
    const each = now(run).map((one, i) => LWD.plain(run.agents[i]).slice(0, 60) + " " + LWD.number(one.error)
      + (one.expected === null ? "" : ", expected " + LWD.number(one.expected)) + (one.fall === null ? "" : ", " + look(one.fall)[2]));
    const more = run.agents.length - MOST;
    return "Step " + LWD.state.t + ": " + title(run) + ". " + each.join("; ") + (more > 0 ? "; and " + LWD.count(more) + " more" : "") + ".";
  }

  function tip(run, points) {
    const i = points[0].x - 1;
    const one = now(run)[i];
    if (!one) return null;
    const row = (name, size) => (size === null ? null : LWD.el("tr", {}, LWD.el("td", {}, name), LWD.el("td", { class: "number" }, LWD.number(size))));
    const rows = [row(shown.spread ? "trace" : "error", one.error), row("standard error", one.se), row("expected", one.expected)].filter(Boolean);
    return LWD.el("div", {}, LWD.el("p", { class: "tip-head" }, LWD.el("strong", {}, LWD.text(run.agents[i], 60)),
      LWD.el("span", { class: "quiet" }, look(one.fall)[2])), LWD.el("table", {}, ...rows));
  }

  // The verdicts that any graph of the run has, and the mark of what is expected.
  function legend(run) {
    const verdicts = ((run.learners && run.learners.verdicts) || []).filter((one) => one.collapses);
    const there = new Set(verdicts.flatMap((one) => one.collapses));
    const items = [...LOOKS].filter(([fall]) => (there.size ? there.has(fall) : fall === null)).map(([, [colour, mark, word]]) => {
      const sign = LWD.el("span", { class: "mark", "aria-hidden": "true" }, mark);
      sign.style.color = "var(" + colour + ")";
      return LWD.el("li", {}, sign, " ", word);
    });
    const expected = LWD.el("li", {}, LWD.swatch("expected"), " expected");
    return columns(run)[2] ? [...items, expected] : items;
  }

  function controls(run, again) {
    const toggle = (key, label) => LWD.check(label, shown[key], (on) => { shown[key] = on; again(); });
    const made = [toggle("fit", "scale of this step alone"), toggle("log", "logarithmic")];
    const choices = kinds(run);
    if (choices.length)
      made.unshift(LWD.chooser("of Gaussians", choices, shown.spread ? "spread" : "", (v) => { shown.spread = v === "spread"; again(); })[0]);
    return made;
  }

  function table(run) {
    const rows = now(run, ROWS).map((one, i) => [run.agents[i], one.error, one.se, one.expected]);
    const more = run.agents.length > ROWS ? ", the first " + ROWS + " of " + LWD.count(run.agents.length) + " learners" : "";
    return { caption: title(run) + " at step " + LWD.state.t + more, columns: ["learner", "mean", "standard error", "expected"], rows };
  }

  LWD.errors = { traces, layout, words, told, tip, legend, controls, table };
})();
