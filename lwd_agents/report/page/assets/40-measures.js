// #measures: small charts of every measure.
(function () {
  "use strict";

  const NAMED = 12; // agents with a colour of their own in the small charts
  const LINES = 60; // agents whose lines are drawn
  const some = (column) => Array.isArray(column) && column.some((value) => value !== null && value !== undefined);
  const column = (rows, agent) => rows.map((row) => (row ? row[agent] : null));

  // --- #measures: small charts --------------------------------------------------------------------

  const charts = []; // of those that are on the page now: {figure, title, make, cursor, again}
  const tables = []; // their numbers

  function small(title, about, make) {
    const chart = LWD.el("div", { class: "chart small", role: "img", "aria-label": title + ": " + about });
    const figure = LWD.el("figure", {}, LWD.el("figcaption", {}, LWD.el("strong", {}, title), LWD.el("small", {}, about)), chart);
    const cursor = LWD.cursor(chart);
    const again = LWD.drawing(chart, () => {
      const { traces, y } = make();
      LWD.plot(chart, traces, LWD.layout({
        margin: { l: 44, r: 8, t: 8, b: 30 },
        xaxis: LWD.stepAxis(LWD.data.runs, { title: undefined, nticks: 5 }),
        yaxis: LWD.axis("", { title: undefined, nticks: 5, ...level(traces), ...y }),
      }));
      if (!chart.dataset.ready) {
        chart.dataset.ready = "1";
        LWD.hover(chart, (points) => LWD.valuesTip("step " + points[0].x, points.filter((p) => p.data.meta)
          .map((p) => [p.data.line.color, p.data.meta, p.y])));
      }
      cursor.attach();
    });
    charts.push({ figure, title, make, cursor, again });
    return figure;
  }

  // A share or count that never changes is drawn from nought, without room for what it can't be.
  function level(traces) {
    const known = traces.flatMap((one) => one.y).filter((value) => value !== null && value !== undefined);
    const [value] = known;
    return value > 0 && known.every((one) => one === value) ? { range: [0, 1.15 * value] } : {};
  }

  function line(x, y, name, style) {
    return { type: "scatter", mode: x.length === 1 ? "markers" : "lines", x, y, meta: name, hoverinfo: "none", connectgaps: false, ...style };
  }

  // A measure of steps: a line a run, the chosen one strong.
  function ofSteps(name) {
    const { runs } = LWD.data;
    const lines = [];
    runs.forEach((run, place) => {
      if (some(run.curves["placebo_" + name])) {
        lines.unshift(line(run.t, run.curves["placebo_" + name], runs.length > 1 ? run.key + ", placebo" : "placebo", {
          line: { color: LWD.runColour(place), width: 1.2, dash: "5px,4px" }, marker: { color: LWD.runColour(place), size: 7 },
        }));
      }
      if (!some(run.curves[name])) return;
      const colour = LWD.runColour(place);
      const chosen = place === LWD.state.run;
      const one = line(run.t, run.curves[name], runs.length > 1 ? run.key : name.replace(/_/g, " "), {
        said: run.key,
        line: { color: chosen || runs.length < 4 ? colour : LWD.faint(colour, 0.35), width: chosen ? 2.2 : 1.2, dash: LWD.runDash(run) },
        marker: { color: colour, size: 7 },
      });
      if (chosen) lines.push(one);
      else lines.unshift(one);
    });
    return { traces: lines };
  }

  function ofAgents(name) {
    const run = LWD.run();
    const rows = run.agent_measures[name];
    const many = run.agents.length > NAMED;
    const drawn = run.agents.slice(0, LINES);
    const expected = besides(run, name) ? run.agent_measures["predicted_" + name] : null;
    const beside = (agent, i) => line(run.t, column(expected, i), agent + ", expected", {
      line: { color: LWD.colour(i), width: 1.4, dash: "1.5px,3px" }, marker: { color: LWD.colour(i), symbol: "line-ew", size: 9 },
    });
    return {
      traces: [...drawn.map((agent, i) => line(run.t, column(rows, i), agent, {
        line: { color: many ? LWD.faint(LWD.colour(i), 0.4) : LWD.colour(i), width: many ? 1 : 1.7, dash: many ? "solid" : ["solid", "6px,3px", "2px,3px", "8px,3px,2px,3px"][Math.floor(i / 7) % 4] },
        marker: { color: LWD.colour(i), symbol: LWD.symbol(i), size: 7 },
      })), ...(expected ? drawn.map(beside) : [])],
    };
  }

  // Of few agents what is expected is drawn beside what was simulated.
  const besides = (run, name) => run.agents.length <= NAMED && (run.agent_measures["predicted_" + name] || []).some(some);
  const isBeside = (run, name) => name.startsWith("predicted_") && besides(run, name.slice("predicted_".length));

  function ofPairs(name) {
    const run = LWD.run();
    const rows = run.pair_measures[name];
    const many = run.pairs.length > NAMED;
    return {
      traces: run.pairs.map(([i, j], place) => line(run.t, column(rows, place), run.agents[i] + " \u2013 " + run.agents[j], {
        line: { color: many ? LWD.faint(LWD.css("--agent-0"), 0.3) : LWD.css("--agent-" + (place % 7)), width: many ? 1 : 1.7, dash: ["solid", "6px,3px"][Math.floor(place / 7) % 2] },
        marker: { color: LWD.css("--agent-" + (place % 7)), size: 7 },
      })),
    };
  }

  let whose = 0; // the agent whose lineage is drawn

  function ofLineage() {
    const run = LWD.run();
    const parts = LWD.MEASURES.lineage.map(([name, said, shade]) => {
      const colour = LWD.css(shade);
      if (!run.agent_measures[name]) return null;
      return line(run.t, column(run.agent_measures[name], Math.min(whose, run.agents.length - 1)), said, {
        stackgroup: "lineage", mode: "lines", line: { width: 0.8, color: colour },
        fillcolor: LWD.faint(colour, 0.6),
      });
    });
    return { traces: parts.filter(Boolean), y: { range: [0, 1] } };
  }

  // --- #measures: the section -----------------------------------------------------------------------

  function group(title, figures, extra) {
    if (!figures.length) return null;
    const own = charts.filter((one) => figures.includes(one.figure));
    const numbers = LWD.numbers(LWD.plain(title), () => ({ caption: LWD.plain(title) + " at step " + LWD.state.t,
      ...LWD.atStep(own.map((one) => [one.title, one.make().traces]), LWD.state.t) }));
    tables.push(numbers);
    return LWD.el("div", { class: "group" }, LWD.el("h3", {}, title), ...(extra || []),
      LWD.el("div", { class: "grid" }, ...figures), numbers.element);
  }

  // What is of the chosen run alone says so, where there are others.
  const whole = (title, run) => (LWD.data.runs.length > 1 ? title + " \u00b7 " + LWD.plain(run.key) : title);

  // Costs and times that never change (nought, or a whole evenly divided) say nothing.
  const tells = (name, run) => some(run.curves[name])
    && (!["cost", "seconds"].includes(name) || run.curves[name].some((value) => value !== run.curves[name][0]));

  // Which line is which run's, in the charts of steps.
  function runLegend(run) {
    const { runs } = LWD.data;
    const item = (look, colour, said) => LWD.el("li", {}, LWD.swatch(look, colour), " ", said);
    const muted = "var(--muted)";
    const items = LWD.crowd() ? [item("strong", LWD.runColour(LWD.state.run), "the chosen run"),
      item("thin", "var(--agent-0)", "live runs"), item("placebo", muted, "placebos")]
      : runs.length > 1 ? runs.map((one, place) => item(one.placebo ? "placebo" : "", LWD.runColour(place), LWD.text(one.key, 60)))
        : Object.keys(run.curves).some((name) => name.startsWith("placebo_"))
          ? [item("", "var(--agent-0)", "the run"), item("placebo", "var(--agent-0)", "its placebo")] : [];
    const of = run.replicates && run.replicates.count > 1 ? "Means over the " + run.replicates.count + " replicates."
      : (run.readings || 1) > 1 ? "Of the first reading of each step, but for what is of models." : "";
    return [items.length ? LWD.el("ul", { class: "legend" }, ...items) : null, of ? LWD.el("p", { class: "quiet" }, of) : null].filter(Boolean);
  }

  // A measure's title and words: of learners alone their own, beside other runs both.
  function saidOf([name, title, about], runs) {
    const own = LWD.MEASURES.learners.steps[name];
    if (!own || !runs.some((run) => run.learners)) return [title, about];
    return runs.every((run) => run.learners) ? own : [title, about + "; of learners: " + own[1]];
  }

  function stepGroups() {
    const told = new Set(["norm", "draw_floor"]);
    const learn = LWD.data.runs.every((run) => run.learners);
    const groups = LWD.MEASURES.steps.map(([title, list]) => group(learn ? title.replace("Internet", "data") : title, list
      .filter(([name]) => LWD.data.runs.some((run) => tells(name, run)))
      .map((one) => small(...saidOf(one, LWD.data.runs.filter((run) => tells(one[0], run))), () => ofSteps(one[0])))));
    for (const [, list] of LWD.MEASURES.steps) for (const [name] of list) told.add(name);
    const names = [...new Set(LWD.data.runs.flatMap((run) => Object.keys(run.curves)))]
      .filter((name) => !told.has(name) && !name.startsWith("placebo_") && !name.startsWith("norm") && LWD.data.runs.some((run) => some(run.curves[name])));
    groups.push(group("More", names.map((name) => small(name.replace(/_/g, " "), "", () => ofSteps(name)))));
    return groups;
  }

  function agentGroups(run) {
    const has = (name) => (run.agent_measures[name] || []).some(some) && !isBeside(run, name);
    const about = (name, said) => said + (besides(run, name) ? "; dotted: what is expected" : "");
    const groups = run.learners ? LWD.MEASURES.learners.agents : LWD.MEASURES.agents;
    return groups.map(([title, list]) => group(whole(title, run), list.filter(([name]) => has(name))
      .map(([name, said, words]) => small(said, about(name, words), () => ofAgents(name))), [agentLegend(run)]));
  }

  function agentLegend(run) {
    const more = run.agents.length - NAMED;
    const drawn = run.agents.length > LINES ? "; the first " + LINES + " are drawn" : "";
    return LWD.el("ul", { class: "legend" }, ...run.agents.slice(0, NAMED).map((_, i) => LWD.el("li", {}, LWD.agent(i))),
      ...(more > 0 ? [LWD.el("li", { class: "quiet" }, "and " + more + " more" + drawn)] : []));
  }

  function lineageGroup(run) {
    if (!LWD.MEASURES.lineage.some(([name]) => (run.agent_measures[name] || []).some(some))) return null;
    whose = Math.min(whose, run.agents.length - 1);
    const figure = small("lineage of an agent\u2019s words", "whose post a phrase came from in the end, following what each author had read; the shares add up to 1", ofLineage);
    const { again } = charts[charts.length - 1];
    const [field] = LWD.chooser("agent", run.agents.map((name, i) => [String(i), name]), String(whose), (v) => { whose = Number(v); again(); });
    const key = LWD.el("ul", { class: "legend" }, ...LWD.MEASURES.lineage.map(([, said, shade]) => {
      const mark = LWD.el("span", { class: "mark", "aria-hidden": "true" }, "\u25a0");
      mark.style.color = "var(" + shade + ")";
      return LWD.el("li", {}, mark, " ", said);
    }));
    figure.classList.add("wide");
    return group(whole("Where the words came from", run), [figure], [LWD.el("div", { class: "controls" }, field), key]);
  }

  function pairGroup(run) {
    const list = LWD.MEASURES.pairs.filter(([name]) => ((run.pair_measures || {})[name] || []).some(some));
    const figures = list.map(([name, said, about]) => small(said, about, () => ofPairs(name)));
    const few = run.pairs.length <= NAMED;
    const key = few && figures.length ? [LWD.el("ul", { class: "legend" }, ...run.pairs.map(([i, j], place) => LWD.el("li", {},
      LWD.el("span", { class: "mark agent-" + (place % 7), "aria-hidden": "true" }, "\u2501"), " ", LWD.text(run.agents[i], 40), " \u2013 ", LWD.text(run.agents[j], 40))))] : [];
    return group(whole("Pairs of agents", run), figures, key);
  }

  function gainGroup(run) {
    if (!run.gain || !run.gain.length) return null;
    const columns = LWD.MEASURES.gain.filter(([name]) => run.gain.some((row) => row[name] !== null && row[name] !== undefined && row[name] !== ""));
    const cell = (name, value) => (typeof value === "number" ? LWD.el("td", { class: "number" }, LWD.number(value))
      : LWD.el("td", { class: name === "reason" ? "sentence" : null }, value === null || value === undefined ? "\u2013" : LWD.text(value)));
    const table = LWD.el("table", {}, LWD.el("caption", {}, "How an agent\u2019s answers move with what it read."),
      LWD.el("thead", {}, LWD.el("tr", {}, LWD.el("th", { scope: "col" }, "agent"), ...columns.map(([, said, about]) => LWD.el("th", { scope: "col", title: about }, said)))),
      LWD.el("tbody", {}, ...run.gain.map((row, i) => LWD.el("tr", {}, LWD.el("th", { scope: "row" },
        run.agents.includes(row.agent) ? LWD.agent(run.agents.indexOf(row.agent)) : LWD.text(row.agent === undefined ? run.agents[i] || "" : row.agent)),
      ...columns.map(([name]) => cell(name, row[name]))))));
    return LWD.el("div", { class: "group" }, LWD.el("h3", {}, whole("Response curves", run)),
      LWD.el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Response curves" }, table));
  }

  // What there is to draw; when that changes the section is built anew.
  const kinds = (run) => [LWD.state.run, run.agents.length, Object.keys(run.curves), Object.keys(run.agent_measures || {}),
    Object.keys(run.pair_measures || {}), run.t.length > 0].join();

  LWD.start(function () {
    const mount = LWD.mount("measures");
    if (!mount || !LWD.run()) return;
    let built = "";
    LWD.on((state, changed) => {
      const run = LWD.run();
      const anew = built !== kinds(run);
      if (anew) {
        built = kinds(run);
        charts.length = tables.length = 0;
        const groups = [...runLegend(run), ...stepGroups(), ...agentGroups(run), lineageGroup(run), pairGroup(run), gainGroup(run)].filter(Boolean);
        mount.replaceChildren(...(groups.length ? groups : [LWD.el("p", { class: "quiet" }, "Nothing has been measured yet.")]));
      } else if (changed.has("theme") || changed.has("data")) {
        for (const one of charts) one.again();
      }
      if (changed.has("t")) for (const one of charts) one.cursor.place();
      if (!anew && !changed.has("t") && !changed.has("data")) return;
      for (const one of tables) {
        one.name("The numbers at step " + state.t);
        one.fill();
      }
    });
  });
})();
