/**
 * The page Functions: one row a function, and for the selected one its instances, its log and a form that
 * invokes it.
 *
 * @import { FunctionReport, Instance } from "./platform.js"
 */

import { announce, fill, fromTemplate, one, parameter, reconcile, setAttribute, setParameter, setText, slot, View } from "./dom.js";
import { Faults } from "./faults.js";
import { count, countOrDash, duration, fullTime, mebibytes, plural, time } from "./format.js";
import { showJson } from "./json.js";
import { follow, paced } from "./live.js";
import { drawLog } from "./log-lines.js";
import { flowPage } from "./pages.js";
import * as platform from "./platform.js";
import { sampleEvent } from "./sample-events.js";
import { SchedulePanel } from "./schedule.js";

const LOG_LINES = 300;
/** A UUID. What is shorter is looked for in the newest lines, a whole id by the platform in all. */
const REQUEST_ID_LENGTH = 36;

/** @type {Record<FunctionReport["trigger"], string>} */
const TRIGGERS = { http: "HTTP requests", stream: "The table's stream", queue: "Its queue", schedule: "The clock" };

/** @type {Record<Instance["state"], string>} */
const INSTANCE_MARKS = { starting: "warn", busy: "runs", frozen: "idle" };

/** @type {Record<Instance["state"], string>} */
const STATES = { starting: "Starting", busy: "Busy", frozen: "Frozen" };

const list = new View("#functions", () => void load());
const log = new View("#logs", () => void loadLog());
const request = one("#log-request", HTMLInputElement);
const event = one("#event", HTMLTextAreaElement);
const send = one("#invoke-send", HTMLButtonElement);
const faults = new Faults();
const schedule = new SchedulePanel();

/** @type {FunctionReport[]} */
let reports = [];
let selected = parameter("name");
let loadingLog = new AbortController();

async function load() {
  try {
    reports = await platform.functions();
    draw();
    if (current()) select(current());
  } catch (error) {
    list.fail(error);
  }
}

const current = () => reports.find(({ name }) => name === selected) ?? reports[0];

function draw() {
  list.show(reports.length === 0 ? "empty" : "ready");
  reconcile(one("#function-list", HTMLElement), reports, {
    key: ({ name }) => name,
    create: ({ name }) => {
      const row = fromTemplate("function-template");
      row.addEventListener("click", () => {
        setParameter("name", name, "push");
        setParameter("request", null, "replace");
        request.value = "";
        select(reports.find((report) => report.name === name));
      });
      return row;
    },
    update: drawFunction,
  });
}

/** @param {HTMLElement} row @param {FunctionReport} report */
function drawFunction(row, report) {
  setAttribute(one("button", HTMLButtonElement, row), "aria-pressed", String(report.name === selected));
  setAttribute(slot(row, "errors"), "data-state", report.errors > 0 ? "bad" : "none");
  fill(row, {
    name: report.name,
    trigger: TRIGGERS[report.trigger] ?? report.trigger,
    memory: mebibytes(report.memory_mib),
    timeout: `${report.timeout_seconds} s`,
    concurrency: report.concurrency_limit === null ? "account" : count(report.concurrency_limit),
    instances: countOrDash(report.instances.length),
    invocations: count(report.invocations),
    cold: countOrDash(report.cold_starts),
    errors: countOrDash(report.errors),
    throttles: countOrDash(report.throttles),
    p50: duration(report.p50_ms),
  });
}

/** @param {FunctionReport | undefined} report */
function select(report) {
  if (!report) return;
  const another = one("#function", HTMLElement).dataset.name !== report.name;
  selected = report.name;
  draw();
  drawSelected(report);
  void schedule.show(report.trigger === "schedule" ? report.name : null);
  if (!another) return;
  one("#function", HTMLElement).dataset.name = report.name;
  one("#function", HTMLElement).hidden = false;
  delete one("#log-list", HTMLElement).dataset.touched;
  one("#answer", HTMLElement).hidden = true;
  setEvent(sampleEvent(report));
  log.show("loading");
  void loadLog();
}

