import { me } from "./account.js";
import { askAsUser } from "./api.js";
import { timeElement } from "./dates.js";
import { fill, find } from "./elements.js";
import { eventRow } from "./events.js";
import { view } from "./view.js";

const RECENT = 6;

const mine = me();

view("account", once(mine, me), ({ user }, element) => {
  const verified = find(element, "[data-verified]", HTMLElement);
  verified.dataset.state = user.verified ? "ok" : "warn";
  fill(element, {
    name: user.name,
    email: user.email,
    verified: user.verified ? "Verified" : "Not verified",
  });
  find(element, "[data-since]", HTMLElement).replaceChildren(timeElement(user.created_at, "day"));
});

view("workspace", once(mine, me), ({ workspaces }, element) => {
  const [workspace] = workspaces;
  if (!workspace) return "empty";
  fill(element, { workspace: workspace.name, role: capitalised(workspace.role) });
  return "shown";
});

view(
  "activity",
  () => askAsUser("GET", `/api/me/activity?limit=${RECENT}`),
  (/** @type {{ events: import("./events.js").ActivityEvent[] }} */ { events }, element) => {
    find(element, "[data-rows]", HTMLElement).replaceChildren(...events.map(eventRow));
    return events.length === 0 ? "empty" : "shown";
  },
);

/**
 * The first time what is already under way, later anew.
 * @template T
 * @param {Promise<T>} first
 * @param {() => Promise<T>} again
 */
function once(first, again) {
  /** @type {Promise<T> | null} */
  let pending = first;
  return () => {
    const answer = pending ?? again();
    pending = null;
    return answer;
  };
}

/** @param {string} word */
function capitalised(word) {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
