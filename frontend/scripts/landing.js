import "./connection.js";
import { ask, Problem } from "./api.js";
import { find } from "./elements.js";

// The one figure on the page is the reader's own.
const live = find(document, "[data-live]", HTMLElement);
const button = find(document, "[data-send]", HTMLButtonElement);
const figure = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });

async function send() {
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  const started = performance.now();
  try {
    await ask("GET", "/api/health");
    live.dataset.state = "ok";
    live.textContent = `200 from the function api after ${figure.format(performance.now() - started)} ms, seen from your browser`;
  } catch (error) {
    live.dataset.state = "bad";
    live.textContent = error instanceof Problem ? error.message : "Something went wrong on this page.";
  } finally {
    button.ariaBusy = "false";
  }
}

button.disabled = false;
button.addEventListener("click", () => void send());
