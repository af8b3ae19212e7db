/**
 * The page Payments: the simulator's ledger, its clock, and what goes wrong with its webhooks.
 *
 * @import { Payments, PaymentWebhook } from "./platform.js"
 */

import { announce, fill, fromTemplate, one, reconcile, setAttribute, setText, slot, View } from "./dom.js";
import { fullTime, NONE, plural, shortId, time } from "./format.js";
import { follow, paced } from "./live.js";
import { flowPage } from "./pages.js";
import * as platform from "./platform.js";

/** @type {Record<string, string>} */
const STATES = {
  trialing: "ok", active: "ok", past_due: "bad", unpaid: "bad", canceled: "idle", incomplete: "warn",
  incomplete_expired: "idle", paused: "idle",
  paid: "ok", open: "warn", draft: "idle", void: "idle", uncollectible: "bad",
  delivered: "ok", waiting: "warn", failed: "bad", dropped: "bad",
};

/** @type {Record<string, string>} */
const REASONS = { subscription_create: "first", subscription_cycle: "renewal", subscription_update: "change" };

const view = new View("#payments", () => void load());
const outcome = one("#outcome", HTMLElement);
const switches = one("#switches", HTMLFormElement);
const toNext = one("#clock-to-next", HTMLButtonElement);

/** @type {Payments | null} */
let ledger = null;

async function load() {
  try {
    const loaded = await platform.payments();
    ledger = loaded.provider === "simulator" ? loaded : null;
    if (ledger) draw(ledger);
    else view.show("empty");
  } catch (error) {
    view.fail(error);
  }
}

/** @param {Payments} payments */
function draw(payments) {
  const { customers } = payments;
  const known = (/** @type {string} */ id) => customers.find((customer) => customer.id === id);
  const name = (/** @type {string} */ id) => known(id)?.email ?? shortId(id) + (known(id)?.deleted ? ", deleted" : "");
  drawClock(payments);
  drawSwitches(payments);

  none("subscriptions", payments.subscriptions);
  reconcile(one("#subscription-list", HTMLElement), payments.subscriptions, {
    key: ({ id }) => id,
    create: ({ customer }) => {
      const row = fromTemplate("subscription-template");
      one("[data-portal]", HTMLButtonElement, row).addEventListener("click", () => void openPortal(customer));
      return row;
    },
    update: (row, it) => {
      const customer = known(it.customer);
      const card = customer?.card;
      const until = it.ended_at ?? it.cancel_at ?? it.period_end;
      const word = it.cancel_at !== null && it.ended_at === null ? `${it.status}, ends` : it.status;
      fill(row, {
        customer: name(it.customer),
        plan: planOf(it),
        status: word.replaceAll("_", " "),
        until: day(until),
        card: card ? `${card.brand} ${card.last4}` : NONE,
      });
      setAttribute(slot(row, "until"), "title", fullTime(until));
      setAttribute(slot(row, "status"), "data-state", STATES[it.status] ?? "idle");
      link(row, "[data-flow]", it.trace && flowPage(it.trace));
      one("[data-portal]", HTMLButtonElement, row).hidden = customer?.deleted ?? false;
    },
  });

  none("invoices", payments.invoices);
  reconcile(one("#invoice-list", HTMLElement), payments.invoices, {
    key: ({ id }) => id,
    create: ({ id }) => {
      const row = fromTemplate("invoice-template");
      const refund = one("[data-refund]", HTMLButtonElement, row);
      refund.addEventListener("click", () => void act(() => platform.refundInvoice(id), "Refunded."));
      return row;
    },
    update: (row, it) => {
      const refunded = it.amount_refunded > 0 ? `, ${money(it.amount_refunded, it.currency)} back` : "";
      fill(row, {
        number: it.number ?? "draft",
        customer: name(it.customer),
        reason: REASONS[it.reason] ?? it.reason,
        amount: money(it.amount_due, it.currency),
        status: it.status + refunded,
        next: it.next_attempt_at === null ? NONE : time(it.next_attempt_at),
      });
      setAttribute(slot(row, "status"), "data-state", STATES[it.status] ?? "idle");
      one("[data-refund]", HTMLButtonElement, row).hidden = it.amount_paid === it.amount_refunded;
      link(row, "[data-open]", it.url);
      link(row, "[data-flow]", it.trace && flowPage(it.trace));
    },
  });

  none("webhooks", payments.webhooks);
  setText(one("#webhooks-count", HTMLElement), plural(payments.webhooks.length, "event"));
  reconcile(one("#webhook-list", HTMLElement), payments.webhooks, {
    key: ({ id }) => id,
    create: (it) => {
      const row = fromTemplate("webhook-template");
      one("[data-resend]", HTMLButtonElement, row).addEventListener("click", () => void resend(it));
      return row;
    },
    update: (row, it) => {
      fill(row, {
        type: it.type,
        object: shortId(it.object ?? ""),
        at: time(it.created_at),
        status: it.status,
        attempts: it.attempts.map(({ status, error }) => status ?? error ?? NONE).join(", ") || NONE,
      });
      setAttribute(slot(row, "status"), "data-state", STATES[it.status] ?? "idle");
      link(row, "[data-flow]", it.trace && flowPage(it.trace));
    },
  });
  view.show("ready");
}

