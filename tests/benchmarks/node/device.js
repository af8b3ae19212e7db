// A short description of the device behind a User-Agent, such as "Firefox on Linux".

const PROGRAMS = [
  ["Edg/", "Edge"],
  ["OPR/", "Opera"],
  ["Firefox/", "Firefox"],
  ["Chrome/", "Chrome"],
  ["Safari/", "Safari"],
];

const SYSTEMS = [
  ["iPhone", "iPhone"],
  ["Android", "Android"],
  ["Windows", "Windows"],
  ["Macintosh", "Mac"],
  ["Linux", "Linux"],
];

export function describe(userAgent) {
  const nameIn = (names) => names.find(([sign]) => userAgent.includes(sign))?.[1];
  return `${nameIn(PROGRAMS) ?? "Unknown program"} on ${nameIn(SYSTEMS) ?? "an unknown system"}`;
}