/** @param {FunctionReport} report */
function drawSelected(report) {
  fill(one("#function", HTMLElement), { title: report.name, purpose: report.purpose, billed: `${count(report.billed_ms)} ms billed` });
  one("#no-instances", HTMLElement).hidden = report.instances.length > 0;
  reconcile(one("#instances", HTMLElement), report.instances, {
    key: ({ id }) => id,
    create: () => fromTemplate("instance-template"),
    update: (row, instance) => {
      setAttribute(slot(row, "state"), "data-state", INSTANCE_MARKS[instance.state]);
      fill(row, {
        id: instance.id,
        state: STATES[instance.state] ?? instance.state,
        pid: `pid ${instance.pid}`,
        invocations: plural(instance.invocations, "invocation"),
        memory: mebibytes(instance.memory_mib),
        since: `since ${time(instance.started_at)}`,
      });
      setAttribute(slot(row, "since"), "title", fullTime(instance.started_at));
    },
  });
}

async function loadLog() {
  const report = current();
  if (!report) return;
  loadingLog.abort();
  loadingLog = new AbortController();
  const { signal } = loadingLog;
  try {
    const words = request.value.trim();
    const whole = words.length >= REQUEST_ID_LENGTH;
    const all = await platform.logs(report.name, { requestId: whole ? words : "", limit: LOG_LINES }, signal);
    const lines = all.filter(({ request_id }) => (request_id ?? "").includes(words));
    log.show(lines.length === 0 ? "empty" : "ready");
    drawLog(one("#log-list", HTMLElement), lines);
  } catch (error) {
    if (!signal.aborted) log.fail(error);
  }
}

/** @param {unknown} value */
function setEvent(value) {
  event.value = JSON.stringify(value, null, 2);
  showProblem(null);
}

/** @param {string | null} problem */
function showProblem(problem) {
  const line = one("#event-error", HTMLElement);
  line.hidden = problem === null;
  setText(line, problem ?? "");
  setAttribute(event, "aria-invalid", problem === null ? null : "true");
}

/** @param {SubmitEvent} submit */
async function invoke(submit) {
  submit.preventDefault();
  const report = current();
  if (!report || send.ariaBusy === "true") return;
  let value;
  try {
    value = JSON.parse(event.value);
  } catch (error) {
    showProblem(`This is not JSON: ${error instanceof Error ? error.message : error}`);
    event.focus();
    return;
  }
  showProblem(null);
  send.ariaBusy = "true";
  try {
    const answer = await platform.invoke(report.name, value);
    showAnswer(answer.function_error ?? "The function answered", answer.function_error !== null, answer.payload, answer.trace);
  } catch (error) {
    showAnswer(error instanceof Error ? error.message : String(error), true, undefined, null);
  } finally {
    send.ariaBusy = null;
  }
}

/** @param {string} title @param {boolean} failed @param {unknown} payload @param {string | null} trace */
function showAnswer(title, failed, payload, trace) {
  const answer = one("#answer", HTMLElement);
  answer.hidden = false;
  const heading = one("#answer-title", HTMLElement);
  setAttribute(heading, "data-state", failed ? "bad" : "ok");
  setText(heading, title);
  const pre = one("#answer-payload", HTMLElement);
  pre.hidden = payload === undefined;
  if (payload !== undefined) showJson(pre, payload);
  const flow = one("#answer-flow", HTMLAnchorElement);
  flow.hidden = trace === null;
  if (trace !== null) flow.href = flowPage(trace);
  announce(title);
}

const loadLogSoon = paced(() => void loadLog(), 1_000);
const drawSoon = paced(() => {
  draw();
  const report = current();
  if (report) drawSelected(report);
}, 100);

request.value = parameter("request") ?? "";
one("#log-filter", HTMLFormElement).addEventListener("submit", (submit) => submit.preventDefault());
request.addEventListener("input", () => {
  setParameter("request", request.value.trim() || null, "replace");
  delete one("#log-list", HTMLElement).dataset.touched;
  loadLogSoon();
});
one("#invoke", HTMLFormElement).addEventListener("submit", (submit) => void invoke(submit));
one("#event-reset", HTMLButtonElement).addEventListener("click", () => {
  const report = current();
  if (report) setEvent(sampleEvent(report));
});
event.addEventListener("input", () => showProblem(null));
addEventListener("popstate", () => {
  selected = parameter("name");
  request.value = parameter("request") ?? "";
  select(current());
});

follow({
  resync() {
    void load();
    void loadLog();
    void faults.load();
  },
  function(report) {
    const index = reports.findIndex(({ name }) => name === report.name);
    if (index < 0) return;
    reports[index] = report;
    drawSoon();
    if (report.name !== current()?.name) return;
    loadLogSoon();
    if (report.trigger === "schedule") void schedule.show(report.name);
  },
});
void load();
void faults.load();
