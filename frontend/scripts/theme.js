// Runs before the page is painted, hence no module: the chosen theme must not flash in late.
// The theme is the one thing that this site stores in the browser.
(() => {
  const root = document.documentElement;

  /** @returns {string} */
  function chosen() {
    try {
      return localStorage.getItem("theme") ?? "auto";
    } catch {
      return "auto"; // storage may be turned off
    }
  }

  /** @param {string} theme */
  function apply(theme) {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
  }

  /** @param {string} theme */
  function keep(theme) {
    try {
      if (theme === "auto") localStorage.removeItem("theme");
      else localStorage.setItem("theme", theme);
    } catch {
      // It then lasts as long as the page does.
    }
  }

  function showChoice() {
    for (const input of document.querySelectorAll("[data-theme-choice] input")) {
      if (input instanceof HTMLInputElement) input.checked = input.value === chosen();
    }
  }

  apply(chosen());

  document.addEventListener("DOMContentLoaded", () => {
    showChoice();
    document.addEventListener("change", (event) => {
      const input = event.target;
      if (!(input instanceof HTMLInputElement) || !input.closest("[data-theme-choice]")) return;
      apply(input.value);
      keep(input.value);
    });
  });

  // Another tab chose, or the page came back from the back/forward cache.
  for (const event of ["storage", "pageshow"]) {
    addEventListener(event, () => {
      apply(chosen());
      showChoice();
    });
  }
})();
