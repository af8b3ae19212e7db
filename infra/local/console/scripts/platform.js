/**
 * The platform's JSON under `/_local`, as the README documents it. Every text in it may come from
 * a stranger (an address, a subject, a log line), so views only ever set it as text.
 *
 * @typedef {"running" | "ok" | "error"} Status
 *
 * @typedef {object} Flow One request or event, and everything that followed from it.
 * @property {string} trace 32 hexadecimal digits
 * @property {string} name such as `POST /api/auth/sign-up`
 * @property {string} started_at RFC 3339
 * @property {number | null} duration_ms
 * @property {Status} status
 * @property {number | null} http_status
 * @property {number} functions how many invocations
 * @property {number} cold_starts
 * @property {number} billed_ms
 * @property {number} errors
 * @property {number} retries
 *
 * @typedef {object} FunctionRun
 * @property {string} request_id
 * @property {string} instance
 * @property {boolean} cold
 * @property {number | null} init_ms
 * @property {number} run_ms
 * @property {number} billed_ms
 * @property {number} memory_mib what it may use
 * @property {number} max_memory_mib what it used
 *
 * @typedef {"http" | "function" | "table" | "stream" | "bus" | "queue" | "mail" | "text" | "topic" | "schedule" | "payment"} StepKind
 *
 * @typedef {object} Step
 * @property {string} id 16 hexadecimal digits
 * @property {string | null} parent
 * @property {StepKind} kind
 * @property {string} name
 * @property {string | null} detail
 * @property {number} started_ms since the flow's start
 * @property {number | null} duration_ms null while it runs
 * @property {Status} status
 * @property {string | null} error
 * @property {number} attempt
 * @property {FunctionRun | null} function
 * @property {number | null} capacity_units
 * @property {string | null} email id of the captured mail
 * @property {string | null} text id of the text
 * @property {string | null} event such as `user.signed_up`
 *
 * @typedef {Flow & { steps: Step[] }} FlowDetail
 *
 * @typedef {object} Summary
 * @property {number} invocations
 * @property {number} cold_starts
 * @property {number} errors
 * @property {number | null} p50_ms
 * @property {number | null} p95_ms
 * @property {number} billed_ms
 * @property {number} emails
 * @property {number} texts
 * @property {number} dead_letters
 *
 * @typedef {object} Email
 * @property {string} id
 * @property {string} received_at RFC 3339
 * @property {string} from
 * @property {string[]} to
 * @property {string} subject
 * @property {string | null} function which one sent it
 * @property {string | null} trace
 * @property {string[]} links
 *
 * @typedef {Email & {
 *   headers: { name: string, value: string }[],
 *   text: string | null,
 *   html: string | null,
 *   raw_bytes: number,
 * }} EmailDetail
 *
 * @typedef {object} Text
 * @property {string} id
 * @property {string} at RFC 3339
 * @property {"sent" | "received"} direction
 * @property {string} number of the phone, E.164
 * @property {string} body
 * @property {string | null} sender_id the name that the phone shows
 * @property {"transactional" | "promotional" | null} type
 * @property {number} parts how many texts of a phone it takes
 * @property {string | null} function which one sent it
 * @property {string | null} trace
 * @property {{ status: string, at: string } | null} receipt what the carrier said last
 * @property {string | null} in_reply_to
 *
 * @typedef {object} TextAnswer What a phone or its carrier set going.
 * @property {string} id
 * @property {string} trace
 *
 * @typedef {object} PaymentWebhook
 * @property {string} id of the event
 * @property {string} type such as `invoice.paid`
 * @property {string | null} object the id of what it is about
 * @property {string} created_at RFC 3339, by the provider's clock
 * @property {string | null} trace
 * @property {"waiting" | "delivered" | "failed" | "dropped"} status
 * @property {{ at: string, status: number | null, error: string | null, duration_ms: number }[]} attempts
 * @property {string | null} next_attempt_at RFC 3339
 *
 * @typedef {object} Switches What goes wrong with webhooks on purpose.
 * @property {boolean} duplicate
 * @property {boolean} reorder
 * @property {number} delay_ms
 * @property {boolean} drop
 *
 * @typedef {object} Payments What the simulated payment provider knows. Amounts are in minor units.
 * @property {"simulator"} provider
 * @property {string} now RFC 3339, by the provider's clock
 * @property {number} ahead_seconds
 * @property {{ at: string, what: string } | null} next
 * @property {Switches} switches
 * @property {{
 *   id: string, deleted: boolean, email: string | null, card: { brand: string, last4: string } | null,
 * }[]} customers
 * @property {{
 *   id: string, customer: string, status: string, price: string, plan: string | null, amount: number | null,
 *   currency: string | null, interval: string | null, period_end: string, cancel_at: string | null, ended_at: string | null,
 *   trace: string | null,
 * }[]} subscriptions
 * @property {{
 *   id: string, number: string | null, customer: string, status: string, reason: string, amount_due: number,
 *   amount_paid: number, amount_refunded: number, currency: string, next_attempt_at: string | null,
 *   url: string | null, trace: string | null,
 * }[]} invoices
 * @property {PaymentWebhook[]} webhooks
 *
 * @typedef {object} Schedule
 * @property {string} function
 * @property {number} every_minutes
 * @property {string | null} last_run_at RFC 3339
 * @property {string | null} last_trace
 * @property {string} next_run_at RFC 3339
 *
 * @typedef {object} Instance
 * @property {string} id
 * @property {number} pid
 * @property {"starting" | "busy" | "frozen"} state
 * @property {string} started_at RFC 3339
 * @property {number} invocations
 * @property {number | null} memory_mib
 *
 * @typedef {object} FunctionReport
 * @property {string} name
 * @property {string} purpose
 * @property {"http" | "stream" | "queue" | "schedule"} trigger
 * @property {number} memory_mib
 * @property {number} timeout_seconds
 * @property {number | null} concurrency_limit
 * @property {number} invocations
 * @property {number} errors
 * @property {number} throttles
 * @property {number} cold_starts
 * @property {number | null} p50_ms
 * @property {number} billed_ms
 * @property {Instance[]} instances
 *
 * @typedef {object} LogLine
 * @property {string} at RFC 3339
 * @property {string | null} request_id null during init
 * @property {string} instance
 * @property {"stdout" | "stderr"} stream
 * @property {string} line
 *
 * @typedef {object} Answer What a function answered to a direct invocation.
 * @property {number} status
 * @property {string | null} function_error
 * @property {unknown} payload
 * @property {string | null} trace
 *
 * @typedef {object} DeadLetter
 * @property {string} id
 * @property {string} queue the function that could not handle it
 * @property {"queue" | "stream" | "invocation"} origin
 * @property {string} reason
 * @property {number} receive_count
 * @property {string | null} first_received_at RFC 3339
 * @property {string} dead_at RFC 3339
 * @property {string | null} event_type
 * @property {string | null} trace
 * @property {unknown} body
 *
 * @typedef {object} Queue
 * @property {string} name
 * @property {number} visible
 * @property {number} in_flight
 * @property {number} dead
 *
 * @typedef {object} Item
 * @property {string} pk
 * @property {string} sk
 * @property {Record<string, unknown>} attributes
 *
 * @typedef {object} TableFaults Each a probability from 0 to 1, but for the seed.
 * @property {number} throttle
 * @property {number} error
 * @property {number} conflict
 * @property {number} drop_reply
 * @property {number} seed
 *
 * @typedef {"ok" | "refuse" | "throttle" | "timeout" | "accept_then_timeout"} SendMode
 *
 * @typedef {object} Settings
 * @property {{ table: TableFaults, mail: SendMode, texts: SendMode, payments: SendMode }} faults
 */

