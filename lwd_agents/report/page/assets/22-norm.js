// #norm: the norm over steps with everything that helps to read it.
(function () {
  "use strict";

  const DASHED = "5px,4px";
  const shown = {
    norm: true, band: true, floor: true, replicates: true, predicted: true, mean_field: true, placebo: true, others: true,
  };
  let logs = { x: false, y: false };

  const first = (run) => ((run.readings || 1) > 1 ? " of the step\u2019s first reading" : "");

  // What the theory's curve is.
  function predicted(run) {
    if (!run.learners) return "what the equations predict for the thick line, given the starting weights";
    const { theory } = run.learners;
    return theory && !theory.exact ? "what is expected of the thick line to first order in 1 / rows; it misses what grows beyond that"
      : "what the exact recursion of second moments expects of the thick line";
  }

  // Every kind of curve: how it looks in the legend, its name, and what it is.
  const KINDS = [
    ["norm", "line", "\u2016D\u2016 as measured",
      (run) => (run.draws ? "from the means of " + run.draws + " draws" + first(run) + "; above zero even where all agents mean the same"
        : run.replicates ? "of the first replicate" : "")],
    ["band", "band", "\u2016D\u2016 without draw noise",
      (run) => "dotted: the estimate; dark: where each step by itself lies; light: all steps together. Signed roots, so it may be below zero."
        + (run.band ? " " + LWD.sentence(run.band.about) : " This run has none.")],
    ["floor", "dots", "draw floor", () => "what \u2016D\u2016 would show if the agents meant the same: the noise of the draws alone"],
    ["replicates", "thin", "replicates",
      (run) => (run.replicates ? run.replicates.count + " replicates" + (run.replicates.norm.length < run.replicates.count ? ", " + run.replicates.norm.length + " of them as thin lines" : " as thin lines")
        + "; thick: the root of their mean square" : "")],
    ["predicted", "dash", "theory: root mean square", predicted],
    ["mean_field", "dots", "theory: mean field", () => "norm of the mean distances: where it goes without the noise of sampling"],
    ["placebo", "placebo", "placebo", (run) => "the matched run whose " + (run.learners ? "data is all real" : "posts are human") + "; dashed, in the colour of its live run"],
    ["others", "line", "other runs", () => (LWD.crowd() ? "all the runs of this page, faint; placebos grey and dashed" : "all the runs of this page; placebos dashed, in the colour of their live run")],
  ];
  const THEORY = [["predicted", "--agent-1", "8px,4px", "prediction"], ["mean_field", "--agent-2", "2px,3px", "mean field"]];

  const some = (column) => Array.isArray(column) && column.some((value) => value !== null);

  function has(kind) {
    const { runs } = LWD.data;
    const test = {
      norm: (run) => some(run.curves.norm),
      others: () => runs.length > 1,
      band: (run) => run.band && some(run.band.centre),
      floor: (run) => some(run.floor),
      replicates: (run) => run.replicates,
      placebo: (run) => some(run.curves.placebo_norm),
    }[kind] || ((run) => some((run.theory || {})[kind]));
    return runs.some(test);
  }

  function line(run, y, name, style) {
    return {
      x: run.t, y, name, meta: name, mode: run.t.length === 1 ? "markers" : "lines", type: "scatter",
      hoverinfo: "none", connectgaps: false, ...style,
    };
  }

  // One step has no width to fill: its belt is a bar.
  function belt(run, low, high, fill, said) {
    const edge = run.t.length === 1 ? { width: 9, color: fill } : { width: 0 };
    const style = { line: edge, hoverinfo: "skip", mode: "lines" };
    if (run.t.length === 1) return [line(run, [low[0], high[0]], "", { ...style, x: [run.t[0], run.t[0]] })];
    return [
      line(run, low, "", { ...style, said: said + ", low" }),
      line(run, high, "", { ...style, said: said + ", high", fill: "tonexty", fillcolor: fill }),
    ];
  }

  // Only the chosen run has its band, floor and theory: more at once can't be read.
  function traces() {
    const { runs } = LWD.data;
    const chosen = LWD.run();
    const made = [];
    const colour = LWD.runColour(LWD.state.run);
    if (shown.band && chosen.band) {
      const { low, high, low_all: lowAll, high_all: highAll, centre } = chosen.band;
      if (some(lowAll)) made.push(...belt(chosen, lowAll, highAll, LWD.faint(colour, 0.1), "all steps together"));
      if (some(low)) made.push(...belt(chosen, low, high, LWD.faint(colour, 0.2), "each step"));
      made.push(line(chosen, centre, "without draw noise", { line: { color: colour, width: 1.4, dash: "2px,3px" } }));
    }
    if (shown.replicates && chosen.replicates) {
      for (const one of chosen.replicates.norm)
        made.push(line(chosen, one, "", { line: { color: LWD.faint(colour, 0.22), width: 1 }, hoverinfo: "skip" }));
    }
    if (shown.others) {
      const crowd = LWD.crowd();
      runs.forEach((run, place) => {
        if (run === chosen || !some(run.curves.norm)) return;
        const own = LWD.runColour(place);
        made.push(line(run, run.curves.norm, run.key, {
          line: { color: crowd ? LWD.faint(own, 0.35) : own, width: crowd ? 1.1 : 1.6, dash: LWD.runDash(run) },
        }));
      });
    }
    if (shown.floor && some(chosen.floor))
      made.push(line(chosen, chosen.floor, "draw floor", { line: { color: LWD.css("--muted"), width: 1.4, dash: "1.5px,3.5px" } }));
    if (chosen.replicates && shown.replicates && some(chosen.replicates.rms)) {
      const many = chosen.replicates.count;
      made.push(line(chosen, chosen.replicates.rms, "root mean square of " + many, { line: { color: colour, width: 2.8 } }));
      if (shown.placebo && some(chosen.replicates.placebo_rms))
        made.push(line(chosen, chosen.replicates.placebo_rms, "placebo, root mean square of " + many, { line: { color: colour, width: 2.2, dash: DASHED } }));
    } else if (shown.placebo && some(chosen.curves.placebo_norm)) {
      made.push(line(chosen, chosen.curves.placebo_norm, "placebo", { line: { color: colour, width: 1.6, dash: DASHED } }));
    }
    for (const [name, shade, dash] of THEORY) {
      if (!shown[name]) continue;
      const theory = chosen.theory || {};
      const style = { line: { color: LWD.css(shade), width: 2, dash } };
      if (some(theory[name])) made.push(line(chosen, theory[name], "theory, " + name.replace(/_/g, " "), style));
      if (shown.placebo && some(theory["placebo_" + name]))
        made.push(line(chosen, theory["placebo_" + name], "theory of the placebo, " + name.replace(/_/g, " "), { line: { ...style.line, width: 1.2 } }));
    }
    // Beside many replicates the first alone is one thin line of them.
    if (shown.norm && some(chosen.curves.norm))
      made.push(line(chosen, chosen.curves.norm, runs.length > 1 ? chosen.key : "\u2016D\u2016", {
        line: { color: colour, width: chosen.replicates ? 1.3 : 2.6, dash: LWD.runDash(chosen) },
        marker: { color: colour, size: 9 },
      }));
    return made;
  }

  function readout() {
    const run = LWD.run();
    const at = LWD.at(run, LWD.state.t);
    const parts = [];
    const say = (name, value) => value !== null && value !== undefined && parts.push(name + " " + LWD.number(value));
    say(run.replicates && run.replicates.count > 1 ? "norm of the first replicate" : "norm", (run.curves.norm || [])[at]);
    if (run.band && run.band.centre[at] !== null && run.band.centre[at] !== undefined) {
      parts.push("without draw noise " + LWD.number(run.band.centre[at])
        + (run.band.low[at] === null ? "" : " (" + LWD.number(run.band.low[at]) + " to " + LWD.number(run.band.high[at]) + ")"));
    }
    say("draw floor", (run.floor || [])[at]);
    if (run.replicates) say("root mean square", run.replicates.rms[at]);
    if (run.replicates && run.replicates.placebo_rms) say("the placebo\u2019s", run.replicates.placebo_rms[at]);
    for (const [name, , , said] of THEORY) if ((run.theory || {})[name]) say("theory\u2019s " + said, run.theory[name][at]);
    return "Step " + LWD.state.t + ": " + (parts.length ? parts.join(", ") + "." : "no norm.");
  }

  LWD.start(function () {
    const mount = LWD.mount("norm");
    if (!mount || !LWD.run()) return;
    const chart = LWD.el("div", { class: "chart tall", role: "img",
      "aria-label": "The norm over steps. The values at the chosen step stand below, those of all steps in a table." });
    const said = LWD.el("p", { class: "readout" }); // not read out: the slider says where it is
    const numbers = LWD.numbers("the norm", () => {
      const all = traces();
      const bands = all.filter((one) => one.said);
      return { caption: "By step, as drawn: " + LWD.plain(LWD.run().key) + (LWD.data.runs.length > 1 ? ", and the runs beside it" : ""),
        ...LWD.byStep([...all.filter((one) => !one.said).reverse(), ...bands]) };
    });
    numbers.name("The numbers of this chart");
    // A crowd says more than one run's band, which would set the scale.
    if (LWD.crowd()) shown.band = shown.floor = false;
    const cursor = LWD.cursor(chart);
    const draw = function () {
      numbers.fill();
      const type = (log, axis) => (log ? { type: "log", autorange: true, range: undefined, dtick: undefined } : axis);
      LWD.plot(chart, traces(), LWD.layout({
        xaxis: LWD.stepAxis(LWD.data.runs, type(logs.x, {})),
        yaxis: LWD.axis("\u2016D(t)\u2016<sub>F</sub>", type(logs.y, { rangemode: "tozero" })),
      }));
      if (!chart.dataset.ready) {
        chart.dataset.ready = "1";
        LWD.hover(chart, (points) => LWD.valuesTip("step " + points[0].x,
          points.filter((p) => p.data.meta).map((p) => [p.data.line.color, p.data.meta, p.y])));
      }
      cursor.attach();
    };
    const kinds = KINDS.filter(([kind]) => has(kind));
    const abouts = new Map(kinds.map(([kind]) => [kind, LWD.el("small", {})]));
    const onlyPlacebos = LWD.data.runs.slice(1).every((run) => run.placebo);
    const looks = (kind, look) => (kind === "others" && onlyPlacebos ? "placebo" : kind === "others" && LWD.crowd() ? "thin" : look + " " + kind);
    const toggles = kinds.map(([kind, look, name]) => LWD.el("li", {},
      LWD.check([LWD.swatch(looks(kind, look)), LWD.el("span", {}, LWD.el("strong", {}, name), " ", abouts.get(kind))], shown[kind],
        (on) => { shown[kind] = on; again(); })));
    const scales = LWD.el("div", { class: "controls" },
      LWD.check("logarithmic norm", false, (on) => { logs = { ...logs, y: on }; again(); }),
      LWD.check("logarithmic steps", false, (on) => { logs = { ...logs, x: on }; again(); }));
    mount.append(LWD.el("figure", {}, chart, LWD.el("figcaption", {}, said)),
      LWD.el("ul", { class: "curves" }, ...toggles), scales, numbers.element);
    const again = LWD.drawing(chart, draw);
    LWD.on((state, changed) => {
      if (changed.has("t") || changed.has("run") || changed.has("data")) {
        said.textContent = readout();
        cursor.place();
      }
      if (changed.has("run") || changed.has("data"))
        for (const [kind, , , about] of kinds) abouts.get(kind).textContent = about(LWD.run());
      if (changed.has("run") || changed.has("data") || changed.has("theme")) again();
    });
  });
})();
