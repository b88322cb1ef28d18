// Texts with marks in them, searching, and drawing without haste: for the table and the reader.

(function () {
  "use strict";

  // A text as LWD.text gives it, parts of it in elements. spans: [{start, stop, make(string)}] in
  // order, without overlap, in UTF-16 units; they may be cut where the text is clipped.
  LWD.marked = function (string, spans, limit = 600) {
    const whole = LWD.plain(string);
    const bdi = LWD.el("bdi", { dir: "auto", class: "said" });
    const fill = (end) => {
      const parts = [];
      let place = 0;
      for (const { start, stop, make } of spans) {
        if (start >= end) break;
        if (start < place || stop <= start) continue;
        parts.push(whole.slice(place, start), make(whole.slice(start, Math.min(stop, end))));
        place = Math.min(stop, end);
      }
      parts.push(whole.slice(place, end));
      if (end < whole.length) parts.push("\u2026");
      bdi.replaceChildren(...parts);
    };
    if (whole.length <= limit + 100) {
      fill(whole.length);
      return bdi;
    }
    fill(/[\ud800-\udbff]/.test(whole[limit - 1]) ? limit - 1 : limit);
    const more = LWD.el("button", { type: "button", class: "more" },
      "show all " + LWD.count(whole.length) + " characters");
    more.addEventListener("click", (event) => {
      event.stopPropagation();
      fill(whole.length);
      more.remove();
    });
    return LWD.el("span", {}, bdi, " ", more);
  };

  const LATER = 450; // ms; longer than a step that plays

  // Draw at once what is on screen; the rest when nothing has changed for a while, so that the
  // slider has not to wait for it. Gives the function that asks for drawing.
  LWD.settled = function (element, draw) {
    let dirty = true;
    let timer = null;
    const once = () => {
      clearTimeout(timer);
      if (dirty) {
        dirty = false;
        draw();
      }
    };
    const seen = LWD.drawing(element, once);
    window.addEventListener("beforeprint", once);
    return () => {
      dirty = true;
      clearTimeout(timer);
      timer = setTimeout(once, LATER);
      seen();
    };
  };

  // Whether the run that is shown has responses to show. 15-screen.js says why there are no texts.
  LWD.writes = function (mount) {
    const run = LWD.run();
    const texts = run ? run.texts : null;
    const writes = Boolean(texts && texts.responses.t.length);
    if (!mount.nextElementSibling) mount.after(LWD.el("p", { class: "quiet" }, "No response yet."));
    mount.nextElementSibling.hidden = writes || !texts;
    mount.hidden = !writes;
    return writes;
  };

  // --- searching -----------------------------------------------------------------------------------

  // What a search asks for: words and "exact phrases", all of them, in small letters.
  LWD.needles = function (search) {
    const found = [];
    for (const [, phrase, word] of search.toLowerCase().matchAll(/"([^"]*)(?:"|$)|([^\s"]+)/g)) {
      const needle = phrase === undefined ? word : phrase;
      if (needle.trim()) found.push(needle);
    }
    return found;
  };

  // Where they stand in a text, as the spans that LWD.marked takes.
  LWD.found = function (string, wanted) {
    if (!wanted.length) return [];
    const parts = [...wanted].sort((a, b) => b.length - a.length)
      .map((needle) => needle.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
    const make = (text) => LWD.el("mark", {}, text);
    return [...string.matchAll(new RegExp(parts.join("|"), "giu"))].map((match) => ({
      start: match.index, stop: match.index + match[0].length, make,
    }));
  };
})();
