/**
 * The page Texts: every text that the functions sent or got, and the phone at the other end, which can answer.
 *
 * @import { Text, TextAnswer } from "./platform.js"
 */

import { announce, fill, fromTemplate, one, parameter, reconcile, setAttribute, setParameter, setText, slot, View } from "./dom.js";
import { count, fullTime, plural, time } from "./format.js";
import { follow, paced } from "./live.js";
import { flowPage, textPage } from "./pages.js";
import * as platform from "./platform.js";

const PAGE = 50;
/** The most that the platform tells of at once. Older texts are still found by their number. */
const MOST_TEXTS = 1_000;

/** What a receipt means for its text. @type {Record<string, string>} */
const RECEIPT_MARKS = { DELIVERED: "ok", SUCCESSFUL: "ok", PENDING: "runs", QUEUED: "runs", SENT: "runs" };

const list = new View("#texts", () => void load());
const phone = new View("#phone", () => opened && void open(opened));
const search = one("#number", HTMLInputElement);
const more = one("#texts-more", HTMLButtonElement);
const answer = one("#reply-body", HTMLInputElement);
const outcome = one("#outcome", HTMLElement);

/** Newest first. @type {Text[]} */
let texts = [];
/** @type {string | null} */
let opened = parameter("id");
/** @type {Text | null} */
let shown = null;
let loading = new AbortController();
let limit = PAGE;

async function load() {
  try {
    texts = await platform.texts(MOST_TEXTS);
    draw();
    if (opened === null && texts[0] && isWide()) void open(texts[0].id);
    else if (opened === null) phone.show("empty");
  } catch (error) {
    list.fail(error);
    if (opened === null) phone.show("empty");
  }
}

/** On a phone the reader is below the list, so nothing is opened unasked. */
const isWide = () => matchMedia("(min-width: 52rem)").matches;

/** The search's digits, however they were written. */
const wanted = () => search.value.replace(/[^\d]/g, "");

/** @param {Text} text */
const title = (text) => (text.direction === "sent" ? `To ${text.number}` : `From ${text.number}`);

function draw() {
  const digits = wanted();
  const matching = texts.filter(({ number }) => number.includes(digits));
  list.show(texts.length === 0 ? "empty" : "ready");
  one("#texts-unmatched", HTMLElement).hidden = texts.length === 0 || matching.length > 0;
  const older = texts.length < MOST_TEXTS ? "" : "+";
  setText(one("#texts-count", HTMLElement), count(matching.length) + older);
  reconcile(one("#texts-list", HTMLElement), matching.slice(0, limit), {
    key: ({ id }) => id,
    create: ({ id, direction }) => {
      const row = fromTemplate("text-template");
      setAttribute(one(".mail-mark", HTMLElement, row), "data-direction", direction);
      const link = one("a", HTMLAnchorElement, row);
      link.href = textPage(id);
      link.addEventListener("click", (event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        setParameter("id", id, "push");
        void open(id).then(() => isWide() || phone.element.scrollIntoView());
      });
      return row;
    },
    update: (row, text) => {
      fill(row, { body: text.body, number: title(text), at: time(text.at), function: text.function ?? "" });
      setAttribute(slot(row, "at"), "title", fullTime(text.at));
      setAttribute(one("a", HTMLAnchorElement, row), "aria-current", text.id === opened ? "true" : null);
    },
  });
  more.hidden = matching.length <= limit;
}

/** @param {string} id */
async function open(id) {
  loading.abort();
  loading = new AbortController();
  const { signal } = loading;
  if (opened !== id || shown?.id !== id) outcome.hidden = true;
  opened = id;
  draw();
  try {
    show(await platform.text(id, signal));
  } catch (error) {
    if (signal.aborted) return;
    phone.show("loading");
    phone.fail(error);
  }
}

