// A run that goes on: what was committed since is added to what is here.
(function () {
  "use strict";

  const ALIGNED = new Set(["curves", "agent_measures", "pair_measures", "theory"]);

  // Arrays are appended, objects merged, the rest replaced. A column that comes late starts with
  // nulls for the steps before; of replicates each has an array of its own.
  function merge(old, more, steps, each) {
    for (const [key, value] of Object.entries(more)) {
      if (key === "__proto__") continue; // not ours, and every object has it
      const has = Object.hasOwn(old, key) ? old[key] : undefined;
      if (Array.isArray(value)) {
        if (!Array.isArray(has)) old[key] = new Array(steps).fill(null).concat(value);
        else if (each && Array.isArray(value[0])) value.forEach((one, r) => has[r] && has[r].push(...one));
        else for (const one of value) has.push(one);
      } else if (value !== null && typeof value === "object") {
        if (has === null || typeof has !== "object") old[key] = {};
        const before = ALIGNED.has(key) ? old.t.length - (more.t || []).length : 0;
        merge(old[key], value, before, key === "replicates");
      } else {
        old[key] = value;
      }
    }
  }

  function extend(run, more) {
    const { left_at: left, ...texts } = more.texts || {};
    merge(run, more.texts ? { ...more, texts } : more, 0, false);
    for (const [row, t] of left || []) run.texts.posts.left[row] = t;
  }

  LWD.append = function (delta) {
    const { data } = LWD;
    const following = atTheEnd();
    for (const [key, more] of Object.entries(delta.runs || {})) {
      const run = data.runs.find((one) => one.key === key);
      if (run) extend(run, more);
      else data.runs.push(more);
    }
    for (const run of data.runs) {
      const said = delta.status || {};
      if (Object.hasOwn(said, run.key)) run.status = said[run.key];
    }
    for (const note of delta.notes || []) data.notes.push(note);
    for (const key of ["plane", "paths"]) if (delta[key]) data[key] = delta[key];
    const changed = new Set(["data"]);
    // Who looks at the newest step goes on looking at the newest.
    const run = LWD.run();
    if (following && run && run.t.length && run.t[run.t.length - 1] !== LWD.state.t) {
      LWD.follow();
      changed.add("t").add("response");
    }
    LWD.notify(changed);
  };

  function atTheEnd() {
    const run = LWD.run();
    return run && (!run.t.length || LWD.state.t === run.t[run.t.length - 1]);
  }
})();
