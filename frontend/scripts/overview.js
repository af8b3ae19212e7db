import { me } from "./account.js";
import { askAsUser } from "./api.js";
import { timeElement } from "./dates.js";
import { fill, find } from "./elements.js";
import { eventRow } from "./events.js";
import { planName, standing, subscription } from "./subscription.js";
import { once, view } from "./view.js";
import { capitalised } from "./words.js";

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

view("plan", subscription, (mine, element) => {
  const { state, word, line } = standing(mine);
  find(element, "[data-status]", HTMLElement).dataset.state = state;
  fill(element, { word, line, plan: planName(mine) });
});

view(
  "activity",
  () => askAsUser("GET", `/api/me/activity?limit=${RECENT}`),
  (/** @type {{ events: import("./events.js").ActivityEvent[] }} */ { events }, element) => {
    find(element, "[data-rows]", HTMLElement).replaceChildren(...events.map(eventRow));
    return events.length === 0 ? "empty" : "shown";
  },
);
