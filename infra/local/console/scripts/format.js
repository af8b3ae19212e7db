/** Numbers, times and names as the console writes them. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en", { month: "short", day: "numeric" });
const full = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "long" });

export const NONE = "–";

/** @param {number | null | undefined} value */
export const count = (value) => (value == null ? NONE : whole.format(value));

/** A count where nothing is worth no ink. @param {number} value */
export const countOrDash = (value) => (value === 0 ? NONE : whole.format(value));

/** Milliseconds as a bare number. @param {number | null | undefined} value */
export const milliseconds = (value) => {
  if (value == null) return NONE;
  return value < 1_000 ? tenths.format(value) : whole.format(value);
};

/** @param {number | null | undefined} value */
export const duration = (value) => (value == null ? NONE : `${milliseconds(value)} ms`);

/** @param {number | null | undefined} value */
export const mebibytes = (value) => (value == null ? NONE : `${whole.format(value)} MiB`);

/** The time of day, and the day if it is another. @param {string} at RFC 3339 */
export const time = (at) => {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return at;
  const today = date.toDateString() === new Date().toDateString();
  return today ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`;
};

/** @param {string} at RFC 3339 */
export const fullTime = (at) => {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? at : full.format(date);
};

/** Enough of a trace or request id to tell it from its neighbours. @param {string} id */
export const shortId = (id) => (id.length > 13 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id);

/** @param {number} n @param {string} one @param {string} [many] */
export const plural = (n, one, many = `${one}s`) => `${whole.format(n)} ${n === 1 ? one : many}`;

/** @type {Record<string, string>} */
const REASONS = {
  200: "OK", 201: "Created", 202: "Accepted", 204: "No Content",
  301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified",
  400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
  409: "Conflict", 410: "Gone", 413: "Content Too Large", 415: "Unsupported Media Type",
  422: "Unprocessable Content", 429: "Too Many Requests", 500: "Internal Server Error",
  502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
};

/** `202 Accepted`. @param {number} status */
export const httpStatus = (status) => `${status} ${REASONS[status] ?? ""}`.trim();
