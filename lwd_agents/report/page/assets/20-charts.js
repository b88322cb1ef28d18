// What all charts share: colours of runs, axes, the cursor at the chosen step, our own hover.
(function () {
  "use strict";

  const DASHED = "5px,4px";

  // So many runs that colours can't tell them apart: all live ones have one colour.
  LWD.crowd = () => LWD.data.runs.length > 8;

  // A run's colour: a placebo has its live run's, and is dashed; in a crowd placebos are grey.
  LWD.runColour = function (place) {
    const { runs } = LWD.data;
    if (LWD.crowd()) return LWD.css(runs[place].placebo ? "--muted" : "--agent-0");
    const heads = runs.filter((run) => !of(run));
    const head = of(runs[place]) || runs[place];
    return LWD.css("--agent-" + (heads.indexOf(head) % 7));
  };
  const of = (run) => (run.of ? LWD.data.runs.find((one) => one.key === run.of) || null : null);
  LWD.runDash = (run) => (run.placebo ? DASHED : "solid");

  LWD.faint = function (colour, alpha) {
    const hex = colour.replace("#", "");
    const part = (at) => parseInt(hex.slice(at, at + 2), 16);
    return "rgba(" + part(0) + "," + part(2) + "," + part(4) + "," + alpha + ")";
  };

  const SVG = "http://www.w3.org/2000/svg";

  // A piece of a curve for legends: look and colour are classes, or a colour of its own.
  LWD.swatch = function (look, colour) {
    const svg = document.createElementNS(SVG, "svg");
    const path = document.createElementNS(SVG, "path");
    svg.setAttribute("viewBox", "0 0 28 14");
    svg.setAttribute("class", "swatch " + look);
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", /^thin/.test(look) ? "M1 3H27M1 7H27M1 11H27" : "M1 7H27");
    if (colour) svg.style.stroke = colour;
    svg.append(path);
    return svg;
  };

  const CONFIG = {
    displaylogo: false,
    responsive: true,
    displayModeBar: "hover",
    // Named one by one: another that the library has sends the chart to a server.
    modeBarButtons: [["toImage"], ["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
    plotlyServerURL: "",
    showSendToCloud: false,
    toImageButtonOptions: { format: "svg", filename: "lwd" },
    scrollZoom: false,
    doubleClick: "reset",
  };

  // An axis in the theme's colours.
  LWD.axis = function (title, more) {
    return {
      title: { text: title, standoff: 10, font: { size: 12.5, color: LWD.css("--muted") } },
      gridcolor: LWD.css("--grid"),
      linecolor: LWD.css("--line"),
      zeroline: false,
      ticks: "outside",
      ticklen: 4,
      tickcolor: LWD.css("--line"),
      tickfont: { size: 12, color: LWD.css("--muted") },
      automargin: true,
      ...more,
    };
  };

  LWD.layout = function (more) {
    return {
      font: { family: LWD.css("--sans"), size: 13, color: LWD.css("--ink") },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 64, r: 16, t: 16, b: 52 },
      showlegend: false,
      modebar: { bgcolor: "rgba(0,0,0,0)", color: LWD.css("--muted"), activecolor: LWD.css("--ink") },
      hovermode: "x",
      dragmode: false,
      ...more,
    };
  };

  // The step axis: whole steps, however short the run.
  LWD.stepAxis = function (runs, more) {
    const last = Math.max(0, ...runs.map((run) => (run.t.length ? run.t[run.t.length - 1] : 0)));
    const room = last ? last * 0.02 : 0.5;
    return LWD.axis("step t", {
      range: [-room, last + room], ...(last < 12 ? { dtick: 1 } : { nticks: 12 }), ...more,
    });
  };

  LWD.plot = (element, traces, layout) => Plotly.react(element, traces, layout, CONFIG);

  // A chart over steps gets a cursor at the chosen one, and a click anywhere chooses a step.
  LWD.cursor = function (element) {
    const line = LWD.el("div", { class: "cursor", "aria-hidden": "true" });
    const place = function () {
      const inside = element._fullLayout;
      if (!inside || !inside.xaxis) return;
      const axis = inside.xaxis;
      const at = axis.d2p(LWD.state.t);
      const shown = Number.isFinite(at) && at >= 0 && at <= axis._length;
      line.style.display = shown ? "" : "none";
      if (!shown) return;
      line.style.transform = "translateX(" + (axis._offset + at).toFixed(1) + "px)";
      line.style.top = inside.yaxis._offset + "px";
      line.style.height = inside.yaxis._length + "px";
    };
    return {
      place,
      attach() {
        if (!line.isConnected) {
          element.append(line);
          element.on("plotly_afterplot", place);
          element.addEventListener("click", (event) => choose(element, event));
        }
        place();
      },
    };
  };

  function choose(element, event) {
    const inside = element._fullLayout;
    if (!inside || !inside.xaxis || event.target.closest(".modebar")) return;
    const box = element.getBoundingClientRect();
    const at = event.clientX - box.left - inside.xaxis._offset;
    const t = Math.round(inside.xaxis.p2d(at));
    if (at >= 0 && at <= inside.xaxis._length && Number.isFinite(t)) LWD.set({ t: Math.max(0, t) });
  }

  // Our own hover, for plotly's would read tags in names: lines of [colour, name, value].
  LWD.hover = function (element, words) {
    element.on("plotly_hover", (event) => {
      const node = words(event.points);
      if (node) LWD.tooltip(node, event.event.clientX, event.event.clientY);
    });
    element.on("plotly_unhover", () => LWD.tooltip(null));
    element.addEventListener("mouseleave", () => LWD.tooltip(null));
  };

  LWD.valuesTip = function (title, rows) {
    const shown = rows.slice(0, 12).map(([colour, name, value]) => {
      const swatch = LWD.el("i", { class: "dot" });
      swatch.style.background = colour;
      return LWD.el("tr", {}, LWD.el("td", {}, swatch), LWD.el("td", {}, LWD.text(name, 60)),
        LWD.el("td", { class: "number" }, LWD.number(value)));
    });
    const more = rows.length > 12 ? LWD.el("p", { class: "quiet" }, "and " + (rows.length - 12) + " more") : null;
    return LWD.el("div", {}, LWD.el("strong", {}, title), LWD.el("table", {}, ...shown), more);
  };

  // A checkbox with words; calls change(checked).
  LWD.check = function (label, checked, change) {
    const box = LWD.el("input", { type: "checkbox", checked });
    box.addEventListener("change", () => change(box.checked));
    return LWD.el("label", { class: "check" }, box, LWD.el("span", {}, ...[label].flat()));
  };
})();
