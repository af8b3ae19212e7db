/**
 * The platform's event stream, one a page that is seen, and the page's "Live" mark.
 *
 * `EventSource` reconnects by itself after a lost connection, but gives up for good on an HTTP
 * error, which a restarting platform may answer; so this tries again in that case too. Whatever
 * happened in between was missed, hence `resync`.
 *
 * @import { DeadLetter, Email, Flow, FunctionReport, Step, Text } from "./platform.js"
 *
 * @typedef {object} Handlers
 * @property {() => void} resync the connection is back: load everything again
 * @property {(flow: Flow) => void} [flow]
 * @property {(change: { trace: string, step: Step }) => void} [step]
 * @property {(email: Email) => void} [email]
 * @property {(text: Text) => void} [text]
 * @property {() => void} [payment]
 * @property {(report: FunctionReport) => void} [function]
 * @property {(letter: DeadLetter) => void} [dead_letter]
 */

const RETRY_MS = 1_000;
const NAMES = /** @type {const} */ (["flow", "step", "email", "text", "payment", "function", "dead_letter"]);

/** @param {Handlers} handlers */
export function follow(handlers) {
  /** @type {EventSource | null} */
  let source = null;
  /** Whether something may have happened that nobody was told of. */
  let missed = false;

  const connect = () => {
    if (source !== null) return;
    if (document.hidden) {
      missed = true;
      return;
    }
    const feed = new EventSource("/_local/events");
    source = feed;
    feed.addEventListener("open", () => {
      show("live");
      if (missed) handlers.resync();
      missed = true;
    });
    feed.addEventListener("error", () => {
      show("reconnecting");
      if (feed.readyState !== EventSource.CLOSED) return;
      source = null;
      setTimeout(connect, RETRY_MS);
    });
    for (const name of NAMES) {
      const handle = /** @type {((data: any) => void) | undefined} */ (handlers[name]);
      if (handle) {
        feed.addEventListener(name, (event) => handle(JSON.parse(event.data)));
      }
    }
  };
  const disconnect = () => {
    source?.close();
    source = null;
  };

  // A browser has six connections to an origin for all its tabs, the app's too: those that nobody sees hold none.
  document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
  // Lets go of the connection, so that the page may be kept for "back"; it comes back live.
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", (event) => {
    if (event.persisted) connect();
  });
  connect();
}

/** @param {"live" | "reconnecting"} state */
function show(state) {
  for (const mark of document.querySelectorAll("[data-live]")) {
    if (mark.getAttribute("data-live") === state) continue;
    mark.setAttribute("data-live", state);
    mark.setAttribute("data-state", state === "live" ? "ok" : "warn");
    const word = mark.querySelector("[data-live-word]");
    if (word) word.textContent = state === "live" ? "Live" : "Reconnecting";
  }
}

/**
 * At most one call of `work` in `ms`, the last one never lost.
 * @param {() => void} work
 * @param {number} ms
 */
export function paced(work, ms) {
  let waiting = false;
  let again = false;
  const run = () => {
    work();
    waiting = true;
    setTimeout(() => {
      waiting = false;
      if (again) {
        again = false;
        run();
      }
    }, ms);
  };
  return () => {
    if (waiting) again = true;
    else run();
  };
}
