/**
 * The panel of a function that the clock starts: how often, when last and when next, and a button for now.
 *
 * @import { Schedule } from "./platform.js"
 */

import { announce, fill, one, setAttribute, setText } from "./dom.js";
import { plural, time } from "./format.js";
import { flowPage } from "./pages.js";
import * as platform from "./platform.js";

export class SchedulePanel {
  constructor() {
    this.panel = one("#schedule", HTMLElement);
    this.result = one("#schedule-result", HTMLElement);
    /** The function that is shown, if the clock starts it. @type {string | null} */
    this.name = null;
    one("#schedule-run", HTMLButtonElement).addEventListener("click", () => void this.run());
  }

  /** @param {string | null} name of a function that has a schedule */
  async show(name) {
    if (name !== this.name) {
      this.panel.hidden = true;
      setText(this.result, "");
    }
    this.name = name;
    if (name === null) return;
    try {
      const schedule = (await platform.schedules()).find((each) => each.function === name);
      if (this.name === name && schedule) this.draw(schedule);
    } catch (error) {
      this.say(error instanceof Error ? error.message : String(error), true);
    }
  }

  /** @param {Schedule} schedule */
  draw({ every_minutes, last_run_at, last_trace, next_run_at }) {
    fill(this.panel, {
      rhythm: `Every ${plural(every_minutes, "minute")}.`,
      last: last_run_at === null ? "It has not run yet." : `Last run: ${time(last_run_at)}.`,
      next: `Next run: ${time(next_run_at)}.`,
    });
    const flow = one("#schedule-flow", HTMLAnchorElement);
    flow.hidden = last_trace === null;
    if (last_trace !== null) flow.href = flowPage(last_trace);
    this.panel.hidden = false;
  }

  async run() {
    if (this.name === null) return;
    try {
      await platform.runSchedule(this.name);
      this.say("Started.", false);
      await this.show(this.name);
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
}
