// What the user wants to be told of, and how.

import { askAsUser } from "./api.js";
import { find } from "./elements.js";
import { listen } from "./form.js";
import { view } from "./view.js";

/** @typedef {Record<string, Record<string, boolean>>} Preferences by kind, then by channel */

const form = find(document, "#choices", HTMLFormElement);
const done = find(form, "[data-done]", HTMLElement);

view("preferences", () => askAsUser("GET", "/api/me/preferences"), fillIn);

listen(form, {
  checks: {},
  async submit() {
    done.hidden = true;
    fillIn(await askAsUser("PUT", "/api/me/preferences", chosen()));
    done.textContent = "Choices saved.";
    done.hidden = false;
  },
});

form.addEventListener("change", () => {
  done.hidden = true;
});

/** @param {Preferences} preferences */
function fillIn(preferences) {
  for (const [box, kind, channel] of boxes()) {
    box.checked = preferences[kind]?.[channel] ?? false;
    box.disabled = "fixed" in box.dataset;
  }
}

/** @returns {Preferences} */
function chosen() {
  /** @type {Preferences} */
  const preferences = {};
  for (const [box, kind, channel] of boxes()) (preferences[kind] ??= {})[channel] = box.checked;
  return preferences;
}

/** The boxes, named by kind and channel. @returns {[HTMLInputElement, string, string][]} */
function boxes() {
  return [...form.querySelectorAll("input")].map((box) => {
    const [kind = "", channel = ""] = box.name.split("-");
    return [box, kind, channel];
  });
}
