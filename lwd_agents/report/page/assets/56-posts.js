// Posts in lists and chains, and who read or said a thing when.

(function () {
  "use strict";

  const SHORT = 400; // characters of a post before it is clipped, if no phrase stands behind them
  const LONG = 3000;

  const button = (test, text, attrs = {}) => LWD.el("button", { type: "button", "data-test": test, ...attrs }, text);
  const when = (t) => (t < 0 ? "before the run" : `step ${LWD.count(t)}`);

  function author(run, row) {
    const { posts, authors } = run.texts;
    const kind = posts.kind[row];
    const name = LWD.text(authors[posts.author[row]]);
    if (kind === "agent" && posts.author[row] < run.agents.length) return [LWD.agent(posts.author[row])];
    if (kind === "human") return [LWD.el("strong", {}, "people")];
    if (kind === "placebo") return [LWD.el("strong", {}, "people"), " (in place of ", name, ")"];
    return [LWD.el("strong", {}, name), ` (${{ inflow: "inflow", foreign: "another run" }[kind] || LWD.plain(kind)})`];
  }

  // A post's name for who hears the buttons one by one.
  function called(run, row) {
    const { posts, authors } = run.texts;
    const of = posts.kind[row] === "human" ? "people" : LWD.plain(authors[posts.author[row]]);
    return `post ${row + 1}, of ${of}, ${when(posts.written[row])}`;
  }

  // A post with its phrases marked; in lists and chains.
  function item(run, row, { phrases, phrase }, head = []) {
    const { posts, strings } = run.texts;
    const text = posts.text[row] === null ? null : strings[posts.text[row]];
    const spans = text === null ? [] : LWD.trace.spans(phrases, phrase, text);
    const chosen = spans.find((span) => span.phrase === phrase) || spans[0];
    const limit = chosen ? Math.min(Math.max(SHORT, chosen.stop + 80), LONG) : SHORT;
    const open = posts.from[row] === null ? null : button("open", "open its response", {
      "data-post": row, "aria-label": `open its response: ${called(run, row)}`,
      title: "Open the response that was posted, and what its author had read" });
    return [
      LWD.el("div", { class: "who" }, head, LWD.el("span", {}, author(run, row)), " \u00b7 ", when(posts.written[row])),
      text === null ? LWD.el("p", { class: "no-text" }, "the text is not known")
        : LWD.el("p", { class: "post-text" }, LWD.marked(text, spans, limit)),
      LWD.el("div", { class: "do" }, open, button("about", "who read it", { "data-post": row, "aria-label": `who read it: ${called(run, row)}` })),
    ];
  }

  // By agent, the steps in which something happened, as a table with a strip of time. counts: [[agent,
  // Map step -> how often]].
  function strips(run, counts) {
    if (!counts.length) return null;
    const most = Math.max(...counts.map(([, steps]) => Math.max(...steps.values())));
    const rows = counts.map(([agent, steps]) => {
      const times = [...steps.keys()].sort((a, b) => a - b);
      const words = `${LWD.count(times.length)} ${times.length === 1 ? "step" : "steps"}, `
        + (times.length === 1 ? String(times[0]) : `${times[0]}\u2013${times[times.length - 1]}`);
      return LWD.el("tr", {}, LWD.el("th", { scope: "row" }, LWD.agent(agent)),
        LWD.el("td", {}, strip(run, agent, steps, most)), LWD.el("td", { class: "words" }, words));
    });
    return LWD.el("table", { class: "strips", "data-test": "readers" }, LWD.el("caption", { class: "unseen" }, "by agent and step"),
      LWD.el("tbody", {}, rows));
  }

  function strip(run, agent, steps, most) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const last = Math.max(1, run.t[run.t.length - 1] + 1);
    const attributes = { viewBox: `0 0 ${last} 10`, preserveAspectRatio: "none", "aria-hidden": "true", class: "strip" };
    for (const [name, value] of Object.entries(attributes)) svg.setAttribute(name, value);
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", [...steps].map(([t, count]) => {
      const high = Math.max(1.5, 10 * count / most);
      return `M${t} 10v${-high}h1v${high}z`;
    }).join(""));
    path.style.fill = `var(--agent-${agent % 7})`;
    svg.append(path);
    return svg;
  }

  LWD.posts = { button, when, item, strips };
})();
