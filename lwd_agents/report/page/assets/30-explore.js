// #explore: one step at a time, on the plane of the answers (of mixtures: their weights; of learners:
// their errors).
(function () {
  "use strict";

  const [ANSWERS, CHOSEN] = [2, 4]; // places among the plane's traces
  const LEGEND = 24; // agents named in the legend and in words
  const shown = { reads: true, humans: false, means: true };

  // What of a run is shown.
  const kindOf = (run) => (run.texts ? "plane" : run.weights ? "weights" : run.errors ? "errors" : "nothing");

  // A phrase of the data as a sentence, with a blank after it.
  LWD.sentence = (said) => (said ? said[0].toUpperCase() + said.slice(1) + (/[.!?]$/.test(said) ? " " : ". ") : "");

  // --- the plane's traces: answers, posts, means ------------------------------------------------

  const number = (run, t) => LWD.rows(run, t);

  // The answers of the chosen step, query and reading as columns; `row` is the response's index.
  function answers(run) {
    const { t, query, reading } = LWD.state;
    const found = { x: [], y: [], agent: [], row: [] };
    if (!run.texts) return found;
    const r = run.texts.responses;
    const [start, end] = number(run, t);
    for (let row = start; row < end; row++) {
      if (r.query[row] !== query || (reading !== null && r.reading[row] !== reading)) continue;
      if (r.x[row] === null) continue;
      found.x.push(r.x[row]);
      found.y.push(r.y[row]);
      found.agent.push(r.agent[row]);
      found.row.push(row);
    }
    return found;
  }

  // Each agent's mean of the answers on the plane: where its perspective lies on it, for the plane
  // is a projection.
  function means(run, points) {
    const sums = run.agents.map(() => [0, 0, 0]);
    points.agent.forEach((agent, i) => {
      sums[agent][0] += points.x[i];
      sums[agent][1] += points.y[i];
      sums[agent][2] += 1;
    });
    return {
      x: sums.map(([x, , n]) => (n ? x / n : null)), y: sums.map(([, y, n]) => (n ? y / n : null)),
    };
  }

  function postRows(run) {
    const { t, query, reading } = LWD.state;
    const rows = new Set();
    const reads = run.texts.reads;
    for (let i = 0; i < reads.t.length; i++) {
      if (reads.t[i] !== t || reads.query[i] !== query) continue;
      if (reading !== null && reads.reading[i] !== reading) continue;
      for (const post of reads.posts[i]) rows.add(post);
    }
    return [...rows];
  }

  function posts(run, rows) {
    const p = run.texts.posts;
    const placed = rows.filter((row) => p.x[row] !== null && p.x[row] !== undefined);
    return { x: placed.map((row) => p.x[row]), y: placed.map((row) => p.y[row]), row: placed };
  }

  const humans = (run) => run.texts.posts.kind
    .map((kind, row) => (kind === "human" ? row : -1)).filter((row) => row >= 0);

  function columns(run) {
    const points = answers(run);
    const centre = shown.means ? means(run, points) : { x: [], y: [] };
    const back = shown.humans && run.texts ? posts(run, humans(run)) : { x: [], y: [], row: [] };
    const read = shown.reads && run.texts ? posts(run, postRows(run)) : { x: [], y: [], row: [] };
    return { points, centre, back, read };
  }

  function planeTraces(run) {
    const { points, centre, back, read } = columns(run);
    const colours = run.agents.map((_, i) => LWD.colour(i));
    const symbols = run.agents.map((_, i) => LWD.symbol(i));
    const dot = { type: "scatter", mode: "markers", hoverinfo: "none" };
    const muted = LWD.css("--muted");
    return [
      { ...dot, uid: "humans", x: back.x, y: back.y, customdata: back.row, meta: "post",
        marker: { size: 5, color: LWD.faint(muted, 0.28), symbol: "circle" } },
      { ...dot, uid: "read", x: read.x, y: read.y, customdata: read.row, meta: "post",
        marker: { size: 8, color: muted, symbol: "circle-open", line: { width: 1.1 }, opacity: 0.45 } },
      { ...dot, uid: "answers", x: points.x, y: points.y, customdata: points.row, meta: "response",
        marker: { size: 9, opacity: 0.72, color: points.agent.map((a) => colours[a]),
          symbol: points.agent.map((a) => symbols[a]), line: { width: 0 } } },
      { ...dot, uid: "means", x: centre.x, y: centre.y, customdata: centre.x.map((_, i) => i), meta: "mean",
        marker: { size: 17, color: colours, symbol: symbols, line: { width: 2.4, color: LWD.css("--ink") } } },
      { ...dot, uid: "chosen", ...chosenPoint(run), meta: "chosen", hoverinfo: "skip",
        marker: { size: 20, color: LWD.css("--ink"), symbol: "circle-open", line: { width: 2.6 } } },
    ];
  }

  function chosenPoint(run) {
    const row = LWD.state.response;
    const r = run.texts ? run.texts.responses : null;
    if (row === null || !r || r.x[row] === null || r.t[row] !== LWD.state.t || r.query[row] !== LWD.state.query)
      return { x: [], y: [] };
    return { x: [r.x[row]], y: [r.y[row]] };
  }

  // The same axes at every step, or movement could not be seen.
  function ranges(run) {
    const found = [[Infinity, -Infinity], [Infinity, -Infinity]];
    if (run.texts) {
      for (const column of [run.texts.responses, run.texts.posts]) {
        [column.x, column.y].forEach((values, axis) => {
          for (const value of values) {
            if (value === null || value === undefined) continue;
            if (value < found[axis][0]) found[axis][0] = value;
            if (value > found[axis][1]) found[axis][1] = value;
          }
        });
      }
    }
    return found.map(([low, high]) => {
      if (low > high) return [-1, 1];
      const room = Math.max((high - low) * 0.05, 1e-6);
      return [low - room, high + room];
    });
  }

  LWD.shareTitle = (plane, axis) => "axis " + (axis + 1)
    + (plane && plane.share && Number.isFinite(plane.share[axis])
      ? " (" + (100 * plane.share[axis]).toFixed(0) + " % of the variance)" : "");

  function planeLayout(run) {
    const [x, y] = ranges(run);
    const plane = LWD.data.plane;
    return LWD.layout({
      hovermode: "closest",
      // Margins that follow the labels would draw every step twice.
      xaxis: LWD.axis(LWD.shareTitle(plane, 0), { range: x, nticks: 8, automargin: false }),
      yaxis: LWD.axis(LWD.shareTitle(plane, 1), { range: y, nticks: 8, scaleanchor: "x", scaleratio: 1, automargin: false }),
    });
  }

  // --- words at the pointer ---------------------------------------------------------------------

  function tip(point) {
    const run = LWD.run();
    if (point.data.meta === "mean") {
      return LWD.el("div", {}, LWD.agent(point.customdata), " ",
        LWD.el("span", { class: "quiet" }, "mean of its answers"));
    }
    const texts = run.texts;
    if (point.data.meta === "response") {
      const r = texts.responses;
      const row = point.customdata;
      const which = "step " + r.t[row] + ", draw " + r.draw[row]
        + ((run.readings || 1) > 1 ? ", reading " + r.reading[row] : "");
      const text = r.text[row] === null ? "(missing: " + (r.missing[row] || "not known") + ")" : texts.strings[r.text[row]];
      return LWD.el("div", {}, LWD.el("p", { class: "tip-head" }, LWD.agent(r.agent[row]),
        LWD.el("span", { class: "quiet" }, which)), LWD.el("p", {}, brief(text)));
    }
    if (point.data.meta === "post") {
      const p = texts.posts;
      const row = point.customdata;
      const text = p.text[row] === null ? "(text not kept)" : texts.strings[p.text[row]];
      return LWD.el("div", {}, LWD.el("p", { class: "tip-head" }, LWD.el("strong", {}, "post of ", p.kind[row] === "human" ? "people" : LWD.text(texts.authors[p.author[row]] || "?", 60)),
        LWD.el("span", { class: "quiet" }, p.kind[row] + ", " + LWD.posts.when(p.written[row]))), LWD.el("p", {}, brief(text)));
    }
    return null;
  }

  // A tooltip can't be clicked: what is longer is only said to be.
  const brief = (text) => LWD.text(text.length > 420 ? text.slice(0, 400) + "\u2026" : text);

  // --- controls -----------------------------------------------------------------------------------

  function legend(run) {
    if (kindOf(run) === "errors") return LWD.errors.legend(run);
    const names = run.agents.slice(0, LEGEND).map((_, i) => LWD.el("li", {}, LWD.agent(i)));
    const more = run.agents.length - LEGEND;
    return [...names, ...(more > 0 ? [LWD.el("li", { class: "quiet" }, "and " + more + " more, in the same colours and marks")] : [])];
  }

  // --- the section --------------------------------------------------------------------------------

  // Choosers and checkboxes that this run has a use for.
  function fresh(bar, run, again) {
    // Whoever chose with the keyboard stays where they were.
    const place = [...bar.children].findIndex((one) => one.contains(document.activeElement));
    bar.replaceChildren(...controls(run, again));
    if (place >= 0 && bar.children[place]) bar.children[place].querySelector("select, input").focus({ preventScroll: true });
  }

  function controls(run, again) {
    const { runs } = LWD.data;
    const made = [];
    if (runs.length > 1)
      made.push(LWD.chooser("run", runs.map((one, i) => [String(i), one.key]), String(LWD.state.run), (v) => LWD.set({ run: Number(v) }))[0]);
    if ((run.queries || []).length > 1)
      made.push(LWD.chooser("question", run.queries.map((q, i) => [String(i), q]), String(LWD.state.query), (v) => LWD.set({ query: Number(v) }))[0]);
    if ((run.readings || 1) > 1) {
      const all = [["", "all"], ...Array.from({ length: run.readings }, (_, i) => [String(i), String(i)])];
      made.push(LWD.chooser("reading", all, LWD.state.reading === null ? "" : String(LWD.state.reading),
        (v) => LWD.set({ reading: v === "" ? null : Number(v) }))[0]);
    }
    if (run.texts) {
      const toggle = (key, label) => LWD.check(label, shown[key], (on) => { shown[key] = on; again(); });
      made.push(toggle("means", "agents\u2019 means"), toggle("reads", "posts that were read"), toggle("humans", "all human posts"));
    }
    if (kindOf(run) === "errors") made.push(...LWD.errors.controls(run, again));
    return made;
  }

  const LACKING = { gmm: "The weights of the mixtures are not in this run.", graph: "The errors of the learners are not on this page." };

  function words(run) {
    if (run.texts) {
      const kept = run.texts.kept;
      const here = kept === null || kept === undefined || kept.includes(LWD.state.t);
      if (!here) return "This step\u2019s answers were left out to keep the file small.";
      const about = LWD.data.plane ? LWD.data.plane.about : "";
      return "Small marks are answers, large outlined ones each agent\u2019s mean, open circles posts that were read. "
        + "The axes are the same at every step. " + LWD.sentence(about) + "Click a mark to read it below.";
    }
    if (run.weights)
      return "Each agent\u2019s weights of the mixture\u2019s components, of the first replicate."
        + (run.agents.length > LEGEND ? " The first " + LEGEND + " of " + run.agents.length + " agents are shown." : "");
    if (kindOf(run) === "errors") return LWD.errors.words(run);
    return Object.hasOwn(LACKING, run.world) ? LACKING[run.world] : "This run\u2019s answers can\u2019t be shown: its texts or embeddings are missing.";
  }

  // The chart in words, for who does not see it.
  function told(run) {
    const { t } = LWD.state;
    if (kindOf(run) === "errors") return LWD.errors.told(run);
    const each = (say) => run.agents.slice(0, LEGEND).map((name, i) => LWD.plain(name) + " " + say(i)).join("; ");
    if (run.texts) {
      const points = answers(run);
      const { x, y } = means(run, points);
      return "Step " + t + ": " + points.row.length + " answers on a plane. Agents\u2019 means: "
        + each((i) => (x[i] === null ? "none" : "at " + LWD.number(x[i], 2) + ", " + LWD.number(y[i], 2)))
        + ". Each answer is listed under Responses.";
    }
    const rows = run.weights ? run.weights[LWD.at(run, t)] : null;
    return rows ? "Step " + t + ": weights of the components. " + each((i) => (rows[i] || []).map((w) => LWD.number(w, 2)).join(", ")) : "";
  }

  LWD.start(function () {
    const mount = LWD.mount("explore");
    if (!mount || !LWD.run()) return;
    const bar = LWD.el("div", { class: "controls" });
    const chart = LWD.el("div", { class: "chart plane", role: "img", "aria-label": "" });
    const caption = LWD.el("p", {});
    const names = LWD.el("ul", { class: "legend" });
    const head = LWD.el("div", { class: "explore-head" });
    const step = LWD.stepper(head);
    const numbers = LWD.numbers("one step", () => LWD.errors.table(LWD.run()));
    mount.append(head, bar, LWD.el("figure", {}, chart, names, LWD.el("figcaption", {}, caption)), numbers.element);
    const glider = LWD.glider(chart);
    let ready = null; // what the chart holds: "run/kind"
    const full = function () {
      const run = LWD.run();
      const kind = kindOf(run);
      chart.hidden = names.hidden = kind === "nothing";
      // Its other classes are Plotly's, which takes a chart without them for a new one.
      chart.classList.remove("plane", "weights", "errors", "nothing");
      chart.classList.add(kind);
      ready = null;
      glider.forget();
      if (kind === "nothing") return;
      if (kind === "plane") LWD.plot(chart, planeTraces(run), planeLayout(run));
      else LWD.plot(chart, LWD[kind].traces(run), LWD[kind].layout(run));
      if (!chart.dataset.ready) listen(chart);
      ready = kind;
    };
    const draw = LWD.drawing(chart, full);
    const say = function (run) {
      caption.textContent = words(run);
      chart.setAttribute("aria-label", told(run));
      numbers.element.hidden = kindOf(run) !== "errors";
      numbers.name("The numbers at step " + LWD.state.t);
      if (!numbers.element.hidden) numbers.fill();
    };
    const again = () => { draw(); say(LWD.run()); };
    LWD.on((state, changed) => {
      const run = LWD.run();
      step();
      say(run);
      if (changed.has("run") || changed.has("query") || changed.has("reading")) fresh(bar, run, again);
      if (changed.has("run") || changed.has("theme")) names.replaceChildren(...legend(run));
      const moved = ["t", "query", "reading", "response"].some((key) => changed.has(key));
      if (changed.has("run") || changed.has("theme") || changed.has("data") || ready === null) draw();
      else if (moved) move(chart, glider, run, ready);
      if (LWD.began !== undefined) {
        LWD.timing.push(performance.now() - LWD.began);
        if (LWD.timing.length > 200) LWD.timing.shift();
        LWD.began = undefined;
      }
    });
  });

  const look = (trace) => trace.marker.symbol.join() + trace.marker.color.join();

  // Another step: new numbers in the traces that there are.
  function move(chart, glider, run, kind) {
    LWD.tooltip(null);
    if (kind === "errors") {
      LWD.plot(chart, LWD.errors.traces(run), LWD.errors.layout(run));
      return;
    }
    if (kind === "weights") {
      const traces = LWD.weights.traces(run);
      Plotly.restyle(chart, { x: traces.map((one) => one.x), y: traces.map((one) => one.y) });
      return;
    }
    const traces = planeTraces(run);
    const redraw = () => Plotly.react(chart, traces, chart.layout);
    // Marks go with the agents: where a draw is missing they are not those of the step before.
    if (look(chart.data[ANSWERS]) === look(traces[ANSWERS])) {
      glider.move(traces.map((one, i) => ({ uid: one.uid, x: one.x, y: one.y, alike: i < ANSWERS || i === CHOSEN })), redraw);
    } else {
      glider.forget();
      redraw();
    }
  }

  function listen(chart) {
    chart.dataset.ready = "1";
    LWD.hover(chart, (points) => {
      const run = LWD.run();
      if (run.texts) return tip(points[0]);
      if (kindOf(run) === "errors") return LWD.errors.tip(run, points);
      return LWD.valuesTip("component " + points[0].x, points.map((p) => [p.data.marker.color, p.data.meta, p.y]));
    });
    chart.on("plotly_click", (event) => {
      const point = event.points[0];
      if (point.data.meta === "response") LWD.set({ response: point.customdata });
      if (point.data.meta === "post") LWD.set({ post: point.customdata });
    });
  }
})();
