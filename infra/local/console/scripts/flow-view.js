/**
 * One flow, live: its graph, its lanes, the chosen step, and the same as a table.
 *
 * @import { Flow, FlowDetail, Step } from "./platform.js"
 */

import { fill, fromTemplate, one, reconcile, setAttribute, setText, slot, View } from "./dom.js";
import { count, duration, mebibytes, milliseconds, NONE, shortId } from "./format.js";
import { Graph } from "./graph.js";
import { Lanes } from "./lanes.js";
import { paced } from "./live.js";
import { emailPage, flowPage, logsPage, textPage } from "./pages.js";
import * as platform from "./platform.js";
import { anyRuns, elapsed, inOrder, KINDS, MARKS, note, title } from "./steps.js";

const MOST_ROWS = 500;
/** From then on, what runs is drawn less often: it may wait for a retry for minutes. */
const LONG_MS = 5_000;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class FlowView {
  /** @param {() => void} held called when somebody looks closer, so that another flow would disturb */
  constructor(held) {
    this.held = held;
    this.view = new View("#flow", () => this.flow && this.open(this.flow));
    this.graph = new Graph((steps) => this.choose(steps));
    this.lanes = new Lanes();
    this.rows = one("#flow-rows", HTMLElement);
    this.chosen = one("#chosen", HTMLElement);
    one("#chosen-close", HTMLButtonElement).addEventListener("click", () => this.closeChosen());
    const twin = one("#flow-table", HTMLDetailsElement);
    twin.addEventListener("toggle", () => twin.open && this.held());
    /** @type {Flow | null} */
    this.flow = null;
    /** @type {Map<string, Step>} */
    this.steps = new Map();
    /** @type {string[]} */
    this.chosenIds = [];
    this.loading = new AbortController();
    this.ticking = false;
    this.draw = paced(() => this.drawNow(), 50);
  }

  /** Shows another flow. @param {Flow} flow what is known of it from the list */
  async open(flow) {
    this.loading.abort();
    this.loading = new AbortController();
    if (this.flow?.trace !== flow.trace) {
      this.steps.clear();
      this.closeChosen();
      if (!this.flow) this.view.show("loading");
    }
    this.flow = flow;
    await this.load();
  }

  /** Loads the shown flow again. */
  async load() {
    const { flow, loading } = this;
    if (!flow) return;
    try {
      this.take(await platform.flow(flow.trace, loading.signal));
    } catch (error) {
      if (loading.signal.aborted) return;
      // What is shown may be the flow before this one.
      if (this.steps.size === 0) this.view.show("loading");
      this.view.fail(error);
    }
  }

  /** @param {FlowDetail} detail */
  take({ steps, ...flow }) {
    this.flow = flow;
    for (const step of steps) this.keep(step);
    this.draw();
  }

  /** @param {Flow} flow */
  changed(flow) {
    if (this.flow?.trace !== flow.trace) return;
    this.flow = flow;
    this.draw();
  }

  /** @param {string} trace @param {Step} step */
  stepped(trace, step) {
    if (this.flow?.trace !== trace) return;
    this.keep(step);
    this.draw();
  }

  /** An answer may be older than what the stream has already told: what is done stays done. @param {Step} step */
  keep(step) {
    const known = this.steps.get(step.id);
    if (known && known.status !== "running" && step.status === "running") return;
    this.steps.set(step.id, step);
  }

  showNothing() {
    this.loading.abort();
    this.flow = null;
    this.steps.clear();
    this.view.show("empty");
  }

  drawNow() {
    const { flow } = this;
    if (!flow) return;
    const steps = [...this.steps.values()];
    this.view.show("ready");
    setText(one("#flow-name", HTMLElement), flow.name);
    const facts = one("#flow-facts", HTMLElement);
    setAttribute(facts, "href", flowPage(flow.trace));
    setAttribute(facts, "title", `Trace ${flow.trace}`);
    const took = flow.status === "running" ? "running" : duration(flow.duration_ms);
    setText(facts, `${shortId(flow.trace)} · ${took} · ${count(flow.billed_ms)} ms billed`);
    this.graph.show(flow, steps);
    this.lanes.show(flow, steps);
    this.drawRows(flow, steps);
    this.drawChosen();
    if (anyRuns(steps)) this.tick();
  }

  /** @param {Flow} flow @param {Step[]} steps */
  drawRows(flow, steps) {
    reconcile(this.rows, inOrder(steps).slice(0, MOST_ROWS), {
      key: (step) => step.id,
      create: () => fromTemplate("flow-row-template"),
      update: (row, step) => {
        setAttribute(slot(row, "status"), "data-state", MARKS[step.status]);
        fill(row, {
          kind: KINDS[step.kind] ?? step.kind,
          name: title(step),
          note: note(step, flow),
          start: `+${milliseconds(step.started_ms)}`,
          time: step.duration_ms === null ? "running" : milliseconds(step.duration_ms),
          status: step.status,
          attempt: count(step.attempt),
          init: milliseconds(step.function?.init_ms),
          run: milliseconds(step.function?.run_ms),
          billed: count(step.function?.billed_ms),
          memory: count(step.function?.max_memory_mib),
          units: step.capacity_units === null ? NONE : String(step.capacity_units),
        });
      },
    });
  }

  /** Times of what runs, on each frame, or now and then for those who want calm. */
  tick() {
    if (this.ticking) return;
    this.ticking = true;
    const frame = () => {
      if (!anyRuns([...this.steps.values()])) {
        this.ticking = false;
        return;
      }
      this.graph.tick();
      this.lanes.tick();
      again();
    };
    const again = () => {
      const slow = this.flow !== null && elapsed(this.flow) > LONG_MS;
      if (calm.matches || slow) setTimeout(frame, calm.matches ? 1_000 : 200);
      else requestAnimationFrame(frame);
    };
    again();
  }

  /** @param {Step[]} steps */
  choose(steps) {
    if (steps[0]?.id === this.chosenIds[0]) return this.closeChosen();
    this.chosenIds = steps.map((step) => step.id);
    this.drawChosen();
    this.held();
  }

  closeChosen() {
    const pressed = this.graph.nodes.querySelector('[aria-pressed="true"]');
    const within = this.chosen.contains(document.activeElement);
    this.chosenIds = [];
    this.drawChosen();
    if (within && pressed instanceof HTMLElement) pressed.focus();
  }

  drawChosen() {
    const steps = this.chosenIds.flatMap((id) => this.steps.get(id) ?? []);
    const [first] = steps;
    this.chosen.hidden = !first;
    this.graph.mark(first?.id ?? null);
    if (!first) return;
    setText(one("#chosen-name", HTMLElement), `${KINDS[first.kind] ?? first.kind} ${title(first)}`);
    const facts = steps.length === 1 ? factsOf(first) : steps.map(callFact);
    reconcile(one("#chosen-facts", HTMLElement), facts, {
      key: ({ id }) => id,
      create: () => fromTemplate("fact-template"),
      update: (row, { term, text }) => fill(row, { term, text }),
    });
    const logs = one("#chosen-logs", HTMLAnchorElement);
    logs.hidden = !first.function;
    if (first.function) logs.href = logsPage(first.name, first.function.request_id);
    const mail = one("#chosen-mail", HTMLAnchorElement);
    mail.hidden = !first.email;
    if (first.email) mail.href = emailPage(first.email);
    const text = one("#chosen-text", HTMLAnchorElement);
    text.hidden = !first.text;
    if (first.text) text.href = textPage(first.text);
  }
}

