// POST /api/auth/sign-in

import { createHash, randomBytes } from "node:crypto";
import { domainToASCII } from "node:url";
import { verify as verifyPassword } from "@node-rs/argon2";
import { describe } from "./device.js";
import { ACCESS, DEVICE, REFRESH, sign, verify } from "./tokens.js";

const BY_CLIENT = { name: "sign_in.client", max: 100, window: 15 * 60 };
const TO_ACCOUNT = { name: "sign_in.account", max: 10, window: 15 * 60 };
const BY_STRANGERS = { name: "sign_in.strangers", max: 100, window: 60 * 60 };

// What is checked when there is no hash, so that it takes the same time.
const DECOY =
  "$argon2id$v=19$m=19456,t=2,p=1$YmlsbGlvbi1kZWNveS1oYXNo$9nZ0aH8yQkq3mVYJr6w1uB5tXcLfDgSePiRoKa7bE2M";

const MAX_ACCOUNTS = 5;

export async function signIn({ table, keys: reading, origin }, event, trace) {
  const body = parse(event);
  const email = body && addressKey(body.email);
  if (!email) return problem(event, 422, "validation", "Enter an email address, like name@example.com.");
  const keys = await reading;
  const device = knownDevice(keys, origin, event);
  const knows = device.accounts.some((known) => known.a === standIn("account:", email));

  const now = Date.now();
  const client = event.requestContext.http.sourceIp;
  const counters = knows
    ? [[TO_ACCOUNT, `${email} device ${device.did}`]]
    : [[TO_ACCOUNT, `${email} client ${client}`], [BY_CLIENT, client], [BY_STRANGERS, email]];
  const [allowed, user] = await Promise.all([take(table, counters, now), table.userByEmail(email)]);
  if (!allowed) return problem(event, 429, "too-many-requests", "Too many attempts. Try again later.");

  const right = await verifyPassword(user?.password_hash.S ?? DECOY, body.password.normalize("NFKC"));
  if (!user || !right || !user.verified_at) {
    return problem(event, 401, "invalid-credentials", "This address and password do not go together.");
  }

  const session = {
    id: `ses_${uuidV7(now)}`,
    user_id: user.id.S,
    device: describe(event.headers["user-agent"] ?? ""),
    created_at: new Date(now).toISOString(),
  };
  const started = {
    id: `evt_${uuidV7(now)}`,
    type: "session.started",
    traceparent: traceparent(trace),
    data: { session_id: session.id, device: session.device, new_device: Boolean(user.first_signed_in_at) && !isOf(device, user) },
  };
  const giveBack = counters.map(([limit, key]) => table.count(limit, key, now, -1).catch(console.warn));
  await Promise.all([table.startSession(user, session, started), ...giveBack]);

  const subject = { sub: session.user_id, sid: session.id };
  const access = sign(keys, origin, ACCESS, subject);
  const refresh = sign(keys, origin, REFRESH, { ...subject, gen: 0 });
  const known = sign(keys, origin, DEVICE, havingSignedIn(device, user));
  const signedIn = {
    id: user.id.S,
    email: user.email.S,
    name: user.name.S,
    verified: true,
    created_at: user.created_at.S,
  };
  return answer(event, 200, "application/json", { user: signedIn }, [
    cookie("__Host-access", access, "/", ACCESS, "Lax"),
    cookie("__Host-refresh", refresh, "/", REFRESH, "Strict"),
    cookie("__Host-device", known, "/", DEVICE, "Lax"),
  ]);
}

function parse(event) {
  try {
    const text = event.isBase64Encoded ? Buffer.from(event.body, "base64").toString() : event.body;
    const { email, password, ...others } = JSON.parse(text);
    const fits = typeof email === "string" && typeof password === "string" && Object.keys(others).length === 0;
    return fits ? { email, password } : undefined;
  } catch {
    return undefined;
  }
}

// The one spelling that accounts are told apart by.
function addressKey(text) {
  const address = text.trim().normalize("NFKC");
  const at = address.lastIndexOf("@");
  const [local, domain] = [address.slice(0, at), domainToASCII(address.slice(at + 1))];
  const fits = /^[\w!#$%&'*+\-/=?^`{|}~]+(\.[\w!#$%&'*+\-/=?^`{|}~]+)*$/.test(local) && domain.includes(".");
  return fits ? `${local}@${domain}`.toLowerCase() : undefined;
}

// From the narrowest limit to the widest.
async function take(table, counters, now) {
  for (const [limit, key] of counters) {
    if ((await table.count(limit, key, now, 1)) > limit.max) return false;
  }
  return true;
}

function knownDevice(keys, origin, event) {
  const pair = (event.cookies ?? []).find((cookie) => cookie.startsWith("__Host-device="));
  const claims = pair && verify(keys, origin, DEVICE, pair.slice(pair.indexOf("=") + 1));
  return claims ?? { did: randomBytes(16).toString("hex"), accounts: [] };
}

function isOf({ accounts }, user) {
  const { a, o } = accountOf(user);
  return accounts.some((known) => known.a === a && known.o === o);
}

function havingSignedIn({ did, accounts }, user) {
  const account = accountOf(user);
  return { did, accounts: [...accounts.filter((known) => known.a !== account.a), account].slice(-MAX_ACCOUNTS) };
}

function accountOf(user) {
  return {
    a: standIn("account:", addressKey(user.email.S)),
    o: standIn("owner:", `${user.id.S} ${user.password_changes?.N ?? 0}`),
  };
}

function standIn(kind, text) {
  return createHash("sha256").update(kind + text).digest("hex").slice(0, 32);
}

function uuidV7(now) {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(now, 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString("hex");
}

function traceparent(trace) {
  const [, time, random] = /Root=1-(\w+)-(\w+)/.exec(trace);
  const [, parent] = /Parent=(\w+)/.exec(trace);
  return `00-${time}${random}-${parent}-01`;
}

function cookie(name, value, path, { life }, sameSite) {
  return `${name}=${value}; Path=${path}; Max-Age=${life}; HttpOnly; Secure; SameSite=${sameSite}`;
}

function problem(event, status, slug, detail) {
  const document = { type: `/problems/${slug}`, title: detail, status, request_id: event.requestContext.requestId };
  return answer(event, status, "application/problem+json", document, []);
}

function answer(event, statusCode, type, body, cookies) {
  const { requestId, http } = event.requestContext;
  const line = { timestamp: new Date().toISOString(), level: "INFO", message: "answered", request_id: requestId };
  console.log(JSON.stringify({ ...line, method: http.method, route: http.path, status: statusCode }));
  const headers = { "content-type": type, "cache-control": "no-store" };
  return { statusCode, headers, cookies, body: JSON.stringify(body), isBase64Encoded: false };
}