/** @param {Payments} payments */
function drawClock({ now, ahead_seconds, next }) {
  const clock = one("#clock-now", HTMLTimeElement);
  clock.dateTime = now;
  setText(clock, fullTime(now));
  const days = Math.floor(ahead_seconds / 86_400);
  const hours = Math.round((ahead_seconds % 86_400) / 3_600);
  const ahead = [days && plural(days, "day"), hours && plural(hours, "hour")].filter(Boolean).join(" and ");
  setText(one("#clock-ahead", HTMLElement), ahead ? `${ahead} ahead of this machine’s` : "as this machine’s");
  setText(one("#clock-next", HTMLElement), next ? `Next: ${next.what.toLowerCase()}, ${fullTime(next.at)}` : "Nothing is due.");
  toNext.setAttribute("aria-disabled", String(next === null));
}

/** Not over what is being changed. @param {Payments} payments */
function drawSwitches({ switches: set }) {
  const on = set.duplicate || set.reorder || set.drop || set.delay_ms > 0;
  const state = one("#switches-state", HTMLElement);
  setAttribute(state, "data-state", on ? "warn" : "idle");
  setText(state, on ? "On" : "Off");
  if (switches.contains(document.activeElement)) return;
  for (const name of /** @type {const} */ (["duplicate", "reorder", "drop"])) box(name).checked = set[name];
  box("delay_ms").value = String(set.delay_ms);
}

/** @param {string} name */
const box = (name) => one(`[name="${name}"]`, HTMLInputElement, switches);

/** @param {string} name @param {readonly unknown[]} rows */
function none(name, rows) {
  const sentence = one(`#${name}-none`, HTMLElement);
  sentence.hidden = rows.length > 0;
  const table = sentence.nextElementSibling;
  if (table instanceof HTMLElement) table.hidden = rows.length === 0;
}

/** @param {HTMLElement} row @param {string} selector @param {string | null} address */
function link(row, selector, address) {
  const anchor = one(selector, HTMLAnchorElement, row);
  anchor.hidden = !address;
  if (address) anchor.href = address;
}

/** Of a price that the provider knows no more only the id is left. @param {Payments["subscriptions"][number]} it */
function planOf({ price, plan, amount, currency, interval }) {
  return amount === null || currency === null ? price : `${plan}, ${money(amount, currency)} a ${interval}`;
}

/** @param {number} amount in the minor unit @param {string} currency */
function money(amount, currency) {
  const format = new Intl.NumberFormat("en", { style: "currency", currency });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  return format.format(amount / 10 ** digits);
}

/** @param {string} at */
const day = (at) => new Intl.DateTimeFormat("en", { dateStyle: "medium" }).format(new Date(at));

/** @param {() => Promise<unknown>} work @param {string} done */
async function act(work, done) {
  try {
    await work();
    say(done, false);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error), true);
  }
  await load();
}

/** @param {PaymentWebhook} webhook */
async function resend({ id, type }) {
  try {
    const { status, error } = await platform.resendWebhook(id);
    const arrived = status !== null && status >= 200 && status < 300;
    say(`${type} was sent again: ${status ?? error}.`, !arrived);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error), true);
  }
  await load();
}

/** @param {string} customer */
async function openPortal(customer) {
  try {
    location.assign((await platform.openPortal(customer)).url);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error), true);
  }
}

/** @param {string} text @param {boolean} failed */
function say(text, failed) {
  outcome.hidden = false;
  setText(outcome, text);
  setAttribute(outcome, "data-failed", failed ? "" : null);
  announce(text);
}

one("#clock-actions", HTMLElement).addEventListener("click", (event) => {
  const seconds = event.target instanceof HTMLElement ? Number(event.target.dataset["advance"]) : Number.NaN;
  if (seconds > 0) void act(() => platform.advanceClock({ advance_seconds: seconds }), "The clock has gone on.");
});
toNext.addEventListener("click", () => {
  const next = ledger?.next;
  if (next) void act(() => platform.advanceClock({ until: next.at }), `The clock has gone on: ${next.what.toLowerCase()}.`);
});
switches.addEventListener("change", () => {
  if (!switches.reportValidity()) return;
  const set = {
    duplicate: box("duplicate").checked,
    reorder: box("reorder").checked,
    drop: box("drop").checked,
    delay_ms: box("delay_ms").valueAsNumber || 0,
  };
  void act(() => platform.switchWebhooks(set), "Set for what happens from now on.");
});
switches.addEventListener("submit", (event) => event.preventDefault());

const loadSoon = paced(() => void load(), 300);
follow({ resync: loadSoon, payment: loadSoon });
void load();
