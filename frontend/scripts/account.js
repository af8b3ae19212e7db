// What every page of a signed-in user does, and who that is.

import "./connection.js";
import { askAsUser, onElsewhere, Problem, signOut } from "./api.js";
import { find } from "./elements.js";

/**
 * @typedef {{ id: string, email: string, name: string, verified: boolean, created_at: string }} User
 * @typedef {{ id: string, name: string, role: string }} Workspace
 * @typedef {{ user: User, workspaces: Workspace[] }} Me
 */

/** @returns {Promise<Me>} */
export const me = () => askAsUser("GET", "/api/me");

const button = find(document, "[data-sign-out]", HTMLButtonElement);

button.addEventListener("click", async () => {
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  try {
    await signOut();
  } catch (error) {
    // 401: the session was over already.
    if (!(error instanceof Problem) || error.status !== 401) {
      button.textContent = "Sign out: try again";
      button.ariaBusy = "false";
      return;
    }
  }
  // Busy until the browser has left.
  location.replace("/signed-out");
});

// On a phone the navigation is wider than the screen: where one is shall be seen.
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

onElsewhere("signed-out", () => location.replace("/signed-out"));
// What this page shows may be another account's, and what it sends would be for the new one.
onElsewhere("signed-in", () => location.reload());

// Pages kept by the back button may show what is private after signing out: ask again.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
