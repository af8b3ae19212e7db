// The one way to the API: JSON in and out, problems as errors, and a session that renews itself.
//
// Tokens are in HttpOnly cookies, so that no script ever sees one. When the access token has run
// out the API answers 401; then the session is refreshed once and the request sent again.

import { signInAddress } from "./next.js";

/** @typedef {"GET" | "POST" | "PUT" | "PATCH" | "DELETE"} Method */
/** @typedef {{ field: string, message: string }} FieldError */

/** A request that did not do what it was for. The message is for people. */
export class Problem extends Error {
  /**
   * @param {string} message
   * @param {{ type?: string, status?: number, requestId?: string, fields?: FieldError[], retryAfter?: number }} [about]
   */
  constructor(message, about = {}) {
    super(message);
    this.name = "Problem";
    /** What kind of problem, such as "validation"; "unreachable" when there was no answer. */
    this.type = about.type ?? "unknown";
    /** The HTTP status; 0 when there was no answer. */
    this.status = about.status ?? 0;
    this.requestId = about.requestId;
    this.fields = about.fields ?? [];
    /** Seconds to wait before another try, if the server said so. */
    this.retryAfter = about.retryAfter;
  }
}

/** The session is over: only signing in again helps. */
export class SignedOut extends Problem {
  constructor() {
    super("You are signed out.", { type: "unauthenticated", status: 401 });
    this.name = "SignedOut";
  }
}

/**
 * Asks for something that anyone may ask for.
 * @template T
 * @param {Method} method
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<T>}
 */
export async function ask(method, path, body) {
  return read(await send(method, path, body));
}

/**
 * Asks as the signed-in user. Without a session the browser goes to the sign-in page, and comes back.
 * @template T
 * @param {Method} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {Record<string, string>} [headers] the same in each attempt
 * @returns {Promise<T>}
 */
export async function askAsUser(method, path, body, headers) {
  let response = await send(method, path, body, headers);
  if (response.status === 401) {
    await leaveUnread(response);
    const refreshed = await refresh();
    if (refreshed) response = await send(method, path, body, headers);
  }
  if (response.status === 401) {
    await leaveUnread(response);
    location.replace(signInAddress());
    throw new SignedOut();
  }
  return read(response);
}

/**
 * Begins a session and tells the other tabs, which may show somebody else.
 * @param {string} email
 * @param {string} password
 */
export async function signIn(email, password) {
  await ask("POST", "/api/auth/sign-in", { email, password });
  tabs.postMessage("signed-in");
}

/** Ends the session here and tells the other tabs. */
export async function signOut() {
  await ask("POST", "/api/auth/sign-out");
  tabs.postMessage("signed-out");
}

/**
 * Deletes the account for good, which ends its session here and in the other tabs.
 * @param {string} password
 */
export async function deleteAccount(password) {
  await askAsUser("POST", "/api/auth/account/delete", { password });
  tabs.postMessage("signed-out");
}

/**
 * Runs when another tab has signed in or out.
 * @param {"signed-in" | "signed-out"} what
 * @param {() => void} then
 */
export function onElsewhere(what, then) {
  tabs.addEventListener("message", (event) => {
    if (event.data === what) then();
  });
}

const tabs = new BroadcastChannel("session");
let refreshes = 0;
tabs.addEventListener("message", (event) => {
  if (event.data === "refreshed") refreshes += 1;
});

/**
 * Refreshes the session, one tab at a time: those that waited find the work done.
 * @returns {Promise<boolean>} whether there is a session
 */
async function refresh() {
  const before = refreshes;
  return await navigator.locks.request("refresh", async () => {
    if (refreshes !== before) return true;
    const response = await sendRefresh();
    if (!response.ok && response.status !== 401) throw await problemOf(response);
    await leaveUnread(response);
    if (response.status === 401) return false;
    refreshes += 1;
    tabs.postMessage("refreshed");
    return true;
  });
}

/** How long to wait for a new token before asking again: four times within the server's ten seconds. */
const REFRESH_PATIENCE = 2_500;

/**
 * The new token may have been made and its reply lost. The server answers a repeat within ten
 * seconds with the same token and takes a later one for theft, so repeat before that. Only the last
 * try may take its time, on a slow way.
 */
async function sendRefresh() {
  for (let triesLeft = 3; ; triesLeft -= 1) {
    try {
      const signal = triesLeft > 0 ? AbortSignal.timeout(REFRESH_PATIENCE) : null;
      return await send("POST", "/api/auth/refresh", undefined, {}, signal);
    } catch (error) {
      if (triesLeft === 0 || !navigator.onLine) throw error;
    }
  }
}

/**
 * @param {Method} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {Record<string, string>} [more] headers
 * @param {AbortSignal | null} [signal]
 */
async function send(method, path, body, more, signal = null) {
  const headers = new Headers({ accept: "application/json, application/problem+json", ...more });
  /** @type {RequestInit} */
  const init = { method, headers, signal, credentials: "same-origin", cache: "no-store", redirect: "error" };
  if (body !== undefined) {
    headers.set("content-type", "application/json");
    init.body = JSON.stringify(body);
  }
  try {
    return await fetch(path, init);
  } catch {
    throw new Problem(
      navigator.onLine
        ? "The server cannot be reached. Try again in a moment."
        : "You are offline. Connect to the internet, then try again.",
      { type: "unreachable" },
    );
  }
}

/**
 * A body that nobody reads keeps its connection from the next request.
 * @param {Response} response
 */
async function leaveUnread(response) {
  if (!response.bodyUsed) await response.body?.cancel();
}

/**
 * @template T
 * @param {Response} response
 * @returns {Promise<T>}
 */
async function read(response) {
  if (!response.ok) throw await problemOf(response);
  const text = await response.text();
  return text === "" ? /** @type {T} */ (undefined) : JSON.parse(text);
}

/** @param {Response} response */
async function problemOf(response) {
  const document = await problemDocument(response);
  const retryAfter = Number(response.headers.get("retry-after"));
  return new Problem(document.detail ?? withoutDetail(response.status, retryAfter), {
    type: (document.type ?? "unknown").replace(/^.*\/problems\//, ""),
    status: response.status,
    ...(document.request_id ? { requestId: document.request_id } : {}),
    ...(Array.isArray(document.errors) ? { fields: document.errors } : {}),
    ...(retryAfter > 0 ? { retryAfter } : {}),
  });
}

/**
 * @param {Response} response
 * @returns {Promise<{ type?: string, detail?: string, request_id?: string, errors?: FieldError[] }>}
 */
async function problemDocument(response) {
  if (!response.headers.get("content-type")?.startsWith("application/problem+json")) return {};
  try {
    return await response.json();
  } catch {
    return {}; // cut short on the way
  }
}

/**
 * @param {number} status
 * @param {number} retryAfter seconds
 */
function withoutDetail(status, retryAfter) {
  if (status === 429) {
    return `Too many tries. Wait ${retryAfter > 0 ? `${retryAfter} seconds` : "a moment"}, then try again.`;
  }
  return "Something went wrong on our side. Try again in a moment.";
}
