// The plans side by side, in the table of `shells/plans.html`.

import { fill, find, stamp } from "./elements.js";
import { money } from "./money.js";
import { counted } from "./words.js";

/**
 * @typedef {"month" | "year"} Interval
 * @typedef {{ id: string, amount: number, currency: string, interval: Interval, trial_days: number | null }} Price
 * @typedef {{ activity_history_days: number | null, seats: number | null }} Entitlements
 * @typedef {{ plan: string, name: string, description: string, entitlements: Entitlements, prices: Price[] }} Plan
 */

/**
 * @param {HTMLElement} element the view
 * @param {Plan[]} plans
 * @param {Interval} interval what the prices are for at first
 * @param {(plan: Plan, price: Price | undefined) => HTMLElement | null} choose how a plan is chosen
 * @param {(interval: Interval) => void} [changed]
 * @returns {"shown" | "empty"}
 */
export function showPlans(element, plans, interval, choose, changed) {
  if (plans.every(({ prices }) => prices.length === 0)) return "empty";
  const currency = plans.flatMap(({ prices }) => prices)[0]?.currency ?? "usd";

  /** @param {Interval} interval */
  function fillIn(interval) {
    fillRow("name", ({ name, description }) => cell("plan-name", { name, description }));
    fillRow("price", (plan, price) => cell("plan-price", priceTexts(plan, price, interval, currency)));
    fillRow("history", ({ entitlements }) => fact(historyText(entitlements)));
    fillRow("seats", ({ entitlements }) => fact(entitlements.seats?.toLocaleString() ?? "Unlimited"));
    fillRow("trial", (_, price) => fact(price?.trial_days ? counted(price.trial_days, "day") : "–"));
    fillRow("choose", (plan, price) => {
      const cell = stamp("plan-choose");
      cell.append(choose(plan, price) ?? "");
      return cell;
    });

    /** @param {string} row @param {(plan: Plan, price: Price | undefined) => HTMLElement} cellOf */
    function fillRow(row, cellOf) {
      const target = find(element, `[data-when=shown] [data-row=${row}]`, HTMLElement);
      const [label] = target.children;
      const cells = plans.map((plan) => cellOf(plan, plan.prices.find((price) => price.interval === interval)));
      target.replaceChildren(...(label ? [label] : []), ...cells);
    }
  }

  const intervals = new Set(plans.flatMap(({ prices }) => prices.map((price) => price.interval)));
  const [only] = intervals.size === 1 ? intervals : [];
  const choice = find(element, "[data-interval]", HTMLFieldSetElement);
  choice.classList.toggle("heard", only !== undefined);
  choice.disabled = only !== undefined;
  for (const input of choice.querySelectorAll("input")) {
    input.checked = input.value === (only ?? interval);
    input.onchange = () => {
      fillIn(/** @type {Interval} */ (input.value));
      changed?.(/** @type {Interval} */ (input.value));
    };
  }
  fillIn(only ?? interval);
  return "shown";
}

/** @param {Entitlements} entitlements */
export function historyText({ activity_history_days: days }) {
  return days === null ? "Unlimited" : counted(days, "day");
}

/** @param {Price} price */
export function priceText({ amount, currency, interval }) {
  return `${money(amount, currency, "short")} a ${interval}`;
}

/**
 * @param {Plan} plan
 * @param {Price | undefined} price
 * @param {Interval} interval
 * @param {string} currency of the other plans
 */
function priceTexts({ prices }, price, interval, currency) {
  if (prices.length === 0) return { price: money(0, currency, "short"), unit: "for good" };
  if (!price) return { price: "–", unit: `not sold by the ${interval}` };
  const figure = money(price.amount, price.currency, "short");
  if (interval === "month") return { price: figure, unit: "a month" };
  const monthly = money(Math.round(price.amount / 12), price.currency, "short");
  return { price: figure, unit: `a year, ${monthly} a month` };
}

/** @param {string} template @param {Record<string, string>} texts */
function cell(template, texts) {
  const cell = stamp(template);
  fill(cell, texts);
  return cell;
}

/** @param {string} text */
function fact(text) {
  const cell = stamp("plan-fact");
  cell.textContent = text;
  return cell;
}
