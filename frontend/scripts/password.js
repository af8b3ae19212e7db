// A password that is being chosen: what is missing, while it is typed. Only what is too short is
// refused here. The server, which knows what people choose, decides on the rest.

import { find } from "./elements.js";

const MIN_LENGTH = 15;

/** @typedef {import("./form.js").Check} Check */

/** @type {Check} */
export function newPassword(value) {
  const length = lengthOf(value);
  if (length === 0) return "Choose a password.";
  if (length < MIN_LENGTH) return `Use at least ${MIN_LENGTH} characters; this has ${length}.`;
  return null;
}

/**
 * Shows how far along the password of this form is.
 * @param {HTMLFormElement} form
 */
export function showStrength(form) {
  const place = find(form, "[data-strength]", HTMLElement);
  const input = find(form, `#${place.dataset.strength ?? ""}`, HTMLInputElement);
  const track = find(place, ".track", HTMLElement);
  const hint = find(place, ".hint", HTMLElement);
  const heard = find(place, "[role=status]", HTMLElement);
  const advice = hint.textContent ?? "";
  let pause = 0;

  input.addEventListener("input", () => {
    const length = lengthOf(input.value);
    const values = Object.fromEntries(
      [...new FormData(form)].map(([name, value]) => [name, String(value)]),
    );
    track.style.setProperty("--share", String(Math.min(1, length / MIN_LENGTH)));
    hint.textContent = length === 0 ? advice : comment(length, input.value, values);
    // Spoken once the typing pauses, not at each key.
    clearTimeout(pause);
    pause = window.setTimeout(() => (heard.textContent = hint.textContent), 900);
  });
}

/** @param {number} length @param {string} password @param {Record<string, string>} values */
function comment(length, password, values) {
  if (length < MIN_LENGTH) {
    const missing = MIN_LENGTH - length;
    return `${missing} more ${missing === 1 ? "character" : "characters"}.`;
  }
  return easilyGuessed(password, values) ?? `Long enough: ${length} characters.`;
}

/** Characters as the server counts them. @param {string} password */
function lengthOf(password) {
  return [...password.normalize("NFKC")].length;
}

/**
 * Advice only: the server may take it.
 * @param {string} password
 * @param {Record<string, string>} values
 * @returns {string | null}
 */
function easilyGuessed(password, values) {
  const plain = password.toLowerCase();
  const own = (values["email"] ?? "").toLowerCase().split("@")[0] ?? "";
  // With enough beside it, an address does no harm.
  if (own.length > 3 && lengthOf(plain.replaceAll(own, "")) < MIN_LENGTH) return "Leave your own address out of it.";
  if (new Set(plain).size < 5) return "Use more than a few different characters.";
  if (/^(.{1,6})\1+$/.test(plain)) return "Do not repeat the same part.";
  return null;
}
