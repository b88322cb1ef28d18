// The reader's choice of light or dark, before anything is painted. Storage may be closed to files.
(function () {
  "use strict";
  try {
    const theme = window.localStorage.getItem("lwd-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch (closed) {
    // The system's choice holds.
  }
})();
