import "./connection.js";
import { Problem, SignedOut } from "./api.js";
import { fill, find, show } from "./elements.js";
import { isLive, planName, standing, subscription } from "./subscription.js";

// Coming back proves nothing: anybody can open this address. What counts is what the provider has
// told the server meanwhile, so this page asks the server until it knows.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
/** When to say that it takes long, and when to leave asking to the reader: milliseconds. */
const LONG = 20_000;
const TOO_LONG = 600_000;

const page = find(document, "main", HTMLElement);
let timer = 0;
/** Counts the times that asking began: an answer to an earlier one comes too late. */
let round = 0;

if (new URLSearchParams(location.search).get("checkout") === "cancelled") {
  show(page, "cancelled");
} else {
  begin();
}

for (const button of page.querySelectorAll("[data-check]")) {
  button.addEventListener("click", () => {
    show(page, "confirming");
    // The button that was pressed is gone: reading goes on here.
    page.focus({ preventScroll: true });
    begin();
  });
}

function begin() {
  round += 1;
  clearTimeout(timer);
  void poll(Date.now(), FIRST_PAUSE);
}

/** @param {number} since @param {number} pause milliseconds until the next time */
async function poll(since, pause) {
  const isOver = await look(Date.now() - since);
  if (isOver || Date.now() - since > TOO_LONG) return;
  timer = window.setTimeout(() => void poll(since, Math.min(pause * 1.5, LONGEST_PAUSE)), pause);
}

/** @param {number} waited milliseconds @returns {Promise<boolean>} whether there is nothing to wait for */
async function look(waited) {
  const own = round;
  try {
    const mine = await subscription();
    if (own !== round) return true;
    const { line } = standing(mine);
    const isOpen = mine.status === "active" || mine.status === "trialing";
    if (isLive(mine) && mine.status !== "incomplete") {
      fill(page, { plan: planName(mine), line });
      become(isOpen ? "active" : "attention");
      return true;
    }
    become(waited > LONG ? "delayed" : "confirming");
    return false;
  } catch (error) {
    if (own !== round || error instanceof SignedOut) return true;
    // A failure in between is no news: only what lasts is told.
    if (waited <= LONG && error instanceof Problem && (error.status === 0 || error.status >= 500)) return false;
    tell(error);
    return true;
  }
}

/** @param {"confirming" | "active" | "attention" | "delayed"} state */
function become(state) {
  if (page.dataset.now === state) return; // said already
  page.dataset.now = state;
  show(page, state);
}

/** @param {unknown} error */
function tell(error) {
  if (!(error instanceof Problem)) console.error(error);
  const requestId = error instanceof Problem ? error.requestId : undefined;
  fill(page, { problem: error instanceof Problem ? error.message : "Something went wrong on this page." });
  const request = find(page, "[data-request]", HTMLElement);
  request.hidden = !requestId;
  find(request, "code", HTMLElement).textContent = requestId ?? "";
  show(page, "failed");
  delete page.dataset.now;
}