/** @typedef {{ id: string, term: string, text: string }} Fact */

/** @param {Step} step @returns {Fact[]} */
function factsOf(step) {
  const run = step.function;
  /** @type {[string, string | null | undefined][]} */
  const facts = [
    ["Error", step.error],
    ["Detail", step.detail],
    ["Event", step.event],
    ["Started", `+${duration(step.started_ms)}`],
    ["Took", step.duration_ms === null ? "still running" : duration(step.duration_ms)],
    ["Attempt", step.attempt > 1 ? count(step.attempt) : null],
    ["Capacity units", step.capacity_units === null ? null : String(step.capacity_units)],
    ["Init", run?.cold ? duration(run.init_ms) : null],
    ["Run", run && duration(run.run_ms)],
    ["Billed", run && duration(run.billed_ms)],
    ["Memory", run && `${count(run.max_memory_mib)} of ${mebibytes(run.memory_mib)}`],
    ["Instance", run?.instance],
    ["Request", run?.request_id],
  ];
  return facts.flatMap(([term, text]) => (text ? [{ id: term, term, text }] : []));
}

/** @param {Step} step @returns {Fact} */
const callFact = (step) => ({
  id: step.id,
  term: `+${duration(step.started_ms)}`,
  text: [step.kind === "table" ? null : title(step), step.detail, duration(step.duration_ms)].filter(Boolean).join(" · "),
});
