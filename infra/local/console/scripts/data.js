/**
 * The page Data: the table's items, by the start of their partition key.
 *
 * @import { Item } from "./platform.js"
 */

import { fill, fromTemplate, one, parameter, reconcile, setParameter, setText, slot, View } from "./dom.js";
import { plural } from "./format.js";
import { showJson } from "./json.js";
import { follow } from "./live.js";
import * as platform from "./platform.js";

const PAGE = 50;
const PREVIEW = 120;

const view = new View("#table", () => void load());
const prefix = one("#prefix", HTMLInputElement);
const next = one("#next", HTMLButtonElement);
const previous = one("#previous", HTMLButtonElement);

/** What was searched for, whatever is being typed. */
let searched = parameter("prefix") ?? "";
/** Where each page that was seen starts; the last one is shown. @type {(string | null)[]} */
let pages = [null];
/** @type {string | null} */
let nextCursor = null;
let loading = new AbortController();

async function load() {
  loading.abort();
  loading = new AbortController();
  const { signal } = loading;
  try {
    const cursor = pages.at(-1) ?? null;
    const page = await platform.table({ prefix: searched, cursor, limit: PAGE }, signal);
    nextCursor = page.next_cursor;
    draw(page.items);
  } catch (error) {
    if (signal.aborted) return;
    view.show("loading");
    view.fail(error);
  }
}

/** @param {Item[]} items */
function draw(items) {
  const empty = items.length === 0 && pages.length === 1;
  view.show(empty ? "empty" : "ready");
  setText(
    one("#table-empty", HTMLElement),
    searched === ""
      ? "The table is empty. Sign up at / and a user, its events and its tokens appear here."
      : `No partition key starts with “${searched}”.`,
  );
  reconcile(one("#item-list", HTMLElement), items, {
    key: ({ pk, sk }) => JSON.stringify([pk, sk]),
    create: () => {
      const row = fromTemplate("item-template");
      const details = one("details", HTMLDetailsElement, row);
      details.addEventListener("toggle", () => details.open && showJson(slot(row, "json"), shown.get(row)));
      return row;
    },
    update: (row, item) => {
      shown.set(row, item.attributes);
      fill(row, { pk: item.pk, sk: item.sk, preview: preview(item) });
      if (one("details", HTMLDetailsElement, row).open) showJson(slot(row, "json"), item.attributes);
    },
  });
  suggest(items);
  setText(one("#table-count", HTMLElement), `Page ${pages.length} · ${plural(items.length, "item")}`);
  setEnabled(previous, pages.length > 1);
  setEnabled(next, nextCursor !== null);
}

/** Offers the kinds of partition that were seen. @param {Item[]} items */
function suggest(items) {
  for (const { pk } of items) {
    if (pk.includes("#")) seenPrefixes.add(pk.slice(0, pk.indexOf("#") + 1));
  }
  reconcile(one("#prefixes", HTMLDataListElement), [...seenPrefixes].sort(), {
    key: (start) => start,
    create: (start) => new Option(start),
    update: () => {},
  });
}

/** @type {Set<string>} */
const seenPrefixes = new Set();

/** What each row shows when it is opened. @type {WeakMap<HTMLElement, unknown>} */
const shown = new WeakMap();

/** The first attributes besides the keys, on one line. @param {Item} item */
function preview({ attributes }) {
  const parts = [];
  let length = 0;
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "pk" || name === "sk") continue;
    const part = `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`;
    parts.push(part);
    length += part.length;
    if (length > PREVIEW) break;
  }
  return parts.join("  ").slice(0, PREVIEW);
}

/**
 * Stays focusable: a button that vanishes under the keyboard would lose its place.
 * @param {HTMLButtonElement} button
 * @param {boolean} enabled
 */
function setEnabled(button, enabled) {
  button.setAttribute("aria-disabled", String(!enabled));
}

/** @param {string} value */
function search(value) {
  searched = value;
  prefix.value = value;
  setParameter("prefix", value || null, "replace");
  pages = [null];
  void load();
}

prefix.value = searched;
one("#table-filter", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  search(prefix.value.trim());
});
next.addEventListener("click", () => {
  if (nextCursor === null) return;
  pages.push(nextCursor);
  void load();
});
previous.addEventListener("click", () => {
  if (pages.length === 1) return;
  pages.pop();
  void load();
});
one("#refresh", HTMLButtonElement).addEventListener("click", () => void load());

follow({ resync: () => void load() });
void load();
