// Forms: checked here for speed and by the server for truth. What either finds stands beside its
// field; what belongs to no field stands above the form.

import { find } from "./elements.js";
import { Problem, SignedOut } from "./api.js";

/** @typedef {Record<string, string>} Values */
/** @typedef {(value: string, values: Values) => string | null} Check says what is wrong, or null */

/** What `submit` answers if the browser is on its way to another page: the form then stays busy. */
export const LEAVING = "leaving";

/**
 * @param {HTMLFormElement} form
 * @param {{
 *   checks: Record<string, Check>,
 *   submit: (values: Values) => Promise<void | typeof LEAVING>,
 *   refused?: (problem: Problem) => boolean,
 * }} behaviour `refused` may deal with a problem itself, and then says true
 */
export function listen(form, { checks, submit, refused }) {
  const button = find(form, "[type=submit]", HTMLButtonElement);
  const touched = new Set();
  let busy = false;

  /** @param {boolean} now */
  function setBusy(now) {
    busy = now;
    form.ariaBusy = String(now);
    button.ariaBusy = String(now);
  }

  /** @param {string} name */
  function check(name) {
    const values = valuesOf(form);
    showError(form, name, checks[name]?.(values[name] ?? "", values) ?? null);
  }

  // The browser's own bubbles would come before ours.
  form.noValidate = true;
  button.disabled = false;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    hideAlert(form);
    for (const name of Object.keys(checks)) {
      touched.add(name);
      check(name);
    }
    if (focusFirstError(form)) return;

    setBusy(true);
    try {
      if ((await submit(valuesOf(form))) === LEAVING) return;
    } catch (error) {
      if (error instanceof SignedOut) return; // on its way to the sign-in page
      const problem = error instanceof Problem ? error : unexpected(error);
      if (!refused?.(problem)) showProblem(form, problem);
    }
    setBusy(false);
  });

  // A field is told off when it is left, and forgiven while it is mended.
  form.addEventListener("focusout", ({ target, relatedTarget }) => {
    if (!(target instanceof HTMLInputElement) || target.value === "") return;
    // An error that appears would move the button away from under the pointer.
    if (relatedTarget === button || relatedTarget === null) return;
    touched.add(target.name);
    check(target.name);
  });
  form.addEventListener("input", ({ target }) => {
    if (target instanceof HTMLInputElement && touched.has(target.name)) check(target.name);
  });

  // Back from the back/forward cache: nothing is under way any more.
  addEventListener("pageshow", (event) => {
    if (event.persisted) setBusy(false);
  });

  for (const reveal of form.querySelectorAll("[data-reveal]")) {
    if (reveal instanceof HTMLButtonElement) letReveal(form, reveal);
  }
}

/**
 * @param {string} otherwise what to say when the field is empty
 * @returns {Check}
 */
export function required(otherwise) {
  return (value) => (value.trim() === "" ? otherwise : null);
}

/** @type {Check} */
export function emailAddress(value) {
  return /^[^\s@]+@[^\s@.]+(\.[^\s@.]+)+$/.test(value.trim())
    ? null
    : "Enter an email address, like name@example.com.";
}

/**
 * Shows what went wrong: beside the fields that it names, else above the form.
 * @param {HTMLFormElement} form
 * @param {Problem} problem
 */
export function showProblem(form, problem) {
  const [own, other] = [
    problem.fields.filter(({ field }) => inputOf(form, field)),
    problem.fields.filter(({ field }) => !inputOf(form, field)),
  ];
  for (const { field, message } of own) showError(form, field, message);
  if (own.length === 0 || other.length > 0) {
    const text = other.length > 0 ? other.map(({ message }) => message).join(" ") : problem.message;
    showAlert(form, text, problem.requestId);
  }
  if (!focusFirstError(form)) find(form, "[data-alert]", HTMLElement).focus();
}

/** @param {HTMLFormElement} form @returns {Values} */
function valuesOf(form) {
  /** @type {Values} */
  const values = {};
  for (const [name, value] of new FormData(form)) if (typeof value === "string") values[name] = value;
  return values;
}

/** @param {HTMLFormElement} form @param {string} name */
function inputOf(form, name) {
  const input = form.elements.namedItem(name);
  return input instanceof HTMLInputElement ? input : null;
}

/**
 * @param {HTMLFormElement} form
 * @param {string} name
 * @param {string | null} message
 */
function showError(form, name, message) {
  const input = inputOf(form, name);
  const place = input && form.querySelector(`#${CSS.escape(input.id)}-error`);
  if (!input || !(place instanceof HTMLElement)) return;
  input.ariaInvalid = message ? "true" : null;
  place.hidden = !message;
  if (place.textContent !== (message ?? "")) place.textContent = message ?? "";
}

/** @param {HTMLFormElement} form @returns {boolean} whether there was one */
function focusFirstError(form) {
  const input = form.querySelector("[aria-invalid=true]");
  if (!(input instanceof HTMLElement)) return false;
  input.focus();
  return true;
}

/** @param {HTMLFormElement} form @param {string} text @param {string} [requestId] */
function showAlert(form, text, requestId) {
  const alert = find(form, "[data-alert]", HTMLElement);
  const request = find(alert, "[data-request]", HTMLElement);
  request.hidden = !requestId;
  find(request, "code", HTMLElement).textContent = requestId ?? "";
  alert.hidden = false;
  find(alert, "[data-text]", HTMLElement).textContent = text;
}

/** @param {HTMLFormElement} form */
function hideAlert(form) {
  find(form, "[data-alert]", HTMLElement).hidden = true;
}

/** @param {HTMLFormElement} form @param {HTMLButtonElement} button */
function letReveal(form, button) {
  const input = find(form, `#${button.dataset.reveal ?? ""}`, HTMLInputElement);
  const what = button.ariaLabel?.replace("Show ", "") ?? "";
  /** @param {boolean} revealed */
  const set = (revealed) => {
    input.type = revealed ? "text" : "password";
    button.textContent = revealed ? "Hide" : "Show";
    // Its name begins with what is to be read, so that whoever says that presses it.
    button.ariaLabel = `${button.textContent} ${what}`;
  };
  button.addEventListener("click", () => set(input.type === "password"));
  // Sent as what it is, so that password managers know it, and not left on the screen.
  form.addEventListener("submit", () => set(false));
}

/** @param {unknown} error */
function unexpected(error) {
  console.error(error);
  return new Problem("Something went wrong on this page. Reload it and try again.");
}
