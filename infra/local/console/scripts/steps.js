/**
 * What the views of one flow have in common: its tree, its names, its clock.
 *
 * @import { Flow, Step } from "./platform.js"
 *
 * @typedef {object} Branch
 * @property {Step} step
 * @property {Branch[]} children the longest chain first, so that it runs straight on
 * @property {number} depth of the deepest branch below, itself included
 */

import { duration, httpStatus } from "./format.js";

/** @type {Record<Step["kind"], string>} */
export const KINDS = {
  http: "HTTP",
  function: "Function",
  table: "Table",
  stream: "Stream",
  bus: "Bus",
  queue: "Queue",
  mail: "Mail",
  text: "Text",
  topic: "Topic",
  schedule: "Schedule",
  payment: "Payment",
};

/** The shape that stands for a state, beside its word. @type {Record<Step["status"], string>} */
export const MARKS = { running: "runs", ok: "ok", error: "bad" };

/**
 * The steps by their parents. One whose parent is not known (yet) stands at the root.
 * @param {readonly Step[]} steps
 * @returns {Branch[]}
 */
export function tree(steps) {
  const known = new Set(steps.map((step) => step.id));
  /** @type {Map<string | null, Step[]>} */
  const byParent = new Map();
  for (const step of steps) {
    const parent = step.parent !== null && known.has(step.parent) ? step.parent : null;
    const siblings = byParent.get(parent);
    if (siblings) siblings.push(step);
    else byParent.set(parent, [step]);
  }

  /** @param {string | null} parent @returns {Branch[]} */
  const below = (parent) => {
    const branches = (byParent.get(parent) ?? [])
      .sort((a, b) => a.started_ms - b.started_ms)
      .map((step) => {
        const children = below(step.id);
        return { step, children, depth: 1 + Math.max(0, ...children.map((child) => child.depth)) };
      });
    return parent === null ? branches : longestFirst(branches);
  };
  return below(null);
}

/**
 * The longest first, then the others in the order of time, but mere table calls last.
 * @param {Branch[]} branches in the order of time
 */
function longestFirst(branches) {
  const isCall = (/** @type {Branch} */ { step, depth }) => step.kind === "table" && depth === 1;
  const rest = [...branches.filter((branch) => !isCall(branch)), ...branches.filter(isCall)];
  const longest = rest.findIndex(({ depth }) => depth === Math.max(...rest.map((branch) => branch.depth)));
  return longest > 0 ? [...rest.splice(longest, 1), ...rest] : rest;
}

/** The steps in the order of the tree, parents first. @param {readonly Step[]} steps @returns {Step[]} */
export function inOrder(steps) {
  /** @param {Branch} branch @returns {Step[]} */
  const walk = (branch) => [branch.step, ...branch.children.flatMap(walk)];
  return tree(steps).flatMap(walk);
}

/** What it is called: a mail by its subject. @param {Step} step */
export const title = (step) => (step.kind === "mail" && step.detail ? `“${step.detail}”` : step.name);

/** One short line below a step's name. @param {Step} step @param {Flow} flow */
export function note(step, flow) {
  const again = step.attempt > 1 ? `attempt ${step.attempt}` : null;
  const rest = step.status === "error" ? (step.error ?? "error") : plainNote(step, flow);
  return [again, rest].filter((part) => part !== null).join(" · ");
}

/** @param {Step} step @param {Flow} flow @returns {string | null} */
function plainNote(step, flow) {
  if (step.function) {
    if (!step.function.cold) return "warm";
    return step.function.init_ms === null ? "cold start" : `cold start ${duration(step.function.init_ms)}`;
  }
  if (step.status === "running") {
    const waits = step.kind === "queue" || step.kind === "stream";
    return [waits ? "not done yet" : "running", step.event].filter(Boolean).join(" · ");
  }
  if (step.kind === "http" && step.parent === null && flow.http_status !== null && !step.detail) {
    return httpStatus(flow.http_status);
  }
  if (step.kind === "mail") return step.name;
  return step.detail || step.event || null;
}

/** Milliseconds from the flow's start to now. The platform and the browser share one clock. @param {Flow} flow */
export const elapsed = (flow) => Math.max(0, Date.now() - Date.parse(flow.started_at));

/** How long it took, or has taken until now. @param {Step} step @param {number} now since the flow's start */
export const lasted = (step, now) => step.duration_ms ?? Math.max(0, now - step.started_ms);

/** Whether anything of it still runs. @param {readonly Step[]} steps */
export const anyRuns = (steps) => steps.some((step) => step.duration_ms === null);
