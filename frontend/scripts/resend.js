// Asking for another confirmation mail, at most once a minute. The server has limits of its own:
// this one saves the reader from asking in vain.

import { keepAddress, keptAddress } from "./address.js";
import { ask } from "./api.js";
import { find } from "./elements.js";
import { emailAddress, listen } from "./form.js";

const SECONDS = 60;
const KEY = "mail-sent-at";

/** A mail was asked for just now. */
export function startCoolDown() {
  try {
    sessionStorage.setItem(KEY, String(Date.now()));
  } catch {
    // Storage may be turned off: the server's limits hold.
  }
}

/**
 * @param {HTMLFormElement} form with the field `email`
 */
export function listenForResend(form) {
  const email = find(form, "[name=email]", HTMLInputElement);
  const button = find(form, "[type=submit]", HTMLButtonElement);
  const done = find(form, "[data-done]", HTMLElement);
  const label = button.textContent;
  let timer = 0;

  email.value ||= keptAddress();

  function showCoolDown() {
    const left = secondsLeft();
    button.ariaDisabled = left > 0 ? "true" : null;
    button.textContent = left > 0 ? `Send again in ${left} s` : label;
    clearTimeout(timer);
    if (left > 0) timer = window.setTimeout(showCoolDown, 1000);
  }

  listen(form, {
    checks: { email: emailAddress },
    async submit({ email: address = "" }) {
      if (secondsLeft() > 0) return;
      const { detail } = await ask("POST", "/api/auth/verification", { email: address.trim() });
      keepAddress(address);
      startCoolDown();
      showCoolDown();
      done.textContent = detail;
      done.hidden = false;
    },
  });
  showCoolDown();
}

function secondsLeft() {
  try {
    const sentAt = Number(sessionStorage.getItem(KEY));
    const left = Math.ceil(SECONDS - (Date.now() - sentAt) / 1000);
    return left > 0 && left <= SECONDS ? left : 0; // the clock may have been set back
  } catch {
    return 0;
  }
}
