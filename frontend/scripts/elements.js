// Finding elements that a page is known to have.

/**
 * The first element that matches.
 * @template {Element} T
 * @param {ParentNode} within
 * @param {string} selector
 * @param {new () => T} kind
 * @returns {T}
 */
export function find(within, selector, kind) {
  const found = within.querySelector(selector);
  if (!(found instanceof kind)) throw new TypeError(`The page has no ${kind.name} at ${selector}`);
  return found;
}

/**
 * A copy of what the template holds.
 * @param {string} id
 * @returns {HTMLElement} its first element
 */
export function stamp(id) {
  const copy = find(document, `template#${id}`, HTMLTemplateElement).content.cloneNode(true);
  return find(/** @type {DocumentFragment} */ (copy), "*", HTMLElement);
}

/**
 * Writes texts into the parts marked `data-text="name"`.
 * @param {ParentNode} within
 * @param {Record<string, string>} texts
 */
export function fill(within, texts) {
  for (const [name, text] of Object.entries(texts)) {
    for (const part of within.querySelectorAll(`[data-text="${name}"]`)) part.textContent = text;
  }
}

/**
 * Shows the parts whose `data-when` names this state, and hides those that name others.
 * @param {ParentNode} within
 * @param {string} state
 */
export function show(within, state) {
  for (const part of within.querySelectorAll("[data-when]")) {
    if (part instanceof HTMLElement) part.hidden = !part.dataset.when?.split(" ").includes(state);
  }
}
