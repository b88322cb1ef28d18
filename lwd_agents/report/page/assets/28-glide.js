// Moving the marks of a chart at once. Plotly's own redraw of 400 marks takes a good part of a slider's
// 100 ms, so the marks it drew are moved first, and it draws (and knows where they are) when the
// slider rests.
(function () {
  "use strict";

  const REST = 150; // ms without a further move

  // The marks that Plotly drew for a trace, by the uid it was given.
  function marks(chart, uid) {
    const group = chart.querySelector(".scatterlayer > .trace" + uid + " > .points");
    return group ? [...group.querySelectorAll("path.point")] : [];
  }

  // As many marks as there are points; of marks that all look the same, more or fewer can be made.
  function fit(found, wanted, alike) {
    if (found.length === wanted) return found;
    if (!alike || (!found.length && wanted)) return null;
    const made = found.slice(0, wanted);
    for (const extra of found.slice(wanted)) extra.style.display = "none";
    for (let i = found.length; i < wanted; i++) {
      const copy = found[0].cloneNode(false);
      found[0].parentNode.append(copy);
      made.push(copy);
    }
    return made;
  }

  // traces: {uid, x, y, alike}. False, and nothing moved, where the marks can't be told.
  function glide(chart, traces) {
    const { xaxis, yaxis } = chart._fullLayout || {};
    if (!xaxis || typeof xaxis.c2p !== "function") return false;
    const all = traces.map((one) => fit(marks(chart, one.uid), one.x.filter((x) => x !== null).length, one.alike));
    if (all.some((one) => one === null)) return false;
    traces.forEach((one, k) => {
      let place = 0;
      one.x.forEach((x, i) => {
        if (x === null) return;
        const mark = all[k][place++];
        mark.style.display = "";
        mark.setAttribute("transform", "translate(" + xaxis.c2p(x).toFixed(2) + "," + yaxis.c2p(one.y[i]).toFixed(2) + ")");
      });
    });
    return true;
  }

  // Move the marks now and redraw at rest; where they can't be moved, redraw now. Gives a function
  // for (traces, redraw), and one that forgets a redraw that is due.
  LWD.glider = function (chart) {
    let due = null;
    const forget = () => {
      clearTimeout(due);
      due = null;
    };
    const move = function (traces, redraw) {
      forget();
      if (!glide(chart, traces)) return redraw();
      due = setTimeout(redraw, REST);
      return undefined;
    };
    return { move, forget };
  };
})();
