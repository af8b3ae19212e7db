import "./account.js";
import { askAsUser } from "./api.js";
import { fill, find } from "./elements.js";
import { eventRow } from "./events.js";
import { pagedView } from "./paged.js";
import { counted } from "./words.js";

/**
 * @typedef {import("./events.js").ActivityEvent} ActivityEvent
 * @typedef {{
 *   events: ActivityEvent[], next_cursor: string | null, history_days: number | null, older_hidden: boolean,
 * }} Answer
 */

const PAGE = 20;
const older = find(document, "[data-older]", HTMLElement);

pagedView("activity", page, eventRow);

/** @param {string | null} cursor */
async function page(cursor) {
  const query = new URLSearchParams({ limit: String(PAGE) });
  if (cursor !== null) query.set("cursor", cursor);
  /** @type {Answer} */
  const answer = await askAsUser("GET", `/api/me/activity?${query}`);
  if (answer.history_days !== null) fill(older, { days: counted(answer.history_days, "day") });
  older.hidden = !answer.older_hidden || answer.next_cursor !== null;
  return { rows: answer.events, next: answer.next_cursor };
}
