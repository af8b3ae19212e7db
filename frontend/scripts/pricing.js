import "./connection.js";
import { ask } from "./api.js";
import { showPlans } from "./plans.js";
import { buttonToProvider } from "./provider.js";
import { view } from "./view.js";

/**
 * @typedef {import("./plans.js").Plan} Plan
 * @typedef {import("./plans.js").Price} Price
 */

view("plans", () => ask("GET", "/api/billing/plans"), (/** @type {{ plans: Plan[] }} */ { plans }, element) =>
  showPlans(element, plans, interval(), choose, keepInterval),
);

/** @param {Plan} plan @param {Price | undefined} price */
function choose({ name, prices }, price) {
  if (prices.length === 0) return signUp();
  return price ? buttonToProvider(`Choose ${name}`, "checkout", { price: price.id }) : null;
}

function signUp() {
  const link = document.createElement("a");
  link.className = "button";
  link.href = "/sign-up";
  link.textContent = "Sign up";
  return link;
}

// In the address, so that whoever must sign in first comes back to what was looked at.
function interval() {
  return new URLSearchParams(location.search).get("interval") === "year" ? "year" : "month";
}

/** @param {import("./plans.js").Interval} interval */
function keepInterval(interval) {
  history.replaceState(null, "", interval === "year" ? "/pricing?interval=year" : "/pricing");
}
