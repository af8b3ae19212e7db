// Signed tokens: EdDSA and nothing else.

import { sign as signBytes, verify as verifyBytes } from "node:crypto";

const DAY = 24 * 60 * 60;

export const ACCESS = { type: "at+jwt", audience: "/api", life: 10 * 60 };
export const REFRESH = { type: "rt+jwt", audience: "/api/auth/refresh", life: 30 * DAY };
export const DEVICE = { type: "device+jwt", audience: "/api/auth/sign-in", life: 400 * DAY };

const LEEWAY = 5;

export function sign(keys, origin, kind, claims) {
  const { kid, key } = keys.signing;
  const now = Math.floor(Date.now() / 1000);
  const header = { typ: kind.type, alg: "EdDSA", kid };
  const payload = { iss: origin, aud: origin + kind.audience, iat: now, exp: now + kind.life, ...claims };
  const message = `${encode(header)}.${encode(payload)}`;
  return `${message}.${signBytes(null, Buffer.from(message), key).toString("base64url")}`;
}

// What a token of this kind claims, or undefined if it is none that is good.
export function verify(keys, origin, kind, token) {
  try {
    const [header, payload, signature, ...rest] = token.split(".");
    const { typ, alg, kid } = decode(header);
    const key = keys.verifying.get(kid);
    if (rest.length > 0 || typ !== kind.type || alg !== "EdDSA" || key === undefined) return undefined;
    const message = Buffer.from(`${header}.${payload}`);
    if (!verifyBytes(null, message, key, Buffer.from(signature, "base64url"))) return undefined;
    const claims = decode(payload);
    const now = Math.floor(Date.now() / 1000);
    const good = claims.iss === origin && claims.aud === origin + kind.audience && claims.iat <= now + LEEWAY
      && now < claims.exp;
    return good ? claims : undefined;
  } catch {
    return undefined;
  }
}

function encode(json) {
  return Buffer.from(JSON.stringify(json)).toString("base64url");
}

function decode(part) {
  return JSON.parse(Buffer.from(part, "base64url"));
}
