// The numbers of charts as tables: for who can't see a chart, and for who wants to know exactly.
(function () {
  "use strict";

  // A fold that is filled when it is opened. make() gives {caption, columns, rows}; a row is
  // [its name, numbers...]. Gives the element, and a function that says the numbers changed.
  LWD.numbers = function (of, make) {
    const summary = LWD.el("summary", {});
    const box = LWD.el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Numbers: " + of });
    const element = LWD.el("details", { class: "numbers" }, summary, box);
    const fill = () => element.open && box.replaceChildren(table(make()));
    element.addEventListener("toggle", fill);
    // Its name says of what, to who hears it without what stands above.
    const name = function (said) {
      summary.textContent = said;
      summary.setAttribute("aria-label", said + ": " + of);
    };
    return { element, fill, name };
  };

  function table({ caption, columns, rows }) {
    const cell = (value) => LWD.el("td", { class: "number" }, LWD.number(value, 4));
    return LWD.el("table", {}, LWD.el("caption", {}, caption),
      LWD.el("thead", {}, LWD.el("tr", {}, columns.map((name) => LWD.el("th", { scope: "col" }, LWD.text(name, 60))))),
      LWD.el("tbody", {}, rows.map(([name, ...values]) =>
        LWD.el("tr", {}, LWD.el("th", { scope: "row" }, LWD.text(name, 60)), values.map(cell)))));
  }

  const named = (traces) => traces.map((one) => ({ ...one, meta: one.said || one.meta })).filter((one) => one.meta);

  // Curves over steps: a row a step, a column a curve.
  LWD.byStep = function (traces) {
    const curves = named(traces);
    const rows = new Map();
    curves.forEach((one, k) => one.x.forEach((t, i) => {
      if (!rows.has(t)) rows.set(t, new Array(curves.length).fill(null));
      rows.get(t)[k] = one.y[i];
    }));
    const sorted = [...rows].sort((a, b) => a[0] - b[0]);
    return { columns: ["step", ...curves.map((one) => one.meta)], rows: sorted.map(([t, values]) => [t, ...values]) };
  };

  // Several charts at one step: a row a curve's name, a column a chart. charts: [[title, traces]].
  LWD.atStep = function (charts, t) {
    const rows = new Map();
    charts.forEach(([, traces], k) => {
      for (const one of named(traces)) {
        const place = one.x.indexOf(t);
        if (!rows.has(one.meta)) rows.set(one.meta, new Array(charts.length).fill(null));
        if (place >= 0) rows.get(one.meta)[k] = one.y[place];
      }
    });
    return { columns: ["", ...charts.map(([title]) => title)], rows: [...rows].map(([name, values]) => [name, ...values]) };
  };
})();
