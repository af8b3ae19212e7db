/**
 * The panel Faults: how often the table and the other services fail on purpose.
 *
 * @import { SendMode, Settings, TableFaults } from "./platform.js"
 */

import { announce, one, setAttribute, setText, View } from "./dom.js";
import * as platform from "./platform.js";

const TABLE = /** @type {const} */ (["throttle", "error", "conflict", "drop_reply"]);

/** The services that do what they do in one of the modes; each has its own `<select>`. */
const SERVICES = /** @type {const} */ (["mail", "texts", "payments"]);

export class Faults {
  constructor() {
    this.view = new View("#faults", () => void this.load());
    this.form = one("#faults-form", HTMLFormElement);
    this.result = one("#faults-result", HTMLElement);
    this.edited = false;
    /** What was set last, with whatever this form does not show. @type {Settings | null} */
    this.settings = null;
    this.form.addEventListener("input", () => {
      this.edited = true;
      setText(this.result, "");
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.save(this.read());
    });
    one("#faults-off", HTMLButtonElement).addEventListener("click", () => {
      const { table } = this.read().faults;
      void this.save({
        ...this.settings,
        faults: {
          table: { throttle: 0, error: 0, conflict: 0, drop_reply: 0, seed: table.seed },
          ...eachService(() => "ok"),
        },
      });
    });
  }

  async load() {
    try {
      const settings = await platform.settings();
      // Not over what is being typed.
      if (!this.edited) this.show(settings);
    } catch (error) {
      this.view.fail(error);
    }
  }

  /** @param {Settings} settings */
  show(settings) {
    const { faults } = settings;
    this.settings = settings;
    for (const name of TABLE) this.input(name).value = String(percent(faults.table[name]));
    this.input("seed").value = String(faults.table.seed);
    for (const name of SERVICES) serviceInput(name).value = faults[name];
    const on = areOn({ faults });
    const state = one("#faults-state", HTMLElement);
    setAttribute(state, "data-state", on ? "warn" : "idle");
    setText(state, on ? "On" : "Off");
    this.view.show("ready");
  }

  /** @returns {Settings} */
  read() {
    const part = (/** @type {keyof TableFaults} */ name) => this.input(name).valueAsNumber / 100 || 0;
    return {
      ...this.settings,
      faults: {
        table: {
          throttle: part("throttle"),
          error: part("error"),
          conflict: part("conflict"),
          drop_reply: part("drop_reply"),
          seed: this.input("seed").valueAsNumber || 0,
        },
        ...eachService((name) => /** @type {SendMode} */ (serviceInput(name).value)),
      },
    };
  }

  /** @param {Settings} settings */
  async save(settings) {
    try {
      await platform.saveSettings(settings);
      this.edited = false;
      this.show(settings);
      this.say("Saved. It holds from the next call on.", false);
    } catch (error) {
      this.say(error instanceof Error ? error.message : String(error), true);
    }
  }

  /** @param {string} text @param {boolean} failed */
  say(text, failed) {
    setText(this.result, text);
    setAttribute(this.result, "data-failed", failed ? "" : null);
    announce(text);
  }

  /** @param {keyof TableFaults} name */
  input(name) {
    return one(`#fault-${name.replace("_", "-")}`, HTMLInputElement);
  }
}

/** @typedef {typeof SERVICES[number]} Service */

/** @param {Service} name */
const serviceInput = (name) => one(`#fault-${name}`, HTMLSelectElement);

/** @param {(name: Service) => SendMode} mode @returns {Record<Service, SendMode>} */
const eachService = (mode) =>
  /** @type {Record<Service, SendMode>} */ (Object.fromEntries(SERVICES.map((name) => [name, mode(name)])));

/** Whether anything fails on purpose. @param {Settings} settings */
export const areOn = ({ faults }) => TABLE.some((name) => faults.table[name] > 0) || SERVICES.some((name) => faults[name] !== "ok");

/** @param {number} part of 1 */
const percent = (part) => Math.round(part * 10_000) / 100;
