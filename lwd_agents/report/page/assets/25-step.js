// Choosing: a labelled select, and the slider over steps with its buttons.
(function () {
  "use strict";

  const PACE = 350; // ms a step while playing
  const SLOW = 1000; // the same where movement is not wanted

  LWD.chooser = function (label, options, value, change) {
    const select = LWD.el("select", {}, ...options.map(([key, said]) =>
      LWD.el("option", { value: key, selected: key === value }, LWD.plain(said).slice(0, 80))));
    select.addEventListener("change", () => change(select.value));
    return [LWD.el("label", { class: "field" }, LWD.el("span", {}, label), select), select];
  };

  // Slider, buttons, playing. Gives a function that shows the chosen step.
  LWD.stepper = function (root) {
    const range = LWD.el("input", { type: "range", id: "step", min: 0, step: 1 });
    // Words of its own for the slider, which says its value itself: no live region.
    const output = LWD.el("span", { id: "step-now", class: "now" });
    const button = (sign, label, act) => LWD.el("button", { type: "button", class: "icon", "aria-label": label, title: label, onclick: act }, sign);
    const move = (by) => {
      const run = LWD.run();
      const next = LWD.at(run, LWD.state.t) + by;
      if (next >= 0 && next < run.t.length) LWD.set({ t: run.t[next] });
    };
    let timer = null;
    const still = window.matchMedia("(prefers-reduced-motion: reduce)");
    const stop = () => {
      clearInterval(timer);
      timer = null;
      play.textContent = "\u25b6";
      play.setAttribute("aria-label", "Play");
    };
    const atEnd = () => LWD.at(LWD.run(), LWD.state.t) >= LWD.run().t.length - 1;
    const play = button("\u25b6", "Play", () => {
      if (timer !== null) return stop();
      if (atEnd()) LWD.set({ t: LWD.run().t[0] });
      play.textContent = "\u275a\u275a";
      play.setAttribute("aria-label", "Pause");
      timer = setInterval(() => (atEnd() ? stop() : move(1)), still.matches ? SLOW : PACE);
    });
    const previous = button("\u2039", "Previous step", () => { stop(); move(-1); });
    const next = button("\u203a", "Next step", () => { stop(); move(1); });
    range.addEventListener("input", () => {
      const began = performance.now();
      if (timer !== null) stop();
      LWD.began = began;
      LWD.set({ t: LWD.run().t[Number(range.value)] });
    });
    root.append(LWD.el("div", { class: "stepper" }, LWD.el("label", { for: "step" }, "step"), previous, play, next, range, output));
    return () => {
      const run = LWD.run();
      const at = LWD.at(run, LWD.state.t);
      range.max = Math.max(run.t.length - 1, 0);
      range.value = at;
      const curve = run.replicates ? run.replicates.rms : run.curves.norm;
      range.setAttribute("aria-valuetext", "step " + LWD.state.t + ", norm " + LWD.number((curve || [])[at]));
      const few = run.t.length < 2;
      for (const one of [range, play]) one.disabled = few;
      previous.disabled = few || at === 0;
      next.disabled = few || at === run.t.length - 1;
      output.textContent = LWD.state.t + " of " + (run.t.length ? run.t[run.t.length - 1] : 0);
    };
  };
})();
