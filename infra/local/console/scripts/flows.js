/**
 * The page Flows: figures, one flow in full, the list of flows, the newest mail.
 *
 * @import { Email, Flow } from "./platform.js"
 */

import { announce, fill, fromTemplate, one, parameter, reconcile, setAttribute, setParameter, setText, slot, View } from "./dom.js";
import { areOn } from "./faults.js";
import { FlowView } from "./flow-view.js";
import { count, countOrDash, duration, fullTime, milliseconds, NONE, time } from "./format.js";
import { follow, paced } from "./live.js";
import { emailPage, flowPage } from "./pages.js";
import * as platform from "./platform.js";
import { elapsed, MARKS } from "./steps.js";

const MOST_FLOWS = 300;
const MOST_ROWS = 60;
const MOST_MAILS = 8;

const flowView = new FlowView(stay);
const list = new View("#flows", () => void loadFlows());
const inbox = new View("#newest-mail", () => void loadMail());
const search = one("#flow-search", HTMLInputElement);
const toNewest = one("#to-newest", HTMLButtonElement);

/** Newest first. @type {Flow[]} */
let flows = [];
/** @type {Email[]} */
let mails = [];
/** The flow of the address, or null: whichever is the newest. */
let chosen = parameter("trace");

async function loadFlows() {
  try {
    flows = await platform.flows(MOST_FLOWS);
    showSelected();
    drawFlows();
  } catch (error) {
    list.fail(error);
    if (!flowView.flow) flowView.view.fail(error);
  }
}

/** Opens the flow that should be shown, unless it is. */
function showSelected() {
  const flow = chosen === null ? flows[0] : (flows.find(({ trace }) => trace === chosen) ?? unlisted(chosen));
  if (!flow) flowView.showNothing();
  else if (flowView.flow?.trace !== flow.trace) void flowView.open(flow);
}

/** A flow that the list no longer holds, but the platform may. @param {string} trace @returns {Flow} */
const unlisted = (trace) => ({
  trace, name: "", started_at: new Date().toISOString(), duration_ms: null, status: "ok", http_status: null,
  functions: 0, cold_starts: 0, billed_ms: 0, errors: 0, retries: 0,
});

/** @param {Flow} flow */
function flowChanged(flow) {
  const index = flows.findIndex(({ trace }) => trace === flow.trace);
  if (index >= 0) flows[index] = flow;
  else {
    flows.unshift(flow);
    flows.sort((a, b) => Date.parse(b.started_at) - Date.parse(a.started_at));
    flows.length = Math.min(flows.length, MOST_FLOWS);
    if (chosen === null) showSelectedSoon();
  }
  flowView.changed(flow);
  drawFlowsSoon();
  loadFiguresSoon();
}

/** Keeps the flow that is shown, although newer ones come. */
function stay() {
  if (chosen !== null || !flowView.flow) return;
  chosen = flowView.flow.trace;
  setParameter("trace", chosen, "replace");
  drawFlows();
}

/** @param {string | null} trace null: follow the newest */
function choose(trace) {
  chosen = trace;
  setParameter("trace", trace, "push");
  showSelected();
  drawFlows();
  const flow = flows.find((each) => each.trace === trace);
  announce(flow ? `Showing ${flow.name}` : "Showing the newest flow");
}

function drawFlows() {
  const status = /** @type {string} */ (new FormData(one("#flow-filter", HTMLFormElement)).get("status"));
  const words = search.value.trim().toLowerCase();
  const shown = flows.filter(
    (flow) =>
      (status === "all" || flow.status === status || (status === "error" && flow.errors > 0)) &&
      (words === "" || `${flow.name} ${flow.trace} ${flow.http_status ?? ""}`.toLowerCase().includes(words)),
  );

  toNewest.hidden = chosen === null;
  list.show(flows.length === 0 ? "empty" : "ready");
  one("#flows-unmatched", HTMLElement).hidden = flows.length === 0 || shown.length > 0;
  reconcile(one("#flow-list", HTMLElement), shown.slice(0, MOST_ROWS), {
    key: (flow) => flow.trace,
    create: ({ trace }) => {
      const row = fromTemplate("flow-template");
      const link = one("a", HTMLAnchorElement, row);
      link.href = flowPage(trace);
      row.addEventListener("click", (event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        choose(trace);
      });
      return row;
    },
    update: drawFlow,
  });
  const more = one("#flows-more", HTMLElement);
  more.hidden = shown.length <= MOST_ROWS;
  setText(more, `The newest ${MOST_ROWS} of ${shown.length}. Filter to see others.`);
}

