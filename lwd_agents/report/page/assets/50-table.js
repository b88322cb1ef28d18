// The responses as a table: searched, filtered, sorted, 50 rows at a time.
//
// What tests can hold on to (these stay, whatever the look). What is off screen is drawn 450 ms after
// the last change, what is on screen at once.
//   #responses-search        search box
//   #responses-step (all | this), #responses-agent ("" | number), #responses-posted, #responses-missing
//   #responses-count         how many match (aria-live)
//   #responses-table, [data-test=row]   the rows; data-response is the index in texts.responses
//   [data-test=read]         a row's button: choose the response and go to #reading
//   [data-test=sort-step] (-agent, -draw, -length) in the headers; aria-sort on the header
//   [data-test=page-next] (-back, -first, -last), [data-test=page]      pages
// in #reading:
//   [data-test=title], [data-test=answer], [data-test=note], [data-test=legend]   the response
//   [data-test=phrase]       its phrases (buttons, aria-pressed; class origin-human | -other | -own | -elsewhere)
//   [data-test=chain] > li   li.here is the response, then li[data-post] to li.origin
//   [data-test=forward]      who says the phrase; [data-test=find] searches it in the table
//   [data-test=reads] > li[data-post]   the posts read (class holds: with a phrase); #reads-search,
//                            #reads-held, [data-test=reads-more]
//   [data-test=open]         open the response of a post; [data-test=about] who read it, shown in
//   [data-test=post]         with [data-test=readers]; [data-test=close]
//   [data-test=back], [data-test=draw-before], [data-test=draw-next], [data-test=own-post]
// live:
//   [data-test=live]         the badge; data-state: live | waiting | lost | over | ended; #live-follow

