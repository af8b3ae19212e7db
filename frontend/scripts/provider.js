// The way to the payment provider's own pages, where cards are typed in: the API makes the address,
// the browser goes there. Nothing is bought or changed by these pages themselves.

import { askAsUser, Problem, SignedOut } from "./api.js";
import { find } from "./elements.js";

/** @typedef {"checkout" | "portal"} ProviderPage */

/**
 * A button that leads to one of the provider's pages.
 * @param {string} label
 * @param {ProviderPage} page
 * @param {Record<string, string>} body
 */
export function buttonToProvider(label, page, body) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = page === "checkout" ? "button primary" : "button";
  button.textContent = label;
  leadToProvider(button, page, body);
  return button;
}

/**
 * Makes a button lead to one of the provider's pages. However often it is pressed, and however often
 * the request must be sent, it is one intent until there is an answer.
 * @param {HTMLButtonElement} button
 * @param {ProviderPage} page
 * @param {Record<string, string>} body
 */
export function leadToProvider(button, page, body) {
  button.dataset.leads = page;
  button.addEventListener("click", async () => {
    if (leaving) return;
    setLeaving(button);
    report(null);
    try {
      leaveFor(await address(page, body));
    } catch (error) {
      setLeaving(null);
      if (error instanceof SignedOut) return;
      if (!(error instanceof Problem)) console.error(error);
      report(error instanceof Problem ? error : new Problem("Something went wrong on this page."));
    }
  });
}

/**
 * An address that may be gone to: another site's only if it is encrypted.
 * @param {string | null | undefined} address
 * @returns {string | null}
 */
export function trusted(address) {
  if (!address || !URL.canParse(address, location.origin)) return null;
  const url = new URL(address, location.origin);
  return url.protocol === "https:" || url.origin === location.origin ? url.href : null;
}

/** Whether this tab comes back from the provider's page: asked once. */
export function cameBack() {
  try {
    const was = sessionStorage.getItem(AWAY) !== null;
    sessionStorage.removeItem(AWAY);
    return was;
  } catch {
    return false; // storage may be turned off
  }
}

const AWAY = "at-provider";

/** @type {HTMLButtonElement | null} the button that was pressed; the others wait for it */
let leaving = null;

/** @param {HTMLButtonElement | null} button */
function setLeaving(button) {
  if (leaving) leaving.ariaBusy = null;
  leaving = button;
  if (leaving) leaving.ariaBusy = "true";
  for (const other of document.querySelectorAll("[data-leads]")) {
    if (other instanceof HTMLElement) other.ariaDisabled = button ? "true" : null;
  }
}

// Back from the provider's page by the back button: nothing is under way any more.
addEventListener("pageshow", (event) => {
  if (event.persisted) setLeaving(null);
});

/** Keys of intents that have no answer yet. @type {Map<string, string>} */
const keys = new Map();

/** @param {ProviderPage} page @param {Record<string, string>} body @returns {Promise<string>} */
async function address(page, body) {
  const intent = `${page} ${JSON.stringify(body)}`;
  const key = keys.get(intent) ?? crypto.randomUUID();
  keys.set(intent, key);
  try {
    const { url } = await askAsUser("POST", `/api/billing/${page}`, body, { "idempotency-key": key });
    keys.delete(intent);
    return url;
  } catch (error) {
    if (error instanceof Problem && isSettled(error)) keys.delete(intent);
    throw error;
  }
}

/**
 * Whether it is certain that the intent was refused. Else it may still be carried out, so a repeat
 * must be known as one.
 * @param {Problem} problem
 */
function isSettled({ status, type }) {
  return status >= 400 && status < 500 && ![401, 408, 429].includes(status) && type !== "idempotency-in-flight";
}

/** @param {string} url */
function leaveFor(url) {
  const address = trusted(url);
  if (!address) throw new Problem("The payment provider’s page has an address that is not safe to open.");
  try {
    sessionStorage.setItem(AWAY, "");
  } catch {
    // Then what was changed there is seen when the page is loaded again.
  }
  location.assign(address);
}

/** @param {Problem | null} problem */
function report(problem) {
  const alert = find(document, "[data-leads-alert]", HTMLElement);
  const request = find(alert, "[data-request]", HTMLElement);
  alert.hidden = problem === null;
  find(alert, "[data-text]", HTMLElement).textContent = problem?.message ?? "";
  find(alert, "[data-billing]", HTMLElement).hidden = problem?.type !== "already-subscribed";
  request.hidden = !problem?.requestId;
  find(request, "code", HTMLElement).textContent = problem?.requestId ?? "";
  // On a phone the button is far below.
  if (problem) alert.focus();
}
