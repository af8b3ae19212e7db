// A view whose rows come page by page, with a button for the next.

import { Problem, SignedOut } from "./api.js";
import { find } from "./elements.js";
import { view } from "./view.js";

/**
 * @template Row
 * @typedef {{ rows: Row[], next: string | null }} Page
 */

/**
 * The page has, for this view, elements marked `data-rows`, `data-more` (a button) and `data-said`.
 * @template Row
 * @param {string} name of the element marked `data-view`
 * @param {(cursor: string | null) => Promise<Page<Row>>} load the first page, or the one after
 * @param {(row: Row) => HTMLElement} rowOf
 * @returns {() => Promise<void>} shows the first page anew
 */
export function pagedView(name, load, rowOf) {
  const rows = find(document, `[data-view="${name}"] [data-rows]`, HTMLElement);
  const more = find(document, "[data-more]", HTMLButtonElement);
  const said = find(document, "[data-said]", HTMLElement);
  /** @type {string | null} */
  let cursor = null;

  const reload = view(name, () => load(null), (first) => {
    rows.replaceChildren();
    append(first);
    return first.rows.length === 0 ? "empty" : "shown";
  });

  more.addEventListener("click", async () => {
    if (more.ariaBusy === "true" || cursor === null) return;
    more.ariaBusy = "true";
    try {
      const page = await load(cursor);
      append(page);
      said.textContent = `${page.rows.length} more shown${page.next ? "." : ", back to the first."}`;
    } catch (error) {
      if (!(error instanceof SignedOut)) {
        said.textContent = error instanceof Problem ? error.message : "Something went wrong on this page.";
      }
    } finally {
      more.ariaBusy = "false";
    }
  });

  /** @param {Page<Row>} page */
  function append(page) {
    const added = page.rows.map(rowOf);
    rows.append(...added);
    cursor = page.next;
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

  return reload;
}
