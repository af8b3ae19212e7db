// What the user wants to be told of, and how.

import { askAsUser } from "./api.js";
import { find } from "./elements.js";
import { listen } from "./form.js";
import { view } from "./view.js";

/** @typedef {Record<string, Record<string, boolean>>} Preferences by kind, then by channel */

const form = find(document, "#choices", HTMLFormElement);
const done = find(form, "[data-done]", HTMLElement);

/** What the server said last. @type {Preferences} */
let known = {};

view("preferences", load, (preferences) => {
  known = preferences;
  for (const [box, kind, channel] of boxes()) {
    box.checked = isOn(preferences, kind, channel);
    box.disabled = "fixed" in box.dataset;
  }
  // Not before: what is not known yet cannot be saved.
  listen(form, { checks: {}, submit });
});

form.addEventListener("change", () => {
  done.hidden = true;
});

async function submit() {
  done.hidden = true;
  const wanted = chosen();
  // Another tab may have saved since this one loaded: its choices stay, but for those made here.
  const preferences = await load();
  for (const [, kind, channel] of boxes()) {
    const is = isOn(wanted, kind, channel);
    if (is !== isOn(known, kind, channel)) (preferences[kind] ??= {})[channel] = is;
  }
  known = await askAsUser("PUT", "/api/me/preferences", preferences);
  let isAll = true;
  for (const [box, kind, channel] of boxes()) {
    // What was changed while this was under way is still to be saved.
    if (box.checked === isOn(wanted, kind, channel)) box.checked = isOn(known, kind, channel);
    else isAll = false;
  }
  done.textContent = isAll ? "Choices saved." : "Saved, but for what you changed meanwhile.";
  done.hidden = false;
}

/** @returns {Promise<Preferences>} */
function load() {
  return askAsUser("GET", "/api/me/preferences");
}

/** What the boxes say. @returns {Preferences} */
function chosen() {
  /** @type {Preferences} */
  const preferences = {};
  for (const [box, kind, channel] of boxes()) (preferences[kind] ??= {})[channel] = box.checked;
  return preferences;
}

/** @param {Preferences} preferences @param {string} kind @param {string} channel */
function isOn(preferences, kind, channel) {
  return preferences[kind]?.[channel] ?? false;
}

/** The boxes, named by kind and channel. @returns {[HTMLInputElement, string, string][]} */
function boxes() {
  return [...form.querySelectorAll("input")].map((box) => {
    const [kind = "", channel = ""] = box.name.split("-");
    return [box, kind, channel];
  });
}