/** @param {HTMLElement} row @param {Flow} flow */
function drawFlow(row, flow) {
  const link = one("a", HTMLAnchorElement, row);
  setAttribute(link, "data-state", MARKS[flow.status]);
  setAttribute(link, "aria-current", flow.trace === flowView.flow?.trace ? "true" : null);
  fill(row, {
    status: flow.status,
    name: flow.name || "…",
    http: flow.http_status === null ? null : String(flow.http_status),
    retries: flow.retries === 0 ? null : flow.retries === 1 ? "1 retry" : `${flow.retries} retries`,
    failed: flow.errors === 0 ? null : flow.errors === 1 ? "1 error" : `${flow.errors} errors`,
    functions: count(flow.functions),
    time: flow.status === "running" ? "running" : milliseconds(flow.duration_ms ?? elapsed(flow)),
    billed: count(flow.billed_ms),
    cold: countOrDash(flow.cold_starts),
    at: time(flow.started_at),
  });
  setAttribute(slot(row, "at"), "title", fullTime(flow.started_at));
}

async function loadFigures() {
  try {
    const summary = await platform.summary();
    fill(one("#figures", HTMLElement), {
      invocations: count(summary.invocations),
      cold_starts: count(summary.cold_starts),
      errors: count(summary.errors),
      p50: duration(summary.p50_ms),
      p95: duration(summary.p95_ms),
      billed: duration0(summary.billed_ms),
      emails: count(summary.emails),
      dead_letters: count(summary.dead_letters),
    });
  } catch {
    // The last figures stay; the live mark and the lists say that the platform is away.
  }
}

async function loadFaults() {
  try {
    one("#faults-note", HTMLElement).hidden = !areOn(await platform.settings());
  } catch {
    // Only a reminder.
  }
}

/** Whole milliseconds. @param {number} ms */
const duration0 = (ms) => (ms == null ? NONE : `${count(ms)} ms`);

async function loadMail() {
  try {
    mails = await platform.emails(MOST_MAILS);
    drawMail();
  } catch (error) {
    inbox.fail(error);
  }
}

/** @param {Email} email */
function mailArrived(email) {
  mails = [email, ...mails.filter(({ id }) => id !== email.id)].slice(0, MOST_MAILS);
  drawMail();
  announce(`New mail: ${email.subject}`);
}

function drawMail() {
  inbox.show(mails.length === 0 ? "empty" : "ready");
  reconcile(one("#mail-list", HTMLElement), mails, {
    key: ({ id }) => id,
    create: ({ id }) => {
      const row = fromTemplate("mail-template");
      one("a", HTMLAnchorElement, row).href = emailPage(id);
      return row;
    },
    update: (row, email) => {
      fill(row, {
        subject: email.subject || "(no subject)",
        to: `Email to ${email.to.join(", ")}`,
        at: time(email.received_at),
        function: email.function ?? "",
      });
      setAttribute(slot(row, "at"), "title", fullTime(email.received_at));
    },
  });
}

/** Under load no flow could be read otherwise, and each costs a request. */
const showSelectedSoon = paced(showSelected, 300);
const drawFlowsSoon = paced(drawFlows, 100);
const loadFiguresSoon = paced(() => void loadFigures(), 1_000);

one("#flow-filter", HTMLFormElement).addEventListener("submit", (event) => event.preventDefault());
one("#flow-filter", HTMLFormElement).addEventListener("input", drawFlows);
toNewest.addEventListener("click", () => {
  choose(null);
  search.focus();
});
addEventListener("popstate", () => {
  chosen = parameter("trace");
  showSelected();
  drawFlows();
});

follow({
  resync() {
    void loadFlows();
    void flowView.load();
    void loadMail();
    void loadFaults();
    loadFiguresSoon();
  },
  flow: flowChanged,
  step: ({ trace, step }) => flowView.stepped(trace, step),
  email: mailArrived,
  dead_letter: loadFiguresSoon,
  function: loadFiguresSoon,
});
void loadFlows();
void loadMail();
void loadFigures();
void loadFaults();
