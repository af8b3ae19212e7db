/**
 * A flow as a graph: from left to right by cause and effect, what one step started below each other.
 * A chain that is longer than its box is wide goes on in the next band, as a line of text does.
 *
 * @import { Flow, Step } from "./platform.js"
 * @import { Branch } from "./steps.js"
 *
 * @typedef {object} Node Several steps if all went the same way: many calls, or many webhooks of one payment.
 * @property {[Step, ...Step[]]} steps
 * @property {Node[]} children
 *
 * @typedef {object} Placed
 * @property {Node} node
 * @property {number} x
 * @property {number} y
 *
 * @typedef {object} Layout
 * @property {Placed[]} nodes
 * @property {string[]} edges as SVG paths
 * @property {number} nodeWidth
 * @property {number} width
 * @property {number} height
 * @property {number} left how many nodes there was no room for
 */

import { fill, fromTemplate, one, reconcile, setAttribute } from "./dom.js";
import { duration } from "./format.js";
import { elapsed, KINDS, lasted, note, title, tree } from "./steps.js";

const NODE = { least: 136, most: 200, height: 62 };
const GAP = { column: 27, row: 23, band: 38 };
const PADDING = 20;
const CORNER = 6;
const MOST_NODES = 80;

export class Graph {
  /** @param {(steps: Step[]) => void} choose called with the steps of the node that was pressed */
  constructor(choose) {
    this.choose = choose;
    this.box = one("#graph", HTMLElement);
    this.canvas = one("#graph-canvas", HTMLElement);
    this.nodes = one("#graph-nodes", HTMLElement);
    this.edges = one("#graph-edges", SVGSVGElement);
    this.left = one("#graph-left", HTMLElement);
    /** @type {{ flow: Flow, steps: readonly Step[] } | null} */
    this.shown = null;
    /** @type {string | null} */
    this.chosen = null;
    this.width = 0;
    new ResizeObserver(() => {
      if (this.box.clientWidth === this.width || !this.shown) return;
      this.show(this.shown.flow, this.shown.steps);
    }).observe(this.box);
  }

  /** @param {Flow} flow @param {readonly Step[]} steps */
  show(flow, steps) {
    this.shown = { flow, steps };
    this.width = this.box.clientWidth;
    const layout = arrange(tree(steps), this.width);
    const now = elapsed(flow);

    this.canvas.style.width = `${layout.width}px`;
    this.canvas.style.height = `${layout.height}px`;
    this.drawEdges(layout);
    reconcile(this.nodes, layout.nodes, {
      key: ({ node }) => node.steps[0].id,
      create: () => this.createNode(),
      update: (row, { node, x, y }) => {
        row.style.transform = `translate(${x}px, ${y}px)`;
        row.style.width = `${layout.nodeWidth}px`;
        drawNode(row, node, flow, now);
        this.markChosen(row, node.steps[0].id);
        actions.set(row, () => this.choose(node.steps));
      },
    });
    this.left.hidden = layout.left === 0;
    if (layout.left > 0) this.left.textContent = `${layout.left} more steps are in the table below.`;
  }

  /** Updates the times of what runs. */
  tick() {
    if (!this.shown) return;
    const now = elapsed(this.shown.flow);
    for (const step of this.shown.steps) {
      if (step.duration_ms !== null) continue;
      const time = this.nodes.querySelector(`[data-step="${CSS.escape(step.id)}"] [data-slot="time"]`);
      if (time) time.textContent = duration(lasted(step, now));
    }
  }

  /** @param {string | null} id the first step of the chosen node */
  mark(id) {
    this.chosen = id;
    for (const row of this.nodes.children) {
      if (row instanceof HTMLElement) this.markChosen(row, row.dataset.step ?? "");
    }
  }

  /** @param {HTMLElement} row @param {string} id */
  markChosen(row, id) {
    setAttribute(one("button", HTMLButtonElement, row), "aria-pressed", String(id === this.chosen));
  }

  createNode() {
    const row = fromTemplate("node-template");
    one("button", HTMLButtonElement, row).addEventListener("click", () => actions.get(row)?.());
    return row;
  }

