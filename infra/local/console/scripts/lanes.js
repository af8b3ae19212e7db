/**
 * A flow as lanes of time: tan while a function starts cold, blue while it runs, green for mail and texts, grey for the
 * rest. What runs grows.
 *
 * @import { Flow, Step } from "./platform.js"
 */

import { fill, fromTemplate, one, reconcile, setAttribute, slot } from "./dom.js";
import { duration } from "./format.js";
import { elapsed, inOrder, lasted, title } from "./steps.js";

const MOST_LANES = 100;

export class Lanes {
  constructor() {
    this.list = one("#lanes", HTMLElement);
    /** @type {{ flow: Flow, steps: readonly Step[] } | null} */
    this.shown = null;
  }

  /** @param {Flow} flow @param {readonly Step[]} steps */
  show(flow, steps) {
    this.shown = { flow, steps };
    const now = elapsed(flow);
    const end = Math.max(1, ...steps.map((step) => step.started_ms + lasted(step, now)));
    reconcile(this.list, inOrder(steps).slice(0, MOST_LANES), {
      key: (step) => step.id,
      create: () => fromTemplate("lane-template"),
      update: (row, step) => draw(row, step, now, end),
    });
  }

  /** Lets what runs grow. */
  tick() {
    if (this.shown) this.show(this.shown.flow, this.shown.steps);
  }
}

/** @param {HTMLElement} row @param {Step} step @param {number} now @param {number} end */
function draw(row, step, now, end) {
  const whole = lasted(step, now);
  const init = step.function?.cold ? Math.min(step.function.init_ms ?? 0, whole) : 0;
  setAttribute(row, "data-kind", step.kind);
  setAttribute(row, "data-status", step.status);
  fill(row, {
    name: title(step),
    note: [remark(step), step.attempt > 1 ? `attempt ${step.attempt}` : null].filter(Boolean).join(" ") || null,
    failed: step.status === "error" ? "Error" : null,
    time: duration(whole),
  });
  bar(slot(row, "init"), step.started_ms, init, end);
  bar(slot(row, "run"), step.started_ms + init, whole - init, end);
}

/**
 * What tells a step from others of the same name: a call's operation, or a queue from its function.
 * @param {Step} step
 */
function remark({ kind, detail }) {
  if (kind === "table") return (detail ?? "").split(" ")[0];
  return SAME_NAMES.has(kind) ? kind : null;
}

/** Kinds that are named as the function, or as what it stands for, is. @type {ReadonlySet<Step["kind"]>} */
const SAME_NAMES = new Set(["stream", "bus", "queue", "topic", "schedule"]);

/** @param {HTMLElement} element @param {number} from @param {number} length @param {number} end */
function bar(element, from, length, end) {
  element.hidden = length <= 0;
  element.style.left = `${(100 * from) / end}%`;
  element.style.width = `${(100 * length) / end}%`;
}
