// The phone number for texts: giving one, confirming it by a code, taking it away.

import { askAsUser, Problem, SignedOut } from "./api.js";
import { coolDown } from "./cool-down.js";
import { asked } from "./dialog.js";
import { fill, find, show } from "./elements.js";
import { listen, showProblem } from "./form.js";
import { view } from "./view.js";
import { listed } from "./words.js";

/**
 * @typedef {{ number: string, verified: boolean, texts: "on" | "stopped" }} Phone
 * @typedef {{ number: string, expires_at: string }} Pending
 * @typedef {{ phone: Phone | null, pending: Pending | null, countries: string[] }} Answer
 */

/** The server sends no second code before that. */
const SECONDS = 30;
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

const section = find(document, "[data-view=phone]", HTMLElement);
const numberForm = find(section, "#enter-number", HTMLFormElement);
const codeForm = find(section, "#enter-code", HTMLFormElement);
const code = find(codeForm, "#code", HTMLInputElement);
const number = find(numberForm, "#number", HTMLInputElement);
const back = find(numberForm, "[data-back]", HTMLButtonElement);
const resend = find(codeForm, "[data-resend]", HTMLButtonElement);
const removal = find(document, "#removal", HTMLDialogElement);
const pause = coolDown(resend, "code-sent-at", SECONDS);

/** What the server said last. @type {Answer} */
let current = { phone: null, pending: null, countries: [] };

const reload = view("phone", () => askAsUser("GET", "/api/sms/phone"), (/** @type {Answer} */ answer) => {
  current = answer;
  return fillIn();
});

listen(numberForm, {
  checks: {
    number: (value) =>
      /^\+[\d\s().-]{7,24}$/.test(value.trim())
        ? null
        : "Enter the number with its country code, like +49 1512 3456789.",
  },
  async submit({ number: typed = "" }) {
    say(null);
    await sendCode(typed.trim());
    numberForm.reset();
    code.focus();
  },
});

listen(codeForm, {
  checks: {
    code: (value) => (/^\d{6}$/.test(digits(value)) ? null : "Enter the six digits from the text."),
  },
  async submit({ code: typed = "" }) {
    say(null);
    await askAsUser("POST", "/api/sms/phone/confirm", { code: digits(typed) });
    codeForm.reset();
    await reload();
    say("The number is confirmed.");
  },
});

resend.addEventListener("click", async () => {
  if (pause.isOn() || resend.ariaBusy === "true" || !current.pending) return;
  resend.ariaBusy = "true";
  say(null);
  try {
    await sendCode(current.pending.number);
    code.value = "";
    say("Another code is on its way. Only the newest works.");
    code.focus();
  } catch (error) {
    report(error);
  } finally {
    resend.ariaBusy = null;
  }
});

for (const button of section.querySelectorAll("[data-other]")) {
  button.addEventListener("click", () => {
    say(null);
    back.hidden = false;
    show(section, "empty");
    number.focus();
  });
}

back.addEventListener("click", () => {
  const state = fillIn();
  show(section, state);
  find(section, state === "pending" ? "#code" : "[data-other]", HTMLElement).focus();
});

find(section, "[data-remove]", HTMLButtonElement).addEventListener("click", async ({ currentTarget }) => {
  const button = /** @type {HTMLButtonElement} */ (currentTarget);
  if (button.ariaBusy === "true" || (await asked(removal)) !== "remove") return;
  button.ariaBusy = "true";
  say(null);
  try {
    await askAsUser("DELETE", "/api/sms/phone");
    await reload();
    say("The number is removed.");
  } catch (error) {
    if (error instanceof SignedOut) return;
    say(error instanceof Problem ? error.message : "Something went wrong on this page.", "bad");
  } finally {
    button.ariaBusy = null;
  }
});

/** @param {string} to */
async function sendCode(to) {
  await askAsUser("PUT", "/api/sms/phone", { number: to });
  pause.start();
  await reload();
}

/** Shows what the server said. @returns {"shown" | "pending" | "empty"} */
function fillIn() {
  const { phone, pending, countries } = current;
  const isConfirmed = phone?.verified ?? false;
  const isStopped = phone?.texts === "stopped";
  const [state, standing] = standingOf(isConfirmed, isStopped, pending !== null);
  find(section, "[data-standing]", HTMLElement).dataset.state = state;
  fill(section, {
    standing,
    number: phone?.number ?? "",
    pending: pending?.number ?? "",
    until: pending ? TIME.format(new Date(pending.expires_at)) : "",
    countries: listed(countries.map(countryName).sort()),
  });
  fill(removal, { number: phone?.number ?? "" });
  find(section, "[data-meanwhile]", HTMLElement).hidden = !isConfirmed || isStopped;
  find(section, "[data-stopped]", HTMLElement).hidden = !isStopped;
  find(section, "[data-countries]", HTMLElement).hidden = countries.length === 0;
  find(document, "[data-no-number]", HTMLElement).hidden = isConfirmed;
  back.hidden = true;
  if (pending) return "pending";
  return isConfirmed ? "shown" : "empty";
}

/**
 * @param {boolean} isConfirmed
 * @param {boolean} isStopped
 * @param {boolean} isPending
 * @returns {[import("./events.js").State, string]}
 */
function standingOf(isConfirmed, isStopped, isPending) {
  if (isPending) return ["warn", "Waiting for the code"];
  if (!isConfirmed) return ["idle", "None"];
  return isStopped ? ["warn", "Stopped"] : ["ok", "Confirmed"];
}

/** @param {string | null} text nothing is said if null @param {"done" | "bad"} [how] */
function say(text, how = "done") {
  for (const place of section.querySelectorAll("[data-said]")) {
    if (!(place instanceof HTMLElement)) continue;
    place.className = `note ${how}`;
    place.hidden = text === null;
    place.textContent = text;
    // What was pressed may be gone: reading goes on here.
    if (text !== null && place.checkVisibility()) place.focus({ preventScroll: true });
  }
}

/** @param {unknown} error */
function report(error) {
  if (error instanceof SignedOut) return;
  if (!(error instanceof Problem)) console.error(error);
  showProblem(codeForm, error instanceof Problem ? error : new Problem("Something went wrong on this page."));
}

/** @param {string} text */
function digits(text) {
  return text.replace(/\D/g, "");
}

/** @param {string} code of ISO 3166 */
function countryName(code) {
  return new Intl.DisplayNames(["en"], { type: "region" }).of(code) ?? code;
}