  /** @param {Layout} layout */
  drawEdges(layout) {
    setAttribute(this.edges, "width", String(layout.width));
    setAttribute(this.edges, "height", String(layout.height));
    const lines = this.edges.querySelectorAll("path.edge");
    layout.edges.forEach((path, index) => {
      const line = lines[index] ?? this.edges.appendChild(createEdge());
      setAttribute(line, "d", path);
    });
    for (const line of [...lines].slice(layout.edges.length)) line.remove();
  }
}

/** What pressing a node does now. @type {WeakMap<HTMLElement, () => void>} */
const actions = new WeakMap();

function createEdge() {
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("class", "edge");
  line.setAttribute("marker-end", "url(#arrow)");
  return line;
}

/** @param {HTMLElement} row @param {Node} node @param {Flow} flow @param {number} now */
function drawNode(row, node, flow, now) {
  const [first] = node.steps;
  const times = node.steps.map((step) => lasted(step, now));
  const together = isCall(first) ? times.reduce((sum, time) => sum + time, 0) : Math.max(...times);
  setAttribute(row, "data-step", first.id);
  setAttribute(row, "data-kind", first.kind);
  setAttribute(row, "data-status", first.status);
  const box = one("button", HTMLButtonElement, row);
  box.classList.toggle("function", first.kind === "function");
  box.classList.toggle("cold", first.function?.cold ?? false);
  fill(row, {
    kind: KINDS[first.kind] ?? first.kind,
    time: duration(together),
    name: title(first),
    note: node.steps.length === 1 ? note(first, flow) : foldedNote(node.steps),
    failed: first.status === "error" ? "Error" : null,
  });
}

/** `3 calls · GetItem, Query`, `and 6 more`, `7 times`. @param {[Step, ...Step[]]} steps */
function foldedNote(steps) {
  const [first] = steps;
  if (isCall(first)) {
    const operations = new Set(steps.map(operation).filter(Boolean));
    return [`${steps.length} calls`, [...operations].join(", ")].filter(Boolean).join(" · ");
  }
  const names = new Set(steps.map(title));
  return names.size > 1 ? `and ${steps.length - 1} more` : `${steps.length} times`;
}

/** What was asked: of the table, how; of the provider, for what. @param {Step} step */
const operation = ({ kind, detail }) => (kind === "table" ? (detail ?? "").split(" ")[0] : detail);

/** Whether a function asked somebody. What the provider tells, it tells by webhook. @param {Step} step */
const isCall = ({ kind, detail }) => kind === "table" || (kind === "payment" && detail !== WEBHOOK);

const WEBHOOK = "webhook";

/** @param {Branch[]} roots @param {number} available pixels @returns {Layout} */
export function arrange(roots, available) {
  const forest = folded(roots);
  const room = Math.max(available - 2 * PADDING, NODE.least);
  const fit = Math.max(2, Math.floor((room + GAP.column) / (NODE.least + GAP.column)));
  const depth = Math.max(1, ...forest.map(depthOf));
  const columns = Math.ceil(depth / Math.ceil(depth / fit));
  const widest = Math.floor((room - (columns - 1) * GAP.column) / columns);
  const nodeWidth = Math.min(NODE.most, Math.max(NODE.least, widest));

  /** @type {Placed[]} */
  const nodes = [];
  /** @type {string[]} */
  const edges = [];
  let left = 0;
  let top = PADDING;
  /** @type {{ node: Node, from: Placed | null }[]} */
  let band = forest.map((node) => ({ node, from: null }));

  while (band.length > 0) {
    /** @type {typeof band} */
    const next = [];
    let row = 0;

    /** @param {Node} node @param {number} column @param {Placed | null} from */
    const place = (node, column, from) => {
      if (nodes.length >= MOST_NODES) {
        left += node.steps.length;
        for (const child of node.children) place(child, column, null);
        return;
      }
      const placed = {
        node,
        x: PADDING + column * (nodeWidth + GAP.column),
        y: top + row * (NODE.height + GAP.row),
      };
      nodes.push(placed);
      if (from) edges.push(column === 0 ? turn(from, placed, nodeWidth, top) : edge(from, placed, nodeWidth));
      if (column + 1 === columns) {
        next.push(...node.children.map((child) => ({ node: child, from: placed })));
        return;
      }
      node.children.forEach((child, index) => {
        if (index > 0 && nodes.length < MOST_NODES) row += 1;
        place(child, column + 1, placed);
      });
    };

    band.forEach(({ node, from }, index) => {
      if (index > 0 && nodes.length < MOST_NODES) row += 1;
      place(node, 0, from);
    });
    top += (row + 1) * (NODE.height + GAP.row) - GAP.row + GAP.band;
    band = next;
  }

  const right = Math.max(0, ...nodes.map(({ x }) => x + nodeWidth));
  return { nodes, edges, nodeWidth, width: right + PADDING, height: top - GAP.band + PADDING, left };
}

