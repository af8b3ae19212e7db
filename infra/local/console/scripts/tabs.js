/** Tabs as the ARIA practices describe them: arrows move between them, Tab leaves them. */

import { one, setAttribute } from "./dom.js";

export class Tabs {
  /** @param {HTMLElement} list the `role=tablist`; each tab names its panel by `aria-controls` */
  constructor(list) {
    this.tabs = [...list.querySelectorAll("[role=tab]")].filter((tab) => tab instanceof HTMLButtonElement);
    this.tabs.forEach((tab) => tab.addEventListener("click", () => this.select(tab)));
    list.addEventListener("keydown", (event) => this.move(event));
  }

  /** @param {HTMLButtonElement} selected */
  select(selected) {
    for (const tab of this.tabs) {
      const is = tab === selected;
      setAttribute(tab, "aria-selected", String(is));
      tab.tabIndex = is ? 0 : -1;
      one(`#${tab.getAttribute("aria-controls")}`, HTMLElement).hidden = !is;
    }
  }

  /** Selects the first tab that may be selected, if the selected one no longer may. */
  settle() {
    const selected = this.tabs.find((tab) => tab.getAttribute("aria-selected") === "true");
    const usable = selected && !selected.disabled ? selected : this.tabs.find((tab) => !tab.disabled);
    if (usable) this.select(usable);
  }

  /** @param {KeyboardEvent} event */
  move(event) {
    const usable = this.tabs.filter((tab) => !tab.disabled);
    const at = usable.findIndex((tab) => tab === document.activeElement);
    /** @type {Record<string, number>} */
    const targets = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: usable.length - 1 };
    const target = targets[event.key];
    if (at < 0 || target === undefined) return;
    const tab = usable[(target + usable.length) % usable.length];
    if (!tab) return;
    event.preventDefault();
    this.select(tab);
    tab.focus();
  }
}
