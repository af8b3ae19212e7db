// Asking for another confirmation mail, at most once a minute.

import { keepAddress, keptAddress } from "./address.js";
import { ask } from "./api.js";
import { coolDown, startCoolDown } from "./cool-down.js";
import { find } from "./elements.js";
import { emailAddress, listen } from "./form.js";

const SECONDS = 60;
const KEY = "mail-sent-at";

/** A mail was asked for just now. */
export const mailSent = () => startCoolDown(KEY);

/**
 * @param {HTMLFormElement} form with the field `email`
 */
export function listenForResend(form) {
  const email = find(form, "[name=email]", HTMLInputElement);
  const done = find(form, "[data-done]", HTMLElement);
  const pause = coolDown(find(form, "[type=submit]", HTMLButtonElement), KEY, SECONDS);

  email.value ||= keptAddress();

  listen(form, {
    checks: { email: emailAddress },
    async submit({ email: address = "" }) {
      if (pause.isOn()) return;
      const { detail } = await ask("POST", "/api/auth/verification", { email: address.trim() });
      keepAddress(address);
      pause.start();
      done.textContent = detail;
      done.hidden = false;
    },
  });
}
