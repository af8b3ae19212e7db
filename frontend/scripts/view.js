// A part of a page whose contents come from the API. It is at any time one of: loading (what the
// page came with, of the final height), shown, empty, failed (with a way to try again), signed out.

import { Problem, SignedOut } from "./api.js";
import { find, show, stamp } from "./elements.js";
import { signInAddress } from "./next.js";

/**
 * @template T
 * @param {string} name of the element marked `data-view`
 * @param {() => Promise<T>} load
 * @param {(data: T, view: HTMLElement) => string | void} fillIn says what it is then: shown, unless otherwise said
 * @returns {() => Promise<void>} loads it again
 */
export function view(name, load, fillIn) {
  const element = find(document, `[data-view="${name}"]`, HTMLElement);
  async function run() {
    element.ariaBusy = "true";
    try {
      const data = await load();
      removeReport();
      show(element, fillIn(data, element) ?? "shown");
    } catch (error) {
      report(error);
    } finally {
      element.ariaBusy = "false";
    }
  }

  /** @param {unknown} error */
  function report(error) {
    removeReport();
    const notice = error instanceof SignedOut ? signedOut() : failed(error, retry);
    notice.dataset.report = "";
    show(element, "none");
    element.append(notice);
  }

  function removeReport() {
    element.querySelector("[data-report]")?.remove();
  }

  async function retry() {
    removeReport();
    show(element, "loading");
    // The button that was pressed is gone: reading goes on here.
    element.tabIndex = -1;
    element.focus({ preventScroll: true });
    await run();
  }

  void run();
  return run;
}

/**
 * For views that share an answer: the first time what is already under way, later anew.
 * @template T
 * @param {Promise<T>} first
 * @param {() => Promise<T>} again
 */
export function once(first, again) {
  /** @type {Promise<T> | null} */
  let pending = first;
  return () => {
    const answer = pending ?? again();
    pending = null;
    return answer;
  };
}

function signedOut() {
  const notice = stamp("view-signed-out");
  find(notice, "[data-sign-in]", HTMLAnchorElement).href = signInAddress();
  return notice;
}

/** @param {unknown} error @param {() => Promise<void>} retry */
function failed(error, retry) {
  if (!(error instanceof Problem)) console.error(error);
  const notice = stamp("view-failed");
  find(notice, "[data-text]", HTMLElement).textContent =
    error instanceof Problem ? error.message : "Something went wrong on this page.";
  const request = find(notice, "[data-request]", HTMLElement);
  if (error instanceof Problem && error.requestId) {
    request.hidden = false;
    find(request, "code", HTMLElement).textContent = error.requestId;
  }
  find(notice, "[data-retry]", HTMLButtonElement).addEventListener("click", () => void retry());
  return notice;
}
