/**
 * The page's own templates, and lists that change without losing focus, selection or scroll.
 * Text is only ever set as text.
 */

/**
 * @template {Element} E
 * @param {string} selector
 * @param {new () => E} type
 * @param {ParentNode} [root]
 * @returns {E}
 */
export function one(selector, type, root = document) {
  const found = root.querySelector(selector);
  if (!(found instanceof type)) throw new Error(`The page lacks ${selector}.`);
  return found;
}

/** A copy of the first element of a `<template>`. @param {string} id */
export function fromTemplate(id) {
  const template = one(`#${id}`, HTMLTemplateElement);
  const first = template.content.firstElementChild;
  if (!(first instanceof HTMLElement)) throw new Error(`The template ${id} is empty.`);
  return /** @type {HTMLElement} */ (document.importNode(first, true));
}

/** The element of a row that shows one value. @param {ParentNode} row @param {string} name */
export const slot = (row, name) => one(`[data-slot="${name}"]`, HTMLElement, row);

/**
 * Sets texts by slot name; a null hides its element. What does not change is not touched, so that a
 * selection in it survives.
 * @param {ParentNode} row
 * @param {Record<string, string | null>} texts
 */
export function fill(row, texts) {
  for (const [name, text] of Object.entries(texts)) {
    const element = slot(row, name);
    if (element.hidden !== (text === null)) element.hidden = text === null;
    setText(element, text ?? "");
  }
}

/** @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {Element} element @param {string} name @param {string | null} value null removes it */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** @type {WeakMap<Element, Map<string, HTMLElement>>} */
const rowsOf = new WeakMap();

/**
 * Makes the children of `list` those of `items`, by key. An element whose item stays is updated in
 * place and moved only if it must be.
 * @template T
 * @param {Element} list
 * @param {readonly T[]} items
 * @param {{ key: (item: T) => string, create: (item: T) => HTMLElement, update: (row: HTMLElement, item: T) => void }} how
 */
export function reconcile(list, items, { key, create, update }) {
  const before = rowsOf.get(list) ?? new Map();
  /** @type {Map<string, HTMLElement>} */
  const after = new Map();
  for (const item of items) {
    const name = key(item);
    if (after.has(name)) continue;
    const row = before.get(name) ?? create(item);
    update(row, item);
    after.set(name, row);
  }
  for (const [name, row] of before) {
    if (!after.has(name)) row.remove();
  }
  let next = list.firstElementChild;
  for (const row of after.values()) {
    if (row === next) next = next.nextElementSibling;
    else list.insertBefore(row, next);
  }
  rowsOf.set(list, after);
}

/** @typedef {"loading" | "empty" | "error" | "ready"} ViewState */

/**
 * A part of the page with its four states: `data-view` holds the state, `[data-when]` children are
 * shown in theirs, and "Try again" loads again.
 */
export class View {
  /** @param {string} selector @param {() => void} load */
  constructor(selector, load) {
    this.element = one(selector, HTMLElement);
    const retry = this.element.querySelector("[data-retry]");
    retry?.addEventListener("click", () => {
      this.show("loading");
      load();
    });
  }

  /** @param {ViewState} state */
  show(state) {
    setAttribute(this.element, "data-view", state);
    setAttribute(this.element, "aria-busy", state === "loading" ? "true" : null);
  }

  /** What is already shown stays when a later load fails. @param {unknown} error */
  fail(error) {
    if (this.element.getAttribute("data-view") === "ready") return;
    const sentence = this.element.querySelector("[data-error]");
    if (sentence) setText(sentence, error instanceof Error ? error.message : String(error));
    this.show("error");
  }
}

/** Says something once, politely. @param {string} text */
export function announce(text) {
  setText(one("#announcement", HTMLElement), text);
}

/** The query parameter of that name. @param {string} name */
export const parameter = (name) => new URL(location.href).searchParams.get(name);

/**
 * Puts a query parameter into the address.
 * @param {string} name
 * @param {string | null} value
 * @param {"push" | "replace"} how
 */
export function setParameter(name, value, how) {
  const address = new URL(location.href);
  if (value === null) address.searchParams.delete(name);
  else address.searchParams.set(name, value);
  if (address.href === location.href) return;
  if (how === "push") history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}
