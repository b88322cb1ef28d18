// A run that goes on: ask the server what came, add it, and say how things stand.

(function () {
  "use strict";

  const FIRST = 1000; // ms before the first new try
  const MOST = 30000;
  const PATIENCE = 60000; // ms for an answer; the server gives one within 20 s
  const EARLY = 15000; // ms before which the server says "nothing new" only when it ends

  // running, and how far: of the run that is shown.
  function progress() {
    const run = LWD.run();
    if (!run || !run.t.length) return "waiting for the first step";
    const last = run.t[run.t.length - 1];
    return run.steps === null || run.steps === undefined ? `step ${last}` : `step ${last} of ${run.steps}`;
  }

  const over = () => LWD.data.runs.length > 0 && LWD.data.runs.every((run) => run.status !== "running");

  function words(state) {
    if (state === "lost") return "connection lost, retrying";
    if (state === "ended") return `watching ended \u00b7 ${progress()}`;
    if (state === "over") return `${LWD.data.runs.length > 1 ? "runs are" : "run is"} over \u00b7 ${progress()}`;
    return state === "waiting" ? progress() : `live \u00b7 ${progress()}`;
  }

  LWD.start(function () {
    if (!LWD.data.live) return;
    const badge = document.getElementById("live") || LWD.el("span", { class: "badge", id: "live" });
    badge.dataset.test = "live";
    badge.setAttribute("role", "status");
    const box = LWD.el("input", { type: "checkbox", id: "live-follow" });
    box.checked = true;
    const tools = LWD.el("span", { id: "live-tools" });
    if (badge.isConnected) badge.replaceWith(tools);
    else document.body.prepend(tools);
    tools.append(badge, LWD.el("label", { class: "tick", title: "Go along to each new step" }, box, " follow"));

    let version = LWD.data.since || 0;
    let wait = FIRST;
    let adding = false; // the step that changes is not chosen by anybody

    const say = (state) => {
      badge.dataset.state = state;
      const said = words(state);
      if (badge.textContent !== said) badge.textContent = said;
      tools.classList.toggle("over", state === "over" || state === "ended");
    };
    const settled = () => say(over() ? "over" : LWD.data.runs.some((run) => run.t.length) ? "live" : "waiting");
    const last = () => {
      const run = LWD.run();
      return run && run.t.length ? run.t[run.t.length - 1] : 0;
    };

    // Who looks back, or reads a response, is left in peace.
    LWD.on((state, changed) => {
      if (changed.has("data") || changed.has("run")) settled();
      if (adding) return;
      if (changed.has("t") || changed.has("response")) box.checked = state.t === last() && state.response === null;
    });
    box.addEventListener("change", () => box.checked && LWD.set({ t: last(), response: null }));

    const add = (delta) => {
      const { t, response } = LWD.state;
      adding = true;
      LWD.append(delta);
      if (!box.checked) LWD.set({ t, response });
      else if (LWD.state.t !== last()) LWD.set({ t: last() });
      adding = false;
    };

    const ask = async () => {
      const stop = new AbortController();
      const timer = setTimeout(() => stop.abort(), PATIENCE);
      try {
        const answer = await fetch(`since?v=${version}`, { signal: stop.signal, cache: "no-store" });
        if (!answer.ok) throw new Error(String(answer.status));
        return await answer.json();
      } finally {
        clearTimeout(timer);
      }
    };

    // True where the next question can follow at once.
    const once = async () => {
      const asked = performance.now();
      const delta = await ask();
      const known = new Set(LWD.data.runs.map((run) => run.key));
      if (delta.reload || Object.keys(delta.runs || {}).some((key) => !known.has(key))) {
        location.reload(); // with the hash, and so with what is chosen
        return false;
      }
      const early = delta.version === version && performance.now() - asked < EARLY;
      version = delta.version;
      if (delta.runs || delta.status) add(delta);
      if (early) say("ended");
      else settled();
      return !early;
    };

    let asking = false;
    const follow = async () => {
      if (asking) return;
      asking = true;
      for (let on = true; on;) {
        try {
          on = await once();
          wait = FIRST;
        } catch (lost) {
          say("lost");
          await new Promise((go) => setTimeout(go, wait));
          wait = Math.min(2 * wait, MOST);
        }
      }
      asking = false;
    };

    // A server that ended may be back when somebody looks again.
    window.addEventListener("focus", () => badge.dataset.state === "ended" && follow());
    settled();
    follow();
  });
})();
