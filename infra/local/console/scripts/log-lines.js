/**
 * A function's log by request. A structured line (JSON) is shown as time, level, message and fields; any
 * other as it is.
 *
 * @import { LogLine } from "./platform.js"
 *
 * @typedef {object} RequestLog
 * @property {string} key
 * @property {string | null} requestId null: before the first request, during init
 * @property {LogLine[]} lines oldest first
 *
 * @typedef {object} Reading
 * @property {string | null} level
 * @property {string} message
 * @property {string} fields `name=value` of all the rest
 */

import { fill, fromTemplate, reconcile, setAttribute, slot } from "./dom.js";
import { fullTime, plural, time } from "./format.js";

const MOST_LINES = 200;

/** @param {HTMLElement} list @param {readonly LogLine[]} lines */
export function drawLog(list, lines) {
  reconcile(list, byRequest(lines), {
    key: ({ key }) => key,
    create: () => fromTemplate("request-log-template"),
    update: (row, log) => {
      const [first] = log.lines;
      const levels = new Set(log.lines.map((line) => read(line.line).level));
      fill(row, {
        request: log.requestId ?? "Init",
        at: first ? time(first.at) : "",
        count: plural(log.lines.length, "line"),
        attention: levels.has("ERROR") ? "Errors" : levels.has("WARN") ? "Warnings" : null,
      });
      reconcile(
        slot(row, "lines"),
        log.lines.slice(-MOST_LINES).map((line, index) => ({ line, key: `${line.at} ${index}` })),
        { key: ({ key }) => key, create: () => fromTemplate("log-line-template"), update: (item, { line }) => drawLine(item, line) },
      );
    },
  });
  const opened = list.dataset.touched === undefined ? list.querySelector("details") : null;
  if (opened) {
    opened.open = true;
    list.dataset.touched = "";
  }
}

/** Newest request first. @param {readonly LogLine[]} lines @returns {RequestLog[]} */
function byRequest(lines) {
  /** @type {Map<string, RequestLog>} */
  const logs = new Map();
  for (const line of [...lines].sort((a, b) => Date.parse(a.at) - Date.parse(b.at))) {
    const key = line.request_id ?? `init of ${line.instance}`;
    const log = logs.get(key) ?? { key, requestId: line.request_id, lines: [] };
    log.lines.push(line);
    // Last written to, last in the map.
    logs.delete(key);
    logs.set(key, log);
  }
  return [...logs.values()].reverse();
}

/** @param {HTMLElement} row @param {LogLine} line */
function drawLine(row, line) {
  const { level, message, fields } = read(line.line);
  setAttribute(row, "data-level", level ?? (line.stream === "stderr" ? "STDERR" : null));
  fill(row, { at: time(line.at), level: level ?? line.stream, message, fields: fields || null });
  setAttribute(slot(row, "at"), "title", fullTime(line.at));
}

/** @param {string} line @returns {Reading} */
export function read(line) {
  const plain = { level: null, message: line, fields: "" };
  if (!line.trimStart().startsWith("{")) return plain;
  let object;
  try {
    object = JSON.parse(line);
  } catch {
    return plain;
  }
  // What the line's place says already is left out.
  const { level, message, timestamp: _at, function: _function, request_id: _request, fields, ...rest } = object;
  const nested = fields !== null && typeof fields === "object" ? fields : {};
  const { message: nestedMessage, ...others } = nested;
  const text = message ?? nestedMessage;
  return {
    level: typeof level === "string" ? level.toUpperCase() : null,
    message: typeof text === "string" ? text : "",
    fields: [...pairs({ ...others, ...rest })].join("  "),
  };
}

/** @param {Record<string, unknown>} object @param {string} [prefix] @returns {Generator<string>} */
function* pairs(object, prefix = "") {
  for (const [name, value] of Object.entries(object)) {
    if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      yield* pairs(/** @type {Record<string, unknown>} */ (value), `${prefix}${name}.`);
    } else {
      yield `${prefix}${name}=${typeof value === "string" ? value : JSON.stringify(value)}`;
    }
  }
}
