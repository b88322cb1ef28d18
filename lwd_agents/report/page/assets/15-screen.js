// What is on the screen: drawing what is seen, the tooltip, light and dark, the bar, the runs' chips.
(function () {
  "use strict";

  // --- drawing only what is seen ----------------------------------------------------------------

  const drawings = new Map();
  let watcher = null;

  // Draw when the element is (nearly) on screen: at once, or when it comes there. Gives a function
  // that says the drawing is out of date.
  LWD.drawing = function (element, draw) {
    const one = { draw, dirty: true, seen: false, asked: false };
    drawings.set(element, one);
    if (!watcher) {
      watcher = new IntersectionObserver((entries) => {
        for (const entry of entries) {
          const own = drawings.get(entry.target);
          own.seen = entry.isIntersecting;
          if (own.seen && own.dirty) later(own);
        }
      }, { rootMargin: "300px 0px" });
    }
    watcher.observe(element);
    return () => {
      one.dirty = true;
      if (one.seen) later(one);
    };
  };

  // Paper is light.
  const root = document.documentElement;
  let theme = null;

  window.addEventListener("afterprint", () => {
    if (theme === null) return;
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    theme = null;
    LWD.notify(new Set(["theme"]));
  });

  // On paper charts that have a still are left to it; the others must be there.
  window.addEventListener("beforeprint", () => {
    if (LWD.dark()) {
      theme = root.dataset.theme || "";
      root.dataset.theme = "light";
      LWD.notify(new Set(["theme"]));
    }
    for (const [element, one] of drawings) {
      const section = element.closest("section");
      if (!one.dirty || (section && section.querySelector(".still"))) continue;
      one.dirty = false;
      LWD.guard(one.draw);
    }
  });

  function later(one) {
    if (one.asked) return;
    one.asked = true;
    requestAnimationFrame(() => {
      one.asked = false;
      if (!one.dirty) return;
      one.dirty = false;
      LWD.guard(one.draw);
    });
  }

  // --- the tooltip ------------------------------------------------------------------------------

  let tip = null;

  LWD.tooltip = function (node, x, y) {
    if (!tip) {
      if (!node) return;
      tip = LWD.el("div", { id: "tooltip", "aria-hidden": "true" });
      document.body.append(tip);
    }
    if (!node) {
      tip.className = "";
      return;
    }
    tip.replaceChildren(node);
    tip.className = "shown";
    const box = tip.getBoundingClientRect();
    const wide = document.documentElement.clientWidth;
    const left = Math.min(Math.max(8, x + 14), Math.max(8, wide - box.width - 8));
    const above = y - box.height - 14;
    tip.style.left = left + "px";
    tip.style.top = (above > 8 ? above : y + 18) + "px";
  };

  // Whoever reads it with a magnifier must be able to send it away; scrolling leaves its mark behind.
  document.addEventListener("keydown", (event) => event.key === "Escape" && LWD.tooltip(null));
  window.addEventListener("scroll", () => LWD.tooltip(null), { passive: true });

  // --- the bar: light or dark, and where one is ---------------------------------------------------

  LWD.theme = function (theme) {
    document.documentElement.dataset.theme = theme;
    try {
      window.localStorage.setItem("lwd-theme", theme);
    } catch (closed) {
      // Not remembered, then.
    }
    LWD.notify(new Set(["theme"]));
  };

  function themeButton() {
    const button = LWD.el("button", { type: "button", class: "icon", id: "theme" });
    const name = () => {
      const other = LWD.dark() ? "light" : "dark";
      button.textContent = LWD.dark() ? "\u2600" : "\u263e";
      button.setAttribute("aria-label", "Switch to " + other + " colours");
      button.title = "Switch to " + other + " colours";
    };
    button.addEventListener("click", () => LWD.theme(LWD.dark() ? "light" : "dark"));
    LWD.on((_, changed) => changed.has("theme") && name());
    return button;
  }

  function markSections() {
    const links = new Map([...document.querySelectorAll(".bar nav a")].map((a) => [a.hash.slice(1), a]));
    const seen = new Set();
    const watch = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) seen[isIntersecting ? "add" : "delete"](target.id);
      let done = false;
      for (const [name, link] of links) {
        const here = !done && seen.has(name);
        done = done || here;
        if (here) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
    }, { rootMargin: "-25% 0px -60% 0px" });
    for (const name of links.keys()) {
      const section = document.getElementById(name);
      if (section) watch.observe(section);
    }
    // The address belongs to what is chosen: links go to their section and leave it alone.
    for (const link of document.querySelectorAll(".bar nav a, .brand, .skip")) {
      link.addEventListener("click", (event) => {
        const section = document.getElementById(link.hash.slice(1));
        if (!section) return;
        event.preventDefault();
        section.scrollIntoView();
        section.tabIndex = -1;
        section.focus({ preventScroll: true });
      });
    }
  }

  // --- the runs ------------------------------------------------------------------------------------

  function chips() {
    const items = [...document.querySelectorAll(".chip[data-run]")];
    if (items.length > 1) {
      for (const item of items) {
        const button = LWD.el("button", { type: "button" });
        button.append(...item.childNodes);
        button.addEventListener("click", () => LWD.set({ run: Number(item.dataset.run) }));
        item.append(button);
      }
    }
    LWD.on((state, changed) => {
      for (const item of items) {
        const place = Number(item.dataset.run);
        const now = place === state.run && items.length > 1;
        item.classList.toggle("now", now);
        const button = item.querySelector("button");
        if (button) button.setAttribute("aria-pressed", String(now));
        const badge = item.querySelector(".badge");
        const { status } = LWD.data.runs[place];
        if (changed.has("data") && badge.textContent !== status) {
          badge.textContent = status;
          badge.className = "badge " + (/^[a-z]+$/.test(status) ? status : "");
        }
      }
    });
  }

  // Sections of texts, where a run has none.
  function why() {
    for (const id of ["responses", "reading"]) {
      const mount = LWD.mount(id);
      if (!mount) continue;
      const said = LWD.el("p", { class: "quiet", hidden: true }, "This run has no texts on this page: \u201cWhat is missing\u201d or its world says why.");
      mount.before(said);
      LWD.on((_, changed) => {
        if (changed.has("run") || changed.has("data")) said.hidden = !LWD.run() || LWD.run().texts !== null;
      });
    }
  }

  LWD.start(function () {
    why();
    document.querySelector(".bar .tools").append(themeButton());
    markSections();
    chips();
  });
})();
