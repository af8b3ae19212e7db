import { me } from "./account.js";
import { askAsUser, Problem, SignedOut } from "./api.js";
import { timeElement } from "./dates.js";
import { asked } from "./dialog.js";
import { fill, find, stamp } from "./elements.js";
import { listen, required } from "./form.js";
import { newPassword, showStrength } from "./password.js";
import { view } from "./view.js";

/** @typedef {{ id: string, device: string, created_at: string, last_seen_at: string, current: boolean }} Session */

const said = find(document, "[data-said]", HTMLElement);
const dialog = find(document, "#revoke", HTMLDialogElement);

const reloadSessions = view(
  "sessions",
  () => askAsUser("GET", "/api/auth/sessions"),
  (/** @type {{ sessions: Session[] }} */ { sessions }, element) => {
    find(element, "[data-rows]", HTMLElement).replaceChildren(...sessions.map(sessionRow));
    return sessions.length === 0 ? "empty" : "shown";
  },
);

const password = find(document, "#password", HTMLFormElement);
showStrength(password);
listen(password, {
  checks: {
    current_password: required("Enter the password that you have now."),
    new_password: newPassword,
  },
  async submit({ current_password, new_password }) {
    said.hidden = true;
    await askAsUser("PUT", "/api/auth/password", { current_password, new_password });
    password.reset();
    find(password, "[name=new_password]", HTMLInputElement).dispatchEvent(new Event("input"));
    say("Password changed. Every other session has ended.", "done");
    await reloadSessions();
  },
});

// For the password manager, which otherwise cannot tell whose password this is.
me().then(
  ({ user }) => (find(password, "[autocomplete=username]", HTMLInputElement).value = user.email),
  () => {}, // it then asks the user, and the sessions' view tells what is wrong
);

/** @param {Session} session */
function sessionRow(session) {
  const row = stamp("session-row");
  fill(row, { device: session.device });
  find(row, "[data-created]", HTMLElement).append(timeElement(session.created_at));
  find(row, "[data-seen]", HTMLElement).append(timeElement(session.last_seen_at));
  const button = find(row, "button", HTMLButtonElement);
  button.hidden = session.current;
  find(row, "[data-current]", HTMLElement).hidden = !session.current;
  button.ariaLabel = `End the session on ${session.device}`;
  button.addEventListener("click", () => void revoke(session, button));
  return row;
}

/** @param {Session} session @param {HTMLButtonElement} button */
async function revoke(session, button) {
  fill(dialog, { device: session.device });
  if ((await asked(dialog)) !== "end") return;
  button.ariaBusy = "true";
  try {
    await askAsUser("DELETE", `/api/auth/sessions/${encodeURIComponent(session.id)}`);
    say(`The session on ${session.device} has ended.`, "done");
    await reloadSessions();
  } catch (error) {
    if (error instanceof SignedOut) return;
    say(error instanceof Problem ? error.message : "Something went wrong on this page.", "bad");
  } finally {
    button.ariaBusy = "false";
  }
}

/** @param {string} text @param {"done" | "bad"} how */
function say(text, how) {
  said.className = `note ${how}`;
  said.hidden = false;
  said.textContent = text;
  // What was pressed may be gone, and this may be off the screen: reading goes on here.
  said.focus();
}
