// How a workspace's subscription stands, in words, and what there is to do about it.

import { askAsUser } from "./api.js";
import { day } from "./dates.js";
import { capitalised } from "./words.js";

/**
 * @typedef {"none" | "trialing" | "active" | "past_due" | "paused" | "unpaid" | "incomplete" | "canceled"} Status
 * @typedef {import("./plans.js").Price} Price
 * @typedef {import("./plans.js").Entitlements} Entitlements
 * @typedef {{
 *   plan: string, status: Status, price: Price | null, seats: number,
 *   current_period_end: string | null, trial_end: string | null, cancel_at: string | null,
 *   ended_at: string | null, grace_until: string | null,
 *   entitlements: Entitlements, usage: { seats: number },
 * }} Subscription
 *
 * @typedef {{ how: "bad" | "warn", text: string }} Note
 * @typedef {{
 *   state: import("./events.js").State, word: string, line: string, note?: Note, todo?: string,
 * }} Standing `line` says what comes next, `note` what to know of it, `todo` is the label of the button
 */

/** @returns {Promise<Subscription>} */
export const subscription = () => askAsUser("GET", "/api/billing/subscription");

/**
 * Whether there is a subscription to change; else there is one to begin.
 * @param {Subscription} subscription
 */
export function isLive({ status }) {
  return status !== "none" && status !== "canceled";
}

/**
 * The plan that is paid for, by name.
 * @param {Subscription} subscription
 */
export function planName(subscription) {
  return capitalised(isLive(subscription) ? subscription.plan : "free");
}

/** @param {Subscription} subscription @returns {Standing} */
export function standing(subscription) {
  const { status, current_period_end, trial_end, cancel_at, ended_at, grace_until } = subscription;
  const plan = planName(subscription);
  switch (status) {
    case "none":
      return { state: "idle", word: "No subscription", line: "What everybody has. Nothing is charged." };
    case "trialing":
      return cancel_at
        ? cancelled(plan, "Trial, cancelled", `Ends${on(cancel_at)}, and nothing is charged.`)
        : { state: "ok", word: "Trial", line: `The trial ends${on(trial_end)}; then the first payment is due.` };
    case "active":
      return cancel_at
        ? cancelled(plan, "Cancelled", `Ends${on(cancel_at)}, and is not renewed.`)
        : { state: "ok", word: "Active", line: `Renews${on(current_period_end)}.` };
    case "past_due":
      return {
        state: "bad",
        word: "Past due",
        line: "The last payment failed.",
        note: { how: "bad", text: dunning(plan, grace_until) },
        todo: "Update the card",
      };
    case "unpaid":
      return {
        state: "bad",
        word: "Unpaid",
        line: "Every try to charge the card failed.",
        note: { how: "bad", text: `${ONLY_FREE} Update the card and pay the open invoice, and ${plan} is back.` },
        todo: "Pay the invoice",
      };
    case "paused":
      return {
        state: "warn",
        word: "Paused",
        line: "Nothing is charged, and nothing is given.",
        note: { how: "warn", text: `${ONLY_FREE} Add a card, and ${plan} goes on.` },
        todo: "Add a card",
      };
    case "incomplete":
      return {
        state: "warn",
        word: "Not paid yet",
        line: "The first payment is not complete.",
        note: {
          how: "warn",
          text: "Your bank may have asked you to confirm it. Finish it on the payment provider’s page.",
        },
        todo: "Finish the payment",
      };
    case "canceled":
      return {
        state: "idle",
        word: "Ended",
        line: `Ended${on(ended_at)}. Everything is kept; a plan opens it again.`,
      };
  }
}

const ONLY_FREE = "The workspace has what Free opens.";

/** @param {string} plan @param {string} word @param {string} line @returns {Standing} */
function cancelled(plan, word, line) {
  const text = `Until then you keep all that ${plan} opens. You can resume it at any time.`;
  return { state: "warn", word, line, note: { how: "warn", text }, todo: "Resume or change" };
}

/** @param {string} plan @param {string | null} until */
function dunning(plan, until) {
  if (until !== null && new Date(until) <= new Date()) {
    return `${ONLY_FREE} Update the card and pay the open invoice, and ${plan} is back.`;
  }
  return `Update the card${until ? ` by ${day(until)}` : ""}, and nothing changes. After that, the workspace has what Free opens.`;
}

/** @param {string | null} time */
function on(time) {
  return time ? ` on ${day(time)}` : "";
}