/** @param {Text} text */
function show(text) {
  shown = text;
  const sent = text.direction === "sent";
  fill(phone.element, {
    title: title(text),
    at: fullTime(text.at),
    sender: sent ? [text.function ?? "not a function", text.sender_id && `as ${text.sender_id}`].filter(Boolean).join(" ") : "the phone",
    kind: [text.type, plural(text.parts, "part")].filter(Boolean).join(", "),
    receipt: text.receipt ? `${text.receipt.status}, ${time(text.receipt.at)}` : sent ? "no receipt yet" : "received",
    body: text.body,
  });
  const mark = text.receipt ? (RECEIPT_MARKS[text.receipt.status] ?? "bad") : sent ? "idle" : "ok";
  setAttribute(slot(phone.element, "receipt"), "data-state", mark);
  const flow = one("#text-flow", HTMLAnchorElement);
  flow.hidden = text.trace === null;
  if (text.trace !== null) flow.href = flowPage(text.trace);
  one("#receipt-part", HTMLElement).hidden = !sent;
  phone.show("ready");
}

/**
 * Has the phone or its carrier do something, and says what came of it.
 * @param {(id: string) => Promise<TextAnswer>} work
 * @param {string} done
 */
async function act(work, done) {
  if (!shown) return;
  const flow = one("#outcome-flow", HTMLAnchorElement);
  try {
    const { trace } = await work(shown.id);
    flow.href = flowPage(trace);
    flow.hidden = false;
    setText(slot(outcome, "outcome"), done);
    setAttribute(outcome, "data-failed", null);
  } catch (error) {
    flow.hidden = true;
    setText(slot(outcome, "outcome"), error instanceof Error ? error.message : String(error));
    setAttribute(outcome, "data-failed", "");
  }
  outcome.hidden = false;
  announce(slot(outcome, "outcome").textContent ?? "");
}

/** @param {string} body */
const reply = (body) => act((id) => platform.replyToText(id, body), `The phone sent “${body}”.`);

/** Texts of one number, from the platform's whole store. */
const searchSoon = paced(() => void searchNumber(), 300);
async function searchNumber() {
  const digits = wanted();
  if (digits.length < 4) return;
  try {
    const known = new Set(texts.map(({ id }) => id));
    const news = (await platform.texts(MOST_TEXTS, `+${digits}`)).filter(({ id }) => !known.has(id));
    if (news.length === 0) return;
    texts = [...texts, ...news].sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
    draw();
  } catch {
    // What is loaded is searched already.
  }
}

const drawSoon = paced(draw, 100);

one("#texts-filter", HTMLFormElement).addEventListener("submit", (event) => event.preventDefault());
search.addEventListener("input", () => {
  limit = PAGE;
  draw();
  searchSoon();
});
more.addEventListener("click", () => {
  limit += PAGE;
  draw();
});
one("#reply", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  const body = answer.value;
  answer.value = "";
  void reply(body);
});
for (const button of document.querySelectorAll("[data-reply]")) {
  button.addEventListener("click", () => void reply(button.getAttribute("data-reply") ?? ""));
}
one("#receipt", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  const status = one("#receipt-status", HTMLSelectElement).value;
  void act((id) => platform.textReceipt(id, status), `The carrier said ${status}.`);
});
addEventListener("popstate", () => {
  const id = parameter("id");
  if (id) {
    void open(id);
  } else {
    loading.abort();
    opened = null;
    shown = null;
    outcome.hidden = true;
    void load();
  }
});

follow({
  resync: () => void load(),
  text(text) {
    const isNew = !texts.some(({ id }) => id === text.id);
    texts = isNew ? [text, ...texts].slice(0, MOST_TEXTS) : texts.map((known) => (known.id === text.id ? text : known));
    if (isNew) announce(text.direction === "sent" ? `New text to ${text.number}` : `A text came from ${text.number}`);
    if (opened === null && isWide()) void open(text.id);
    else drawSoon();
    if (shown?.id === text.id) show(text);
  },
});
if (opened !== null) void open(opened);
void load();
