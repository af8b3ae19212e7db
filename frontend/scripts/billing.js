import "./account.js";
import { ask, askAsUser } from "./api.js";
import { timeElement } from "./dates.js";
import { fill, find, stamp } from "./elements.js";
import { money } from "./money.js";
import { pagedView } from "./paged.js";
import { historyText, priceText, showPlans } from "./plans.js";
import { buttonToProvider, cameBack, leadToProvider, trusted } from "./provider.js";
import { isLive, planName, standing, subscription } from "./subscription.js";
import { once, view } from "./view.js";
import { capitalised } from "./words.js";

/**
 * @typedef {import("./plans.js").Plan} Plan
 * @typedef {import("./plans.js").Price} Price
 * @typedef {import("./subscription.js").Subscription} Subscription
 * @typedef {{
 *   id: string, number: string | null, amount: number, currency: string, status: string,
 *   created_at: string, hosted_url: string | null, pdf_url: string | null,
 * }} Invoice
 */

const mine = subscription();

const reloads = [
  view("plan", once(mine, subscription), showPlan),
  view("usage", once(mine, subscription), showUsage),
  view("plans", once(plansFor(mine), () => plansFor(subscription())), ({ plans, mine }, element) =>
    showPlans(element, plans, mine.price?.interval ?? "month", (plan, price) => choiceOf(plan, price, mine)),
  ),
  pagedView("invoices", invoices, invoiceRow),
];

const portal = find(document, "[data-portal]", HTMLButtonElement);
leadToProvider(portal, "portal", {});

if (cameBack()) mine.then(awaitNews, () => {}); // a failure is told by the views

/**
 * What was changed on the provider's page takes a moment to get here.
 * @param {Subscription} before
 */
async function awaitNews(before) {
  for (const pause of [500, 1_000, 2_000, 4_000, 8_000]) {
    await new Promise((resume) => setTimeout(resume, pause));
    const now = await subscription().catch(() => before);
    if (JSON.stringify(now) !== JSON.stringify(before)) {
      await Promise.all(reloads.map((reload) => reload()));
      return;
    }
  }
}

/** @param {Subscription} subscription @param {HTMLElement} element */
function showPlan(subscription, element) {
  const { state, word, line, note, todo } = standing(subscription);
  const { price, status, seats } = subscription;
  const isPaid = price !== null && isLive(subscription);
  find(element, "[data-status]", HTMLElement).dataset.state = state;
  fill(element, {
    word,
    line,
    figure: planName(subscription),
    price: isPaid ? `${priceText(price)}${seats > 1 ? `, ${seats} seats` : ""}` : "",
  });
  const notice = find(element, "[data-note]", HTMLElement);
  notice.hidden = note === undefined;
  notice.className = `note ${note?.how ?? ""}`;
  notice.textContent = note?.text ?? "";
  portal.textContent = todo ?? "Manage billing";
  portal.classList.toggle("primary", note?.how === "bad");
  portal.disabled = false;
  portal.hidden = status === "none";
  find(element, "[data-start]", HTMLElement).hidden = isLive(subscription);
}

/** @param {Subscription} subscription @param {HTMLElement} element */
function showUsage({ usage, entitlements }, element) {
  const { seats } = entitlements;
  fill(element, {
    seats: seats === null ? `${usage.seats}, no limit` : `${usage.seats} of ${seats}`,
    history: historyText(entitlements),
  });
  const share = seats === null ? 0 : Math.min(1, usage.seats / Math.max(1, seats));
  find(element, "[data-seats]", HTMLElement).style.setProperty("--share", String(share));
}

/** @param {Promise<Subscription>} mine @returns {Promise<{ plans: Plan[], mine: Subscription }>} */
async function plansFor(mine) {
  const [{ plans }, subscription] = await Promise.all([ask("GET", "/api/billing/plans"), mine]);
  return { plans, mine: subscription };
}

/** @param {Plan} plan @param {Price | undefined} price @param {Subscription} mine */
function choiceOf(plan, price, mine) {
  const isFree = plan.prices.length === 0;
  // By what it is and not by its id: who pays a price that was replaced has this plan all the same.
  const isMine = isLive(mine) ? plan.plan === mine.plan && price?.interval === mine.price?.interval : isFree;
  if (isMine) return stamp("your-plan");
  if (isFree || !price) return null;
  if (!isLive(mine)) return buttonToProvider(`Choose ${plan.name}`, "checkout", { price: price.id });
  const label = plan.plan === mine.plan ? `Pay by the ${price.interval}` : `Change to ${plan.name}`;
  return buttonToProvider(label, "portal", {});
}

/** @param {string | null} cursor */
async function invoices(cursor) {
  const query = cursor === null ? "" : `?${new URLSearchParams({ cursor })}`;
  /** @type {{ invoices: Invoice[], next_cursor: string | null }} */
  const { invoices, next_cursor } = await askAsUser("GET", `/api/billing/invoices${query}`);
  return { rows: invoices, next: next_cursor };
}

/** @type {Record<string, [import("./events.js").State, string]>} */
const STATUSES = {
  paid: ["ok", "Paid"],
  open: ["warn", "Open"],
  draft: ["idle", "Draft"],
  void: ["idle", "Void"],
  uncollectible: ["bad", "Not paid"],
};

/** @param {Invoice} invoice */
function invoiceRow(invoice) {
  const row = stamp("invoice-row");
  const number = invoice.number ?? invoice.id;
  const [state, status] = STATUSES[invoice.status] ?? ["idle", capitalised(invoice.status)];
  find(row, "[data-date]", HTMLElement).append(timeElement(invoice.created_at, "date"));
  find(row, "[data-status]", HTMLElement).dataset.state = state;
  fill(row, { number, amount: money(invoice.amount, invoice.currency), status });
  const documents = find(row, ".documents", HTMLElement);
  for (const [text, address] of /** @type {const} */ ([
    [invoice.status === "open" ? "Pay" : "View", invoice.hosted_url],
    ["PDF", invoice.pdf_url],
  ])) {
    const href = trusted(address);
    if (href) documents.append(documentLink(text, href, number));
  }
  return row;
}

/** @param {string} text @param {string} href @param {string} number */
function documentLink(text, href, number) {
  const link = document.createElement("a");
  link.href = href;
  link.textContent = text;
  link.ariaLabel = `${text} invoice ${number}`;
  return link;
}
