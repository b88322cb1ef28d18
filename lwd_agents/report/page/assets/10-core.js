// The page's one global: its data, what is chosen, and small things that every part uses.
// Texts of models are hostile. They only ever become text nodes here: no innerHTML anywhere.
const LWD = (function () {
  "use strict";

  const NUMBERS = ["run", "t", "query", "reading", "response", "post"];
  // What an address means that does not say it; the step stays. null: none chosen (reading: all).
  const UNSAID = { run: 0, query: 0, reading: null, response: null, post: null, search: "" };
  const CLIP = 600; // characters of a text that are shown at once
  const LAST = 1e9; // a step after every step
  const listeners = [];
  const starters = [];
  let begun = false;

  const LWD = {
    data: null,
    state: { run: 0, t: 0, query: 0, reading: null, response: null, post: null, search: "" },
    timing: [], // ms from a step's being chosen to its plane's being drawn; the last 200
  };

  // --- elements -------------------------------------------------------------------------------

  LWD.el = function (tag, attrs, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attrs || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (typeof value === "function") made.addEventListener(name.replace(/^on/, ""), value);
      else if (value === true) made.setAttribute(name, "");
      else made.setAttribute(name, String(value));
    }
    made.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return made;
  };

  LWD.mount = (id) => document.querySelector("#" + id + " > .mount");

  // Controls (but for tab and newline) and marks that turn or hide text, as visible symbols: each
  // one UTF-16 unit for one, so that places in a text stay right.
  LWD.plain = function (string) {
    return String(string)
      .replace(/[\u0000-\u0008\u000b-\u001f]/g, (c) =>
        String.fromCharCode(0x2400 + c.charCodeAt(0)))
      .replace(/[\u007f-\u009f]/g, "\u2421")
      .replace(/[\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g, "\u25ca");
  };

  LWD.text = function (string, limit = CLIP) {
    const whole = LWD.plain(string);
    const bdi = LWD.el("bdi", { dir: "auto", class: "said" });
    if (whole.length <= limit + 100) {
      bdi.textContent = whole;
      return bdi;
    }
    // Never half of a pair.
    const cut = /[\ud800-\udbff]/.test(whole[limit - 1]) ? limit - 1 : limit;
    bdi.textContent = whole.slice(0, cut) + "\u2026";
    const more = LWD.el("button", { type: "button", class: "more" },
      "show all " + LWD.count(whole.length) + " characters");
    more.addEventListener("click", (event) => {
      event.stopPropagation();
      bdi.textContent = whole;
      more.remove();
    });
    return LWD.el("span", {}, bdi, " ", more);
  };

  LWD.count = (number) => Number(number).toLocaleString("en-GB");

  // A number to so many digits, noughts at its end among them; a dash where there is none.
  LWD.number = function (value, digits = 3) {
    if (value === null || value === undefined || !Number.isFinite(value)) return "\u2013";
    if (value === 0 || Number.isInteger(value) && Math.abs(value) < 1e6) return LWD.count(value);
    const [front, power] = Math.abs(value).toExponential(digits - 1).split("e");
    const size = power >= -4 && power < 6 ? places(value, Math.max(digits - 1 - power, 0))
      : front + "\u00d710" + [...String(Number(power))].map((sign) => RAISED[sign]).join("");
    return (value < 0 ? "\u2212" : "") + size;
  };

  const RAISED = { "-": "\u207b", 0: "\u2070", 1: "\u00b9", 2: "\u00b2", 3: "\u00b3", 4: "\u2074",
    5: "\u2075", 6: "\u2076", 7: "\u2077", 8: "\u2078", 9: "\u2079" };
  const places = (value, count) => Math.abs(value).toLocaleString("en-GB",
    { minimumFractionDigits: count, maximumFractionDigits: count });

  // --- agents and theme -----------------------------------------------------------------------

  const SYMBOLS = ["circle", "triangle-up", "square", "diamond", "triangle-down", "cross", "x"];
  const SIGNS = ["\u25cf", "\u25b2", "\u25a0", "\u25c6", "\u25bc", "\u271a", "\u2716"];

  // Asking the browser makes it lay out the page: once for each name and theme.
  let asked = new Map();

  LWD.css = function (name) {
    if (!asked.has(name))
      asked.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
    return asked.get(name);
  };
  LWD.colour = (i) => LWD.css("--agent-" + (i % SYMBOLS.length));
  // Where colours come round again, symbols move on: 7 colours, 49 pairs.
  LWD.symbolAt = (i) => (i + Math.floor(i / SYMBOLS.length)) % SYMBOLS.length;
  LWD.symbol = (i) => SYMBOLS[LWD.symbolAt(i)];
  LWD.sign = (i) => SIGNS[LWD.symbolAt(i)];
  // An agent's name with its mark, for our own HTML.
  LWD.agent = function (i) {
    const name = LWD.run().agents[i];
    const mark = LWD.el("span", { class: "mark agent-" + (i % SYMBOLS.length), "aria-hidden": "true" },
      LWD.sign(i));
    return LWD.el("span", { class: "agent" }, mark, " ", LWD.text(name === undefined ? "?" : name));
  };
  LWD.dark = () => LWD.css("--dark") === "1";

  // --- what is chosen -------------------------------------------------------------------------

  LWD.run = () => LWD.data.runs[LWD.state.run];

  // The rows [start, end) of the responses of step t; they are sorted by t.
  LWD.rows = function (run, t) {
    const column = run.texts ? run.texts.responses.t : [];
    return [lower(column, t), lower(column, t + 1)];
  };

  // The place in run.t of step t, or of the last step before it; 0 where there is none.
  LWD.at = (run, t) => Math.max(0, lower(run.t, t + 1) - 1);

  function lower(sorted, value) {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // Nonsense (a hash is anyone's) becomes the nearest thing that there is.
  function sound(state) {
    const next = { ...state };
    const whole = (value) => (Number.isSafeInteger(value) ? value : 0);
    const within = (value, size) =>
      value === null || !Number.isSafeInteger(value) || value < 0 || value >= size ? null : value;
    next.run = Math.min(Math.max(whole(next.run), 0), Math.max(LWD.data.runs.length - 1, 0));
    const run = LWD.data.runs[next.run];
    if (!run) return next;
    next.query = Math.min(Math.max(whole(next.query), 0), Math.max((run.queries || []).length - 1, 0));
    next.reading = within(next.reading, run.readings || 1);
    next.response = within(next.response, run.texts ? run.texts.responses.t.length : 0);
    next.post = within(next.post, run.texts ? run.texts.posts.id.length : 0);
    next.search = String(next.search === null || next.search === undefined ? "" : next.search).slice(0, 500);
    next.t = run.t.length ? run.t[LWD.at(run, whole(next.t))] : 0;
    return next;
  }

  // The state after a change: what was chosen in another run or step is not chosen here.
  function after(patch) {
    const asked = { ...LWD.state, ...patch };
    const { state, data } = LWD;
    if ("run" in patch && patch.run !== state.run) {
      for (const key of ["response", "post", "reading"]) if (!(key in patch)) asked[key] = null;
      if (!("query" in patch)) asked.query = 0;
    }
    const other = (key) => key in patch && patch[key] !== null && patch[key] !== state[key];
    if (["t", "query", "reading"].some(other) && !("response" in patch)) asked.response = null;
    const run = data.runs[asked.run];
    return sound("response" in patch && run && run.texts ? along(asked, run.texts.responses) : asked);
  }

  // A response brings its step and question along, and its reading where one alone is shown.
  function along(asked, { t, query, reading }) {
    const row = asked.response;
    if (row === null || t[row] === undefined) return asked;
    const shown = asked.reading === null ? null : reading[row];
    return { ...asked, t: t[row], query: query[row], reading: shown };
  }

  LWD.set = function (patch) {
    const next = after(patch);
    const changed = new Set(Object.keys(next).filter((key) => next[key] !== LWD.state[key]));
    if (!changed.size) return;
    LWD.state = next;
    writeHash();
    LWD.notify(changed);
  };

  // Go along to the newest step, without a word: who calls this tells of it.
  LWD.follow = function () {
    const run = LWD.run();
    LWD.state = sound({ ...LWD.state, t: run.t[run.t.length - 1], response: null });
    writeHash();
  };

  LWD.on = function (fn) {
    listeners.push(fn);
    if (begun) fn(LWD.state, everything());
  };

  const everything = () => new Set([...Object.keys(LWD.state), "data", "theme"]);

  LWD.notify = function (changed) {
    if (changed.has("theme")) asked = new Map();
    for (const fn of listeners) LWD.guard(() => fn(LWD.state, changed));
  };

  // One part that fails must not take the others with it.
  LWD.guard = function (fn) {
    try {
      fn();
    } catch (error) {
      console.error(error);
    }
  };

  LWD.start = (fn) => (begun ? LWD.guard(fn) : starters.push(fn));

  // --- the address ----------------------------------------------------------------------------

  let writing = null;

  // At most one write in 150 ms: browsers refuse more than about 100 in 10 s.
  function writeHash() {
    if (writing !== null) return;
    writing = setTimeout(() => {
      writing = null;
      const parts = [];
      for (const key of NUMBERS) {
        const value = LWD.state[key];
        if (value !== null && !(value === 0 && (key === "run" || key === "query")))
          parts.push(key + "=" + value);
      }
      if (LWD.state.search) parts.push("search=" + encodeURIComponent(LWD.state.search));
      const hash = "#" + parts.join("&");
      if (hash !== location.hash) {
        try {
          history.replaceState(null, "", hash);
        } catch (refused) {
          // Some browsers refuse this to files; the page works without.
        }
      }
    }, 150);
  }

  function readHash() {
    const found = {};
    for (const part of location.hash.slice(1, 4000).split("&")) {
      const place = part.indexOf("=");
      if (place < 0) continue;
      const key = part.slice(0, place);
      const value = part.slice(place + 1);
      if (NUMBERS.includes(key) && /^\d{1,9}$/.test(value)) found[key] = Number(value);
      if (key === "search") {
        try {
          found.search = decodeURIComponent(value);
        } catch (malformed) {
          found.search = "";
        }
      }
    }
    return found;
  }

  // --- start ------------------------------------------------------------------------------------

  // 99-start.js calls this when every part is registered.
  LWD.begin = function () {
    LWD.data = JSON.parse(document.getElementById("data").textContent);
    document.documentElement.classList.add("js");
    const found = readHash();
    // Without another wish, the last step of the run.
    LWD.state = sound({ ...LWD.state, run: found.run, t: LAST });
    LWD.state = after(found);
    for (const fn of starters) LWD.guard(fn);
    begun = true;
    LWD.notify(everything());
    window.addEventListener("hashchange", () => {
      const found = readHash();
      if (Object.keys(found).length) LWD.set({ ...UNSAID, ...found });
    });
    window.matchMedia("(prefers-color-scheme: dark)")
      .addEventListener("change", () => LWD.notify(new Set(["theme"])));
  };

  return LWD;
})();
