// The weights of mixtures at a step, as bars.
(function () {
  "use strict";

  const MOST = 24; // agents whose bars are drawn

  function traces(run) {
    const at = LWD.at(run, LWD.state.t);
    const rows = (run.weights[at] || []).slice(0, MOST);
    return rows.map((weights, agent) => ({
      type: "bar", x: (weights || []).map((_, b) => b + 1), y: weights || [], hoverinfo: "none",
      meta: run.agents[agent], marker: { color: LWD.colour(agent),
        pattern: { shape: ["", "/", ".", "x", "\\", "-", "+"][agent % 7], fillmode: "overlay", solidity: 0.18, fgcolor: LWD.css("--surface") } },
    }));
  }

  function layout(run) {
    let top = 0;
    for (const step of run.weights) for (const row of step || []) for (const w of row || []) if (w > top) top = w;
    return LWD.layout({
      barmode: "group", bargap: 0.25, hovermode: "x",
      xaxis: LWD.axis("component", { dtick: (run.weights[0][0] || []).length > 20 ? undefined : 1, ticks: "" }),
      yaxis: LWD.axis("weight", { range: [0, Math.min(1, top * 1.05) || 1] }),
    });
  }

  LWD.weights = { traces, layout };
})();