/**
 * Siblings that went the same way become one node, all the way down: a function asks the table many times, and a
 * payment is told by many webhooks. The lanes show each.
 * @param {Branch[]} siblings
 * @returns {Node[]}
 */
function folded(siblings) {
  /** @type {Map<string, [Branch, ...Branch[]]>} */
  const groups = new Map();
  for (const branch of siblings) {
    const way = wayOf(branch);
    const group = groups.get(way);
    if (group) group.push(branch);
    else groups.set(way, [branch]);
  }
  return [...groups.values()].map(([first, ...rest]) => ({
    steps: [first.step, ...rest.map(({ step }) => step)],
    children: folded([first, ...rest].flatMap(({ children }) => children)),
  }));
}

/**
 * The same for branches that went the same way. One with a failure, or that is not done, is like no other.
 * @param {Branch} branch
 * @returns {string}
 */
function wayOf({ step, children }) {
  if (step.status !== "ok") return step.id;
  const below = [...new Set(children.map(wayOf))].sort().join(" ");
  const name = step.kind === "payment" && step.detail === WEBHOOK ? WEBHOOK : step.name;
  return `(${step.kind} ${name} ${step.event ?? ""} ${below})`;
}

/** @param {Node} node @returns {number} */
const depthOf = (node) => 1 + Math.max(0, ...node.children.map(depthOf));

/** @param {Placed} from @param {Placed} to @param {number} nodeWidth */
function edge(from, to, nodeWidth) {
  const [x1, y1, x2, y2] = [from.x + nodeWidth, middle(from), to.x, middle(to)];
  if (y1 === y2) return `M${x1} ${y1}H${x2}`;
  const bend = (x1 + x2) / 2;
  // Many below each other share one trunk.
  if (y2 - y1 > NODE.height + GAP.row) {
    return `M${x1} ${y1}H${bend - CORNER}q${CORNER} 0 ${CORNER} ${CORNER}V${y2 - CORNER}q0 ${CORNER} ${CORNER} ${CORNER}H${x2}`;
  }
  return `M${x1} ${y1}C${bend} ${y1} ${bend} ${y2} ${x2} ${y2}`;
}

/**
 * From the end of one band to the start of the next.
 * @param {Placed} from
 * @param {Placed} to
 * @param {number} nodeWidth
 * @param {number} top of the next band
 */
function turn(from, to, nodeWidth, top) {
  const right = from.x + nodeWidth + PADDING / 2;
  const gutter = top - GAP.band / 2;
  const before = to.x - PADDING / 2 - 2;
  const r = CORNER;
  return [
    `M${from.x + nodeWidth} ${middle(from)}H${right - r}q${r} 0 ${r} ${r}`,
    `V${gutter - r}q0 ${r} ${-r} ${r}`,
    `H${before + r}q${-r} 0 ${-r} ${r}`,
    `V${middle(to) - r}q0 ${r} ${r} ${r}H${to.x}`,
  ].join("");
}

/** @param {Placed} placed */
const middle = ({ y }) => y + NODE.height / 2;
