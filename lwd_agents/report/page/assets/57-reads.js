// The posts that an agent had read before a response: a list to search, phrases first.

(function () {
  "use strict";

  const MORE = 30; // posts shown at first, and more at a click

  // chosen: {response, phrases, phrase}, as it is when the list is drawn.
  LWD.readsList = function (chosen) {
    const { button } = LWD.posts;
    const title = LWD.el("h3", { id: "reads-title", tabindex: "-1" });
    const search = LWD.el("input", { type: "search", id: "reads-search", autocomplete: "off", spellcheck: "false",
      placeholder: "words or an author", "aria-label": "Search the posts read" });
    const held = LWD.el("input", { type: "checkbox", id: "reads-held" });
    const heldLabel = LWD.el("label", { class: "tick" }, held, " only with a phrase of the response");
    const filters = LWD.el("div", { class: "filters" }, search, heldLabel);
    const count = LWD.el("p", { class: "count" });
    const list = LWD.el("ol", { class: "posts", "data-test": "reads" });
    const more = button("reads-more", "");
    const box = LWD.el("div", { class: "posts-box", tabindex: "0", role: "region", "aria-labelledby": "reads-title" },
      list, more);
    const element = LWD.el("section", { class: "column reads", "aria-labelledby": "reads-title" },
      title, filters, count, box);
    let shown = MORE;

    function draw(run) {
      const rows = LWD.trace.reads(run.texts, chosen.response);
      const size = rows ? rows.length : 0;
      title.replaceChildren("What ", LWD.agent(run.texts.responses.agent[chosen.response]),
        ` had read: ${LWD.count(size)} ${size === 1 ? "post" : "posts"}`);
      filters.hidden = box.hidden = !size;
      heldLabel.hidden = !chosen.phrases.length;
      if (heldLabel.hidden) held.checked = false;
      if (!size) {
        count.textContent = rows ? "It had read nothing." : "What was read before this response is not in this page.";
        list.replaceChildren();
        return;
      }
      const found = filtered(run.texts, rows);
      count.textContent = (found.length === size ? "" : `${LWD.count(found.length)} of ${LWD.count(size)}. `)
        + (chosen.phrases.length ? "Posts with a phrase of the response come first." : "");
      list.classList.toggle("some", found.some(({ holds }) => holds));
      list.replaceChildren(...found.slice(0, shown).map(({ row, place, holds }) =>
        LWD.el("li", { class: holds ? "holds" : null, "data-post": row },
          LWD.posts.item(run, row, chosen, [
            LWD.el("span", { class: "place", title: "place in the reading" }, `${place + 1}.`), " "]))));
      const rest = found.length - shown;
      more.hidden = rest <= 0;
      more.textContent = `show ${Math.min(MORE, rest)} more of ${LWD.count(rest)}`;
    }

    // Those with the chosen phrase, those with another, then the rest; as they were read.
    function filtered(texts, rows) {
      const wanted = LWD.needles(search.value);
      const finders = chosen.phrases.map((phrase) => phrase.finder);
      const first = new Set(chosen.phrases.map((phrase) => phrase.chain[0]));
      const found = [];
      rows.forEach((row, place) => {
        const index = texts.posts.text[row];
        const text = index === null ? "" : texts.strings[index];
        const holds = LWD.trace.holds(chosen.phrase && chosen.phrase.finder, text) ? 2
          : first.has(row) || finders.some((finder) => LWD.trace.holds(finder, text)) ? 1 : 0;
        if (held.checked && !holds) return;
        const said = wanted.length ? `${text} ${texts.authors[texts.posts.author[row]]}`.toLowerCase() : "";
        if (wanted.every((needle) => said.includes(needle))) found.push({ row, place, holds });
      });
      return found.sort((a, b) => b.holds - a.holds || a.place - b.place);
    }

    const anew = () => {
      count.setAttribute("role", "status"); // told to who searches, not at each step
      shown = MORE;
      draw(LWD.run());
    };
    search.addEventListener("input", anew);
    held.addEventListener("change", anew);
    more.addEventListener("click", () => {
      const next = shown;
      shown += MORE;
      draw(LWD.run());
      list.children[next].querySelector("button").focus({ preventScroll: true });
    });
    const begin = (run) => {
      count.removeAttribute("role");
      shown = MORE;
      draw(run);
      box.scrollTop = 0;
    };
    return { element, draw, begin };
  };
})();
