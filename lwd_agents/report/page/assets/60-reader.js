// One response: what its agent had read before, and where its phrases come from.

(function () {
  "use strict";

  const LONG = 3000; // characters of a response before it is clipped
  const ORIGINS = [ // of a phrase: class, in the legend, of whom, column of agent_measures
    ["human", "from people", "a post that people wrote", "from_human"],
    ["other", "from another agent", "another agent's post", "from_others"],
    ["own", "from itself", "a post of its own", "from_own"],
    ["elsewhere", "from elsewhere", "a post from elsewhere", "from_elsewhere"],
    ["new", "new: in no post read", "", "from_new"],
  ];
  const own = { response: null, phrases: [], phrase: null, past: [] };
  const parts = {};

  const { button, when, strips } = LWD.posts;
  const titled = (name, text) => LWD.el("h3", { id: `${name}-title`, tabindex: "-1" }, text);

  // --- which response --------------------------------------------------------------------------------

  // The chosen one; else the first that was posted at the slider's step, or the first there is.
  function current(run, state) {
    if (state.response !== null) return state.response;
    const { t, post: posted } = run.texts.responses;
    if (!t.length) return null;
    let [start, end] = LWD.rows(run, state.t);
    if (start === end) [start, end] = LWD.rows(run, t[Math.max(0, Math.min(start, t.length) - 1)]);
    for (let row = start; row < end; row += 1) if (posted[row] !== null) return row;
    return start;
  }

  function choose(response, extra = {}) {
    const { t, query } = LWD.run().texts.responses;
    LWD.set({ response, t: t[response], query: query[response], ...extra });
  }

  // The phrase to begin with: the one that came the longest way, then the longest.
  function begin(phrases) {
    const better = (a, b) => b.chain.length - a.chain.length || b.text.length - a.text.length;
    return [...phrases].sort(better)[0] || null;
  }

  // --- the response ------------------------------------------------------------------------------------

  function answer(run) {
    const { responses, strings } = run.texts;
    const row = own.response;
    const agent = responses.agent[row];
    const said = [LWD.agent(agent), ` \u00b7 ${when(responses.t[row])} \u00b7 draw ${responses.draw[row]}`];
    if (run.readings > 1) said.push(` \u00b7 reading ${responses.reading[row]}`);
    if (responses.post[row] !== null) said.push(" ", LWD.el("span", { class: "badge posted" }, "posted"));
    parts.title.replaceChildren(...said);
    parts.asked.replaceChildren(...(LWD.data.runs.length > 1 ? ["run: ", LWD.text(run.key), " \u00b7 "] : []), "asked: ", LWD.text(run.queries[responses.query[row]]));
    if (responses.text[row] === null) {
      parts.said.replaceChildren(LWD.el("span", { class: "no-text" }, "missing: ",
        LWD.text(responses.missing[row] || "no reason given")));
    } else {
      const spans = own.phrases.map((phrase, i) => ({ ...phrase, make: (text) => phraseButton(phrase, i, text) }));
      parts.said.replaceChildren(LWD.marked(strings[responses.text[row]], spans, LONG));
    }
    parts.before.disabled = !sister(run, row, -1);
    parts.after.disabled = !sister(run, row, 1);
    parts.back.disabled = !own.past.length;
    parts.toPost.hidden = responses.post[row] === null;
    legend(run, agent, responses.t[row]);
    note(run, row);
  }

  function phraseButton(phrase, i, text) {
    const [, , whom] = ORIGINS.find(([name]) => name === phrase.origin);
    // An inline element: a button element would not break over lines.
    const made = LWD.el("span", { role: "button", tabindex: "0", "data-test": "phrase", "data-phrase": i,
      class: `phrase origin-${phrase.origin}`, "aria-pressed": String(phrase === own.phrase),
      "aria-label": `${text}, from ${whom}`, title: `from ${whom}: show the way` }, text);
    made.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      made.click();
    });
    return made;
  }

  // The next draw of the same reading, or null.
  function sister(run, row, step) {
    const { responses } = run.texts;
    const other = row + step;
    const same = ["t", "agent", "query", "reading"].every((key) => responses[key][other] === responses[key][row]);
    return same ? { row: other } : null;
  }

  function legend(run, agent, t) {
    const place = run.t.indexOf(t);
    const share = (column) => {
      const values = run.agent_measures[column];
      const value = values && values[place] ? values[place][agent] : null;
      return value === undefined ? null : value;
    };
    const shares = ORIGINS.map(([name, label, , column]) => [name, label, share(column)]);
    const known = shares.some(([, , value]) => value !== null);
    const percent = (value) => (value > 0 && value < 0.005 ? "< 1 %" : `${Math.round(100 * value)} %`);
    parts.legend.hidden = !known && !LWD.trace.known(run.texts);
    parts.legend.replaceChildren(...[
      LWD.el("p", { class: "origin-title" }, known
        ? ["Where the words of all answers of ", LWD.agent(agent), ` at ${when(t)} come from`] : ["Where phrases come from"]),
      known ? LWD.el("div", { class: "shares", "aria-hidden": "true" }, shares.map(([name, , value]) => {
        const part = LWD.el("span", { class: `share origin-${name}` });
        part.style.flexGrow = String(value || 0);
        return part;
      })) : null,
      LWD.el("ul", { class: "origins" }, shares.map(([name, label, value]) =>
        LWD.el("li", {}, LWD.el("span", { class: `key origin-${name}`, "aria-hidden": "true" }, "abc"), " ", label,
          value === null ? null : " ", value === null ? null : LWD.el("b", {}, percent(value))))),
    ].filter(Boolean));
  }

  function note(run, row) {
    const { texts } = run;
    let said = "Coloured phrases also stand in a post that was read. They could have been copied: "
      + "models share phrases that nobody copied.";
    if (!LWD.trace.known(texts)) {
      said = LWD.data.live ? "Phrases are not traced while a run goes on; the report of the run shows them."
        : "This page holds no phrases of this run, so none can be followed back.";
    } else if (texts.responses.text[row] !== null && !own.phrases.length) {
      said = "No phrase of this response stands in a post that was read: all of it is new.";
    }
    parts.note.textContent = said;
  }

  // --- a phrase's way ----------------------------------------------------------------------------------

  function chain(run) {
    parts.way.hidden = !own.phrase;
    for (const one of parts.said.querySelectorAll("[data-test=phrase]")) {
      one.setAttribute("aria-pressed", String(own.phrases[one.dataset.phrase] === own.phrase));
    }
    if (!own.phrase) return;
    const { responses } = run.texts;
    const rows = own.phrase.chain;
    const agent = responses.agent[own.response];
    const [, , whom] = ORIGINS.find(([name]) => name === own.phrase.origin);
    parts.phrase.replaceChildren("\u201c", LWD.text(own.phrase.text, 200), "\u201d");
    parts.sum.textContent = rows.length === 1
      ? `It stands in ${whom}, which was read.` : `Over ${rows.length} posts, back to ${whom}.`;
    const here = LWD.el("li", { class: "here" }, LWD.el("div", { class: "who" }, LWD.agent(agent),
      ` \u00b7 ${when(responses.t[own.response])} \u00b7 this response`));
    const links = rows.map((row, i) => LWD.el("li", { class: i === rows.length - 1 ? "origin" : null, "data-post": row },
      LWD.el("p", { class: "step-back" }, i === 0 ? "had read" : "whose author had read"), LWD.posts.item(run, row, own),
      i === rows.length - 1 ? LWD.el("p", { class: "first" }, "Here it stood first, as far as readings tell.") : null));
    parts.chain.replaceChildren(here, ...links);
    parts.forward.replaceChildren();
    const phrase = own.phrase;
    // After the way is on screen: this looks through every text.
    requestAnimationFrame(() => setTimeout(() => phrase === own.phrase && forward(run, phrase)));
  }

  function forward(run, phrase) {
    const t = run.texts.responses.t[own.response];
    if (!phrase.finder) return;
    const found = LWD.trace.holders(run.texts, phrase.finder, t);
    const find = button("find", "find them in the table");
    find.addEventListener("click", () => {
      LWD.set({ search: `"${phrase.text.replace(/"/g, " ")}"` });
      document.getElementById("responses").scrollIntoView();
      document.getElementById("responses-search").focus({ preventScroll: true });
    });
    parts.forward.replaceChildren(
      LWD.el("h4", {}, "Who says it"),
      LWD.el("p", {}, `${LWD.count(found.all)} of ${LWD.count(run.texts.responses.t.length)} responses hold it`
        + (found.of ? `; after step ${t}, ${LWD.count(found.later)} of ${LWD.count(found.of)}. ` : ". "), find),
      strips(run, [...found.agents].sort((a, b) => a[0] - b[0])) || "");
  }

  // --- one post ----------------------------------------------------------------------------------------

  function about(run, row) {
    parts.about.hidden = row === null;
    if (row === null) return;
    const { texts } = run;
    const readers = LWD.trace.readers(texts, row);
    const times = readers.reduce((sum, { steps }) => sum + steps.length, 0);
    const left = texts.posts.left[row];
    const known = LWD.trace.known(texts);
    const through = known ? LWD.trace.through(texts, row) : 0;
    parts.post.replaceChildren(
      LWD.el("div", { class: "whole" }, LWD.posts.item(run, row, own)),
      LWD.el("p", {}, `In the Internet from step ${texts.posts.entered[row]}`,
        left === null ? " on." : ` to step ${left - 1}.`,
        known ? ` ${LWD.count(through)} responses have a phrase that may have come through it.` : ""),
      LWD.el("h4", {}, "Who read it"),
      LWD.el("p", {}, times ? `Read ${LWD.count(times)} times, by ${readers.length} of ${run.agents.length} agents.`
        : "Nobody" + (texts.kept ? ", in the steps that this page keeps." : ".")),
      strips(run, readers.map(({ agent, steps }) => [agent, new Map(steps.map((t) => [t, 1]))])) || "");
  }

  // --- the frame ---------------------------------------------------------------------------------------

  function build(mount) {
    parts.title = LWD.el("h3", { id: "response-title", tabindex: "-1", "data-test": "title" });
    parts.asked = LWD.el("p", { class: "asked" });
    parts.said = LWD.el("blockquote", { class: "answer", "data-test": "answer" });
    parts.legend = LWD.el("div", { class: "origin-box", "data-test": "legend" });
    parts.note = LWD.el("p", { class: "note", "data-test": "note" });
    parts.back = button("back", "\u2190 back", { title: "The response that was shown before" });
    parts.before = button("draw-before", "\u2039 draw", { "aria-label": "Draw before" });
    parts.after = button("draw-next", "draw \u203a", { "aria-label": "Next draw" });
    parts.toPost = button("own-post", "who read this post");
    const article = LWD.el("article", { class: "response", "aria-labelledby": "response-title" },
      LWD.el("div", { class: "topline" }, parts.title,
        LWD.el("div", { class: "walk" }, parts.back, parts.before, parts.after, parts.toPost)),
      parts.asked, parts.said, parts.note, parts.legend);
    parts.reads = LWD.readsList(own);
    parts.phrase = LWD.el("p", { class: "the-phrase" });
    // Told when a phrase is chosen, not at each step that the slider plays.
    parts.sum = LWD.el("p", { class: "sum", "aria-live": "off" });
    parts.chain = LWD.el("ol", { class: "chain", "data-test": "chain" });
    parts.forward = LWD.el("div", { class: "forward", "data-test": "forward" });
    parts.way = LWD.el("section", { class: "way", "aria-labelledby": "way-title" },
      titled("way", "Where a phrase comes from"), parts.phrase, parts.sum, parts.chain, parts.forward);
    mount.replaceChildren(article, LWD.el("div", { class: "columns" },
      LWD.el("div", { class: "column" }, buildAbout(), parts.way), parts.reads.element));
  }

  function buildAbout() {
    parts.post = LWD.el("div", {});
    parts.close = button("close", "close");
    parts.about = LWD.el("section", { class: "about-post", "data-test": "post", "aria-labelledby": "post-title" },
      LWD.el("div", { class: "topline" }, titled("post", "A post"), parts.close), parts.post);
    return parts.about;
  }

  function listen(mount) {
    const turn = (step) => () => {
      const next = sister(LWD.run(), own.response, step);
      if (next) choose(next.row);
    };
    parts.before.addEventListener("click", turn(-1));
    parts.after.addEventListener("click", turn(1));
    parts.back.addEventListener("click", () => {
      const response = own.past.pop();
      own.walking = true;
      if (response !== undefined) choose(response);
    });
    parts.toPost.addEventListener("click", () => look(LWD.run().texts.responses.post[own.response]));
    parts.close.addEventListener("click", () => {
      LWD.set({ post: null });
      parts.title.focus({ preventScroll: true });
    });
    mount.addEventListener("click", (event) => {
      const one = event.target.closest("[data-test=open], [data-test=about], [data-test=phrase]");
      if (!one) return;
      if (one.dataset.test === "open") {
        choose(LWD.run().texts.posts.from[one.dataset.post], { post: null });
        LWD.read();
      } else if (one.dataset.test === "about") {
        look(Number(one.dataset.post));
      } else {
        own.phrase = own.phrases[one.dataset.phrase];
        parts.sum.setAttribute("aria-live", "polite");
        chain(LWD.run());
        parts.reads.draw(LWD.run());
      }
    });
  }

  function look(row) {
    LWD.set({ post: row });
    document.getElementById("post-title").focus();
  }

  // What was shown before can be gone back to, unless the slider or another run took it away.
  function take(run, state) {
    const response = current(run, state);
    if (response !== own.response) {
      if (state.response === null) own.past = [];
      else if (!own.walking && own.response !== null && own.response !== undefined) own.past = [...own.past.slice(-49), own.response];
      own.response = response;
    }
    own.walking = false;
    own.phrases = response === null ? [] : LWD.trace.phrases(run.texts, response);
    own.phrase = begin(own.phrases);
  }

  LWD.start(function () {
    const mount = LWD.mount("reading");
    if (!mount) return;
    build(mount);
    listen(mount);
    let fresh = false; // whether the response is on the page already
    const draw = () => {
      const run = LWD.run();
      if (!run || !run.texts) return;
      if (!fresh) {
        parts.sum.setAttribute("aria-live", "off");
        take(run, LWD.state);
        fresh = true;
        if (own.response !== null) {
          answer(run);
          chain(run);
          parts.reads.begin(run);
        }
      }
      about(run, LWD.state.post);
    };
    const ask = LWD.settled(mount, draw);
    LWD.on((state, changed) => {
      const run = LWD.run();
      if (!LWD.writes(mount)) return;
      if (changed.has("run")) own.response = null;
      // A live run's new step leaves what is being read alone.
      const other = changed.has("run") || current(run, state) !== own.response;
      if (other) fresh = false;
      if (other || changed.has("post")) ask();
    });
  });
})();
