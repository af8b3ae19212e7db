// What happened to an account, in words.

import { day, timeElement } from "./dates.js";
import { find, stamp } from "./elements.js";
import { money } from "./money.js";
import { capitalised } from "./words.js";

/**
 * @typedef {{ id: string, type: string, time: string, data?: Record<string, unknown> }} ActivityEvent
 * @typedef {"ok" | "warn" | "bad" | "idle"} State
 * @typedef {[State, string]} Account
 */

/** @type {Record<string, Account>} */
const ACCOUNTS = {
  "user.signed_up": ["ok", "Signed up"],
  "user.sign_up_repeated": ["warn", "Someone signed up again with this address"],
  "user.verification_requested": ["ok", "Asked for a new confirmation link"],
  "user.verified": ["ok", "Confirmed the address"],
  "user.renamed": ["ok", "Changed the name"],
  "user.password_reset_requested": ["warn", "Asked to reset the password"],
  "user.password_changed": ["ok", "Changed the password"],
  "user.email_change_requested": ["warn", "Asked to change the address"],
  "user.email_changed": ["ok", "Changed the address"],
  "billing.notified": ["idle", "News from the payment provider"],
  "subscription.ended": ["idle", "Subscription ended"],
  "phone.verification_requested": ["ok", "Asked for a code by text"],
  "phone.added": ["ok", "Confirmed a phone number"],
  "phone.removed": ["idle", "Removed the phone number"],
  "texts.stopped": ["idle", "Stopped texts by answering STOP"],
  "texts.started": ["ok", "Started texts again by answering START"],
  "user.preferences_changed": ["ok", "Changed what to be told of"],
};

/** @type {Record<string, Account>} */
const ENDINGS = {
  signed_out: ["idle", "Signed out"],
  revoked: ["idle", "Ended a session"],
  replayed: ["bad", "Session ended: its token was used twice"],
  password_changed: ["idle", "Session ended by the new password"],
  password_reset: ["idle", "Session ended by the password reset"],
  email_changed: ["idle", "Session ended by the new address"],
};

/**
 * A row of the table of events, from the template `event-row`.
 * @param {ActivityEvent} event
 */
export function eventRow(event) {
  const row = stamp("event-row");
  const [state, words] = accountOf(event);
  find(row, "[data-time]", HTMLElement).append(timeElement(event.time));
  const what = find(row, "[data-what]", HTMLElement);
  what.dataset.state = state;
  what.textContent = words;
  const device = event.data?.["device"];
  for (const where of row.querySelectorAll("[data-where]")) {
    where.textContent = typeof device === "string" ? device : "";
  }
  const reference = find(row, "[data-reference]", HTMLElement);
  reference.textContent = shortened(event.id);
  reference.title = event.id;
  return row;
}

/** @param {ActivityEvent} event @returns {Account} */
function accountOf({ type, data = {} }) {
  return TOLD[type]?.(data) ?? ACCOUNTS[type] ?? ["idle", type];
}

/**
 * Events whose data are part of what there is to say.
 * @type {Record<string, (data: Record<string, unknown>) => Account>}
 */
const TOLD = {
  "session.started": ({ new_device }) =>
    new_device === true ? ["warn", "Signed in on a new device"] : ["ok", "Signed in"],
  "session.ended": ({ reason }) => ENDINGS[String(reason)] ?? ["idle", "A session ended"],
  "subscription.started": ({ plan, trial }) =>
    ["ok", `${planName(plan)} started${trial === true ? " with a trial" : ""}`],
  "subscription.changed": ({ plan, ends_at }) =>
    typeof ends_at === "string"
      ? ["warn", `${planName(plan)} cancelled, ends on ${day(ends_at)}`]
      : ["ok", `Subscription changed: ${planName(plan)}`],
  "subscription.trial_ending": ({ ends_at }) => ["warn", `The trial ends on ${day(String(ends_at))}`],
  "invoice.paid": ({ amount }) => ["ok", `Paid${amountOf(amount)}`],
  "invoice.payment_failed": ({ amount }) => ["bad", `Payment${amountOf(amount, "of ")} failed`],
};

/** @param {unknown} plan */
function planName(plan) {
  return capitalised(String(plan));
}

/** @param {unknown} amount @param {string} [before] */
function amountOf(amount, before = "") {
  const { minor_units, currency } = /** @type {{ minor_units?: unknown, currency?: unknown }} */ (amount ?? {});
  if (typeof minor_units !== "number" || typeof currency !== "string") return "";
  return ` ${before}${money(minor_units, currency)}`;
}

/**
 * The end of an id tells neighbours apart: its beginning is the time.
 * @param {string} id
 */
function shortened(id) {
  const [prefix, rest] = id.split("_");
  return rest && rest.length > 12 ? `${prefix}_…${rest.slice(-8)}` : id;
}