/** A refusal by the platform, or no answer at all; `message` is for people. */
export class PlatformError extends Error {
  /**
   * @param {string} message
   * @param {number | null} status null: the platform did not answer
   */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * @template T
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
async function get(path, signal) {
  const response = await request(path, signal ? { signal } : {});
  return response.json();
}

/**
 * @param {string} path
 * @param {RequestInit} init
 * @returns {Promise<Response>}
 */
async function request(path, init) {
  let response;
  try {
    response = await fetch(path, { ...init, headers: { accept: "application/json", ...init.headers } });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new PlatformError("The platform does not answer. Is cargo local still running?", null);
  }
  if (!response.ok) throw new PlatformError(await refusal(response), response.status);
  return response;
}

/**
 * The problem document's sentence, or the status.
 * @param {Response} response
 */
async function refusal(response) {
  try {
    const problem = await response.json();
    const sentence = problem.detail ?? problem.title;
    if (typeof sentence === "string") return sentence;
  } catch {
    // Not a problem document: the status says enough.
  }
  return `The platform answered ${response.status}.`;
}

/** @param {unknown} body @returns {RequestInit} */
const json = (body) => ({ headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

/** @param {number} limit @returns {Promise<Flow[]>} */
export const flows = async (limit) =>
  (/** @type {{ flows: Flow[] }} */ (await get(`/_local/flows?limit=${limit}`))).flows;

/** @param {string} trace @param {AbortSignal} signal @returns {Promise<FlowDetail>} */
export const flow = (trace, signal) => get(`/_local/flows/${encodeURIComponent(trace)}`, signal);

/** @returns {Promise<Summary>} */
export const summary = () => get("/_local/summary");

/** The newest. @param {number} limit @param {string} [to] only mail to this address @returns {Promise<Email[]>} */
export const emails = async (limit, to) =>
  (/** @type {{ emails: Email[] }} */ (await get(`/_local/emails?${newest(limit, to)}`))).emails;

/** @param {string} id @param {AbortSignal} signal @returns {Promise<EmailDetail>} */
export const email = (id, signal) => get(`/_local/emails/${encodeURIComponent(id)}`, signal);

/** Where the HTML part is served as a sandboxed document. @param {string} id */
export const emailHtmlAddress = (id) => `/_local/emails/${encodeURIComponent(id)}/html`;

/** The newest. @param {number} limit @param {string} [to] only texts of numbers that begin so @returns {Promise<Text[]>} */
export const texts = async (limit, to) =>
  (/** @type {{ texts: Text[] }} */ (await get(`/_local/texts?${newest(limit, to)}`))).texts;

/** @param {number} limit @param {string} [to] */
const newest = (limit, to) => new URLSearchParams({ limit: String(limit), ...(to && { to }) });

/** @param {string} id @param {AbortSignal} signal @returns {Promise<Text>} */
export const text = (id, signal) => get(`/_local/texts/${encodeURIComponent(id)}`, signal);

/** @param {string} id @param {string} body @returns {Promise<TextAnswer>} */
export const replyToText = async (id, body) =>
  (await request(`/_local/texts/${encodeURIComponent(id)}/reply`, { method: "POST", ...json({ body }) })).json();

/** @param {string} id @param {string} status such as `DELIVERED` @returns {Promise<TextAnswer>} */
export const textReceipt = async (id, status) =>
  (await request(`/_local/texts/${encodeURIComponent(id)}/receipt`, { method: "POST", ...json({ status }) })).json();

/** @returns {Promise<Payments | { provider: "stripe" }>} */
export const payments = () => get("/_local/payments");

/** @param {{ advance_seconds: number } | { until: string }} by */
export const advanceClock = (by) => request("/_local/payments/clock", { method: "POST", ...json(by) });

/** @param {Switches} switches */
export const switchWebhooks = (switches) => request("/_local/payments/switches", { method: "PUT", ...json(switches) });

/** Waits for the app's answer. @param {string} id @returns {Promise<{ status: number | null, error: string | null }>} */
export const resendWebhook = async (id) =>
  (await request(`/_local/payments/webhooks/${encodeURIComponent(id)}/resend`, { method: "POST" })).json();

/** @param {string} id */
export const refundInvoice = (id) =>
  request(`/_local/payments/invoices/${encodeURIComponent(id)}/refund`, { method: "POST", ...json({}) });

/** @param {string} id @returns {Promise<{ url: string }>} */
export const openPortal = async (id) =>
  (await request(`/_local/payments/customers/${encodeURIComponent(id)}/portal`, { method: "POST" })).json();

/** @returns {Promise<Schedule[]>} */
export const schedules = async () =>
  (/** @type {{ schedules: Schedule[] }} */ (await get("/_local/schedules"))).schedules;

/** Starts a function as its schedule does. @param {string} name @returns {Promise<{ trace: string }>} */
export const runSchedule = async (name) =>
  (await request(`/_local/schedules/${encodeURIComponent(name)}/run`, { method: "POST" })).json();

/** @returns {Promise<FunctionReport[]>} */
export const functions = async () =>
  (/** @type {{ functions: FunctionReport[] }} */ (await get("/_local/functions"))).functions;

/**
 * @param {string} name
 * @param {{ requestId: string, limit: number }} options
 * @param {AbortSignal} signal
 * @returns {Promise<LogLine[]>}
 */
export const logs = async (name, { requestId, limit }, signal) => {
  const query = new URLSearchParams({ limit: String(limit) });
  if (requestId) query.set("request_id", requestId);
  const path = `/_local/functions/${encodeURIComponent(name)}/logs?${query}`;
  return (/** @type {{ lines: LogLine[] }} */ (await get(path, signal))).lines;
};

/** @param {string} name @param {unknown} event @returns {Promise<Answer>} */
export const invoke = async (name, event) => {
  const path = `/_local/functions/${encodeURIComponent(name)}/invoke`;
  return (await request(path, { method: "POST", ...json(event) })).json();
};

/** @returns {Promise<DeadLetter[]>} */
export const deadLetters = async () =>
  (/** @type {{ dead_letters: DeadLetter[] }} */ (await get("/_local/dead-letters"))).dead_letters;

/** @param {string} id */
export const redrive = (id) =>
  request(`/_local/dead-letters/${encodeURIComponent(id)}/redrive`, { method: "POST" });

/** @param {string} id */
export const deleteDeadLetter = (id) =>
  request(`/_local/dead-letters/${encodeURIComponent(id)}`, { method: "DELETE" });

/** @returns {Promise<Queue[]>} */
export const queues = async () => (/** @type {{ queues: Queue[] }} */ (await get("/_local/queues"))).queues;

/**
 * @param {{ prefix: string, cursor: string | null, limit: number }} options
 * @param {AbortSignal} signal
 * @returns {Promise<{ items: Item[], next_cursor: string | null }>}
 */
export const table = ({ prefix, cursor, limit }, signal) => {
  const query = new URLSearchParams({ limit: String(limit) });
  if (prefix) query.set("pk_prefix", prefix);
  if (cursor) query.set("cursor", cursor);
  return get(`/_local/table?${query}`, signal);
};

/** @returns {Promise<Settings>} */
export const settings = () => get("/_local/settings");

/** @param {Settings} value @returns {Promise<unknown>} */
export const saveSettings = (value) => request("/_local/settings", { method: "PUT", ...json(value) });