(function () {
  "use strict";

  const PAGE = 50;
  const CLIP = 600; // characters of a response
  const WAIT = 60; // ms without a key before a search

  // --- searching -----------------------------------------------------------------------------------

  const lowered = new WeakMap();

  // The texts in small letters, made once; live, texts are added.
  function small(strings) {
    const have = lowered.get(strings) || [];
    for (let i = have.length; i < strings.length; i += 1) have.push(strings[i].toLowerCase());
    lowered.set(strings, have);
    return have;
  }

  // Of each distinct text, 1 if it holds all that is wanted.
  function hits(strings, wanted) {
    const texts = small(strings);
    const found = new Uint8Array(texts.length);
    for (let i = 0; i < texts.length; i += 1) {
      const text = texts[i];
      let all = 1;
      for (let j = 0; all && j < wanted.length; j += 1) if (!text.includes(wanted[j])) all = 0;
      found[i] = all;
    }
    return found;
  }

  // --- which rows ----------------------------------------------------------------------------------

  const view = { step: "all", agent: "", posted: false, missing: false, sort: "step", down: false, page: 0 };

  function matching(run) {
    const { responses, strings } = run.texts;
    const [first, end] = view.step === "this" ? LWD.rows(run, LWD.state.t) : [0, responses.t.length];
    const wanted = LWD.needles(LWD.state.search);
    const found = wanted.length ? hits(strings, wanted) : null;
    const agent = view.agent === "" ? -1 : Number(view.agent);
    const rows = [];
    for (let row = first; row < end; row += 1) {
      if (agent >= 0 && responses.agent[row] !== agent) continue;
      if (view.posted && responses.post[row] === null) continue;
      const text = responses.text[row];
      if (view.missing && text !== null) continue;
      if (found) {
        if (text !== null) {
          if (!found[text]) continue;
        } else if (!wanted.every((one) => (responses.missing[row] || "").toLowerCase().includes(one))) {
          continue;
        }
      }
      rows.push(row);
    }
    return rows;
  }

  // Rows come by step, agent, draw. Numbers are sorted natively, with the row behind the comma.
  function sorted(run, rows) {
    const { responses, strings } = run.texts;
    const size = responses.t.length;
    const keys = {
      agent: (row) => responses.agent[row],
      draw: (row) => responses.draw[row],
      length: (row) => (responses.text[row] === null ? -1 : strings[responses.text[row]].length),
      step: (row) => responses.t[row],
    };
    if (view.sort === "step" && !view.down) return rows;
    const key = keys[view.sort];
    const sign = view.down ? -1 : 1;
    const numbers = Float64Array.from(rows, (row) => sign * key(row) * size + row).sort();
    return Array.from(numbers, (number) => ((number % size) + size) % size);
  }

  // --- the parts -----------------------------------------------------------------------------------

  function option(value, text) {
    return LWD.el("option", { value }, text);
  }

  function labelled(text, control) {
    return LWD.el("label", { class: "field" }, LWD.el("span", {}, text), control);
  }

  function ticked(id, text) {
    const box = LWD.el("input", { type: "checkbox", id });
    return [box, LWD.el("label", { class: "tick" }, box, " ", text)];
  }

  function build(mount) {
    const parts = { mount };
    parts.search = LWD.el("input", { type: "search", id: "responses-search", autocomplete: "off",
      spellcheck: "false", placeholder: "words, or \"an exact phrase\"", "aria-controls": "responses-table" });
    parts.step = LWD.el("select", { id: "responses-step" });
    parts.agent = LWD.el("select", { id: "responses-agent" });
    const [posted, postedLabel] = ticked("responses-posted", "only posted");
    const [missing, missingLabel] = ticked("responses-missing", "only missing");
    Object.assign(parts, { posted, missing });
    parts.count = LWD.el("p", { id: "responses-count", class: "count", role: "status", "aria-live": "polite" });
    parts.whose = LWD.el("p", { class: "count whose" });
    parts.caption = LWD.el("caption", { class: "unseen" });
    // Roles in words: on narrow screens rows are boxes, and browsers forget that it is a table.
    parts.head = LWD.el("tr", { role: "row" });
    parts.body = LWD.el("tbody", { role: "rowgroup" });
    const table = LWD.el("table", { id: "responses-table", class: "responses", role: "table" }, parts.caption,
      LWD.el("thead", { role: "rowgroup" }, parts.head), parts.body);
    parts.box = LWD.el("div", { class: "table-box", tabindex: "0", role: "region", "aria-label": "Table of responses" }, table);
    parts.pages = LWD.el("nav", { class: "pages", "aria-label": "Pages of the table" });
    parts.filters = LWD.el("div", { class: "filters", role: "search", "aria-label": "Responses" },
      labelled("Search", parts.search), labelled("Step", parts.step), labelled("Agent", parts.agent),
      postedLabel, missingLabel);
    mount.replaceChildren(parts.filters,
      LWD.el("div", { class: "topline" }, parts.count, parts.whose, parts.pages), parts.box);
    buildPages(parts);
    return parts;
  }

  function buildPages(parts) {
    const button = (name, sign, label) => LWD.el("button",
      { type: "button", "data-test": "page-" + name, "aria-label": label }, sign);
    parts.first = button("first", "\u00ab", "First page");
    parts.back = button("back", "\u2039", "Page before");
    parts.next = button("next", "\u203a", "Next page");
    parts.last = button("last", "\u00bb", "Last page");
    parts.page = LWD.el("span", { "data-test": "page" });
    parts.pages.append(parts.first, parts.back, parts.page, parts.next, parts.last);
  }

  // --- rows ----------------------------------------------------------------------------------------

  function columns(run) {
    const numbers = [["step", "step"], ["agent", "agent"], ["draw", "draw"]];
    if (run.queries.length > 1) numbers.push(["query", null]);
    if (run.readings > 1) numbers.push(["reading", null]);
    return [...numbers, ["response", null], ["length", "length"], ["", null]];
  }

  function header(parts, run, redraw) {
    const cells = columns(run).map(([name, sort]) => {
      if (!sort) {
        return LWD.el("th", { scope: "col", role: "columnheader", class: "c-" + (name || "do") },
          name || LWD.el("span", { class: "unseen" }, "read it"));
      }
      const now = view.sort === sort;
      const sign = now ? (view.down ? "\u2193" : "\u2191") : "\u2195";
      const button = LWD.el("button", { type: "button", "data-test": "sort-" + sort, class: "sort" }, name + " ",
        LWD.el("span", { "aria-hidden": "true" }, sign));
      button.addEventListener("click", () => {
        view.down = now && !view.down;
        view.sort = sort;
        view.page = 0;
        redraw();
        parts.head.querySelector(`[data-test=sort-${sort}]`).focus();
      });
      return LWD.el("th", { scope: "col", role: "columnheader", class: "c-" + name,
        "aria-sort": now ? (view.down ? "descending" : "ascending") : "none" }, button);
    });
    parts.head.replaceChildren(...cells);
  }

  function rowOf(run, row, wanted) {
    const { responses, strings } = run.texts;
    const text = responses.text[row] === null ? null : strings[responses.text[row]];
    const t = responses.t[row];
    const draw = responses.draw[row];
    const marks = text === null ? [] : LWD.found(text, wanted);
    const said = text === null
      ? LWD.el("span", { class: "no-text" }, "missing: ", LWD.text(responses.missing[row] || "no reason given"))
      : LWD.marked(text, marks, marks.length ? Math.max(CLIP, Math.min(marks[0].stop + 100, 5000)) : CLIP);
    const posted = responses.post[row] === null ? null : LWD.el("span", { class: "badge posted" }, "posted");
    const cells = {
      step: LWD.el("th", { scope: "row", role: "rowheader", class: "c-step" }, LWD.count(t)),
      agent: LWD.el("td", { role: "cell", class: "c-agent" }, LWD.agent(responses.agent[row])),
      draw: LWD.el("td", { role: "cell", class: "c-draw" }, LWD.count(draw)),
      query: LWD.el("td", { role: "cell", class: "c-query" }, LWD.count(responses.query[row])),
      reading: LWD.el("td", { role: "cell", class: "c-reading" }, LWD.count(responses.reading[row])),
      response: LWD.el("td", { role: "cell", class: "c-response" }, LWD.el("div", { class: "clamp" }, posted, posted && " ", said)),
      length: LWD.el("td", { role: "cell", class: "c-length" }, text === null ? "\u2013" : LWD.count(text.length)),
      "": LWD.el("td", { role: "cell", class: "c-do" }, LWD.el("button", { type: "button", "data-test": "read",
        "aria-label": `read: ${which(run, row)}` }, "read")),
    };
    return LWD.el("tr", { role: "row", "data-test": "row", "data-response": row },
      columns(run).map(([name]) => cells[name]));
  }

  // A response in words, as no other is called.
  function which(run, row) {
    const { agent, t, draw, query, reading } = run.texts.responses;
    return `${LWD.plain(run.agents[agent[row]])}, step ${t[row]}, draw ${draw[row]}`
      + (run.queries.length > 1 ? `, query ${query[row]}` : "") + (run.readings > 1 ? `, reading ${reading[row]}` : "");
  }

  function rows(parts, run, found) {
    const wanted = LWD.needles(LWD.state.search);
    const first = view.page * PAGE;
    const shown = found.slice(first, first + PAGE).map((row) => rowOf(run, row, wanted));
    if (!shown.length) {
      shown.push(LWD.el("tr", {}, LWD.el("td", { colspan: columns(run).length, class: "nothing" },
        "No response matches.")));
    }
    const held = parts.body.contains(document.activeElement) && document.activeElement.closest("[data-test=row]");
    parts.body.replaceChildren(...shown);
    const again = held && parts.body.querySelector(`[data-response="${held.dataset.response}"] [data-test=read]`);
    if (again) again.focus({ preventScroll: true });
    const last = Math.max(0, Math.ceil(found.length / PAGE) - 1);
    parts.page.textContent = found.length
      ? `${LWD.count(first + 1)}\u2013${LWD.count(Math.min(found.length, first + PAGE))} of ${LWD.count(found.length)}`
      : "";
    parts.first.disabled = parts.back.disabled = view.page === 0;
    parts.next.disabled = parts.last.disabled = view.page >= last;
    parts.pages.hidden = last === 0;
    parts.box.classList.toggle("searched", wanted.length > 0);
    choose(parts);
  }

  function choose(parts) {
    for (const row of parts.body.querySelectorAll("[data-test=row]")) {
      const chosen = Number(row.dataset.response) === LWD.state.response;
      row.classList.toggle("chosen", chosen);
      if (chosen) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
  }

  function count(parts, run, found) {
    const all = run.texts.responses.t.length;
    const { kept } = run.texts;
    const said = (found.length === all ? "" : `${LWD.count(found.length)} of `) + `${LWD.count(all)} responses`
      + (kept ? `, of the ${LWD.count(kept.length)} steps that this page keeps` : "");
    if (parts.count.textContent !== said) parts.count.textContent = said;
  }

  const stepName = (t) => `step ${t} (the slider\u2019s)`;

  function filters(parts, run) {
    const { t } = LWD.state;
    parts.step.replaceChildren(option("all", "all steps"), option("this", stepName(t)));
    parts.step.value = view.step;
    parts.agent.replaceChildren(option("", "all agents"),
      ...run.agents.map((name, i) => option(String(i), LWD.plain(name))));
    parts.agent.value = view.agent;
    parts.caption.replaceChildren("Responses of ", LWD.text(run.key), ", one row a draw");
    parts.whose.replaceChildren(...(LWD.data.runs.length > 1 ? ["of ", LWD.text(run.key)] : []));
  }

  // An agent is kept from run to run by its name.
  let agents = [];

  function sameAgent() {
    const place = view.agent === "" ? -1 : LWD.run().agents.indexOf(agents[Number(view.agent)]);
    view.agent = place < 0 ? "" : String(place);
    ({ agents } = LWD.run());
  }

  // --- what is done with it ------------------------------------------------------------------------

  function listen(parts, again) {
    const change = (patch) => {
      Object.assign(view, { page: 0 }, patch);
      again();
    };
    parts.search.addEventListener("input", () => {
      clearTimeout(parts.typing);
      parts.typing = setTimeout(() => {
        parts.typing = null;
        LWD.set({ search: parts.search.value });
      }, WAIT);
    });
    parts.step.addEventListener("change", () => change({ step: parts.step.value }));
    parts.agent.addEventListener("change", () => change({ agent: parts.agent.value }));
    parts.posted.addEventListener("change", () => change({ posted: parts.posted.checked }));
    parts.missing.addEventListener("change", () => change({ missing: parts.missing.checked }));
    parts.body.addEventListener("click", (event) => {
      const row = event.target.closest("[data-test=row]");
      if (!row || event.target.closest(".more") || String(window.getSelection())) return;
      const { responses } = LWD.run().texts;
      const response = Number(row.dataset.response);
      LWD.set({ response, t: responses.t[response], query: responses.query[response] });
      if (event.target.closest("[data-test=read]")) LWD.read();
    });
  }

  // Go to the response that is shown in #reading.
  LWD.read = function () {
    const section = document.getElementById("reading");
    section.scrollIntoView({ block: "start" });
    const title = document.getElementById("response-title");
    if (title) title.focus({ preventScroll: true });
  };

  LWD.start(function () {
    const mount = LWD.mount("responses");
    if (!mount) return;
    const parts = build(mount);
    let found = null; // rows in order; null: to be found again

    const draw = () => {
      const run = LWD.run();
      if (!run || !run.texts) return;
      if (!found) {
        found = sorted(run, matching(run));
        filters(parts, run);
        header(parts, run, () => turn(0, true));
        count(parts, run, found);
      }
      view.page = Math.min(view.page, Math.max(0, Math.ceil(found.length / PAGE) - 1));
      rows(parts, run, found);
    };
    const ask = LWD.settled(mount, draw);
    const again = () => {
      found = null;
      ask();
    };
    const turn = (page, anew) => {
      view.page = page;
      if (anew) found = null;
      draw();
      parts.box.scrollTop = 0;
    };
    listen(parts, again);
    parts.first.addEventListener("click", () => turn(0));
    parts.back.addEventListener("click", () => turn(view.page - 1));
    parts.next.addEventListener("click", () => turn(view.page + 1));
    parts.last.addEventListener("click", () => turn(Infinity));
    LWD.on((state, changed) => {
      if (!LWD.writes(mount)) return;
      if (["run", "search"].some((key) => changed.has(key)) || (changed.has("t") && view.step === "this")) view.page = 0;
      if (changed.has("run")) sameAgent();
      // Not while somebody types: what stands there is newer.
      if (!parts.typing && parts.search.value !== state.search) parts.search.value = state.search;
      if (changed.has("t") && parts.step.lastChild) parts.step.lastChild.textContent = stepName(state.t);
      const asked = ["run", "search", "data"].some((key) => changed.has(key));
      if (asked || (changed.has("t") && view.step === "this")) again();
      else if (changed.has("response")) choose(parts);
    });
  });
})();
