import "./account.js";
import { askAsUser, Problem, SignedOut } from "./api.js";
import { find } from "./elements.js";
import { eventRow } from "./events.js";
import { view } from "./view.js";

/** @typedef {{ events: import("./events.js").ActivityEvent[], next_cursor: string | null }} Page */

const PAGE = 20;
const rows = find(document, "[data-rows]", HTMLElement);
const more = find(document, "[data-more]", HTMLButtonElement);
const said = find(document, "[data-said]", HTMLElement);
/** @type {string | null} */
let cursor = null;

view("activity", () => page(null), (first) => {
  rows.replaceChildren();
  append(first);
  return first.events.length === 0 ? "empty" : "shown";
});

more.addEventListener("click", async () => {
  if (more.ariaBusy === "true" || cursor === null) return;
  more.ariaBusy = "true";
  try {
    const next = await page(cursor);
    append(next);
    said.textContent = `${next.events.length} more shown${next.next_cursor ? "." : ", back to the first."}`;
  } catch (error) {
    if (!(error instanceof SignedOut)) {
      said.textContent = error instanceof Problem ? error.message : "Something went wrong on this page.";
    }
  } finally {
    more.ariaBusy = "false";
  }
});

/** @param {string | null} after @returns {Promise<Page>} */
function page(after) {
  const query = new URLSearchParams({ limit: String(PAGE) });
  if (after !== null) query.set("cursor", after);
  return askAsUser("GET", `/api/me/activity?${query}`);
}

/** @param {Page} page */
function append({ events, next_cursor }) {
  const added = events.map(eventRow);
  rows.append(...added);
  cursor = next_cursor;
  // The button goes away under the focus: the first of the new rows is where reading goes on.
  if (cursor === null && document.activeElement === more) {
    const first = added[0];
    if (first) {
      first.tabIndex = -1;
      first.focus({ preventScroll: true });
    }
  }
  more.hidden = cursor === null;
}
