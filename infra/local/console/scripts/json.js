/** JSON for reading: indented, its kinds of value told apart, long text cut. */

import { count } from "./format.js";

const MOST_CHARACTERS = 100_000;
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/**
 * Shows a value in a `<pre>`. Text that is itself JSON, as a queue message's body, is shown as JSON.
 * @param {Element} pre
 * @param {unknown} value
 */
export function showJson(pre, value) {
  const text = JSON.stringify(unwrap(value), null, 2) ?? "undefined";
  if (sources.get(pre) === text) return;
  sources.set(pre, text);

  const shown = text.slice(0, MOST_CHARACTERS);
  const parts = document.createDocumentFragment();
  let end = 0;
  for (const match of shown.matchAll(TOKEN)) {
    parts.append(shown.slice(end, match.index));
    const [whole, string, colon] = match;
    const token = document.createElement("span");
    token.className = colon ? "json-key" : string ? "json-string" : "json-literal";
    token.textContent = string ?? whole;
    parts.append(token, colon ?? "");
    end = match.index + whole.length;
  }
  parts.append(shown.slice(end));
  if (text.length > shown.length) parts.append(`\n… and ${count(text.length - shown.length)} more characters`);
  pre.replaceChildren(parts);
}

/** What each element shows, so that a selection in it survives a reload of the same. @type {WeakMap<Element, string>} */
const sources = new WeakMap();

/** @param {unknown} value @returns {unknown} */
function unwrap(value) {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
