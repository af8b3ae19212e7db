/**
 * The page Inbox: every mail that the functions sent, and a reader.
 *
 * @import { Email, EmailDetail } from "./platform.js"
 */

import { announce, fill, fromTemplate, one, parameter, reconcile, setAttribute, setParameter, setText, slot, View } from "./dom.js";
import { count, fullTime, time } from "./format.js";
import { follow, paced } from "./live.js";
import { emailPage, flowPage } from "./pages.js";
import * as platform from "./platform.js";
import { Tabs } from "./tabs.js";

const PAGE = 50;
/** The most that the platform tells of at once. Older mail is still found by its whole address. */
const MOST_MAILS = 1_000;

const list = new View("#inbox", () => void load());
const reader = new View("#reader", () => opened && void open(opened));
const search = one("#address", HTMLInputElement);
const tabs = new Tabs(one("#reader-tabs", HTMLElement));
const more = one("#inbox-more", HTMLButtonElement);

/** Newest first. @type {Email[]} */
let mails = [];
/** @type {string | null} */
let opened = parameter("id");
let loading = new AbortController();
let limit = PAGE;

async function load() {
  try {
    mails = await platform.emails(MOST_MAILS);
    draw();
    if (opened === null && mails[0] && isWide()) void open(mails[0].id);
    else if (opened === null) reader.show("empty");
  } catch (error) {
    list.fail(error);
    if (opened === null) reader.show("empty");
  }
}

/** On a phone the reader is below the list, so nothing is opened unasked. */
const isWide = () => matchMedia("(min-width: 52rem)").matches;

function draw() {
  const words = search.value.trim().toLowerCase();
  const shown = mails.filter((mail) => words === "" || mail.to.some((to) => to.toLowerCase().includes(words)));
  list.show(mails.length === 0 ? "empty" : "ready");
  one("#inbox-unmatched", HTMLElement).hidden = mails.length === 0 || shown.length > 0;
  const older = mails.length < MOST_MAILS ? "" : "+";
  setText(one("#inbox-count", HTMLElement), count(shown.length) + older);
  reconcile(one("#inbox-list", HTMLElement), shown.slice(0, limit), {
    key: ({ id }) => id,
    create: ({ id }) => {
      const row = fromTemplate("mail-template");
      const link = one("a", HTMLAnchorElement, row);
      link.href = emailPage(id);
      link.addEventListener("click", (event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        setParameter("id", id, "push");
        void open(id).then(() => isWide() || reader.element.scrollIntoView());
      });
      return row;
    },
    update: (row, mail) => {
      fill(row, {
        subject: mail.subject || "(no subject)",
        to: mail.to.join(", "),
        at: time(mail.received_at),
        function: mail.function ?? "",
      });
      setAttribute(slot(row, "at"), "title", fullTime(mail.received_at));
      setAttribute(one("a", HTMLAnchorElement, row), "aria-current", mail.id === opened ? "true" : null);
    },
  });
  more.hidden = shown.length <= limit;
}

/** @param {string} id */
async function open(id) {
  loading.abort();
  loading = new AbortController();
  const { signal } = loading;
  opened = id;
  draw();
  try {
    show(await platform.email(id, signal));
  } catch (error) {
    if (signal.aborted) return;
    reader.show("loading");
    reader.fail(error);
  }
}

/** @param {EmailDetail} mail */
function show(mail) {
  fill(reader.element, {
    subject: mail.subject || "(no subject)",
    from: mail.from,
    to: mail.to.join(", "),
    received: fullTime(mail.received_at),
    function: mail.function ?? "not known",
    size: `${count(mail.raw_bytes)} bytes`,
    text: mail.text ?? "",
  });
  const flow = one("#reader-flow", HTMLAnchorElement);
  flow.hidden = mail.trace === null;
  if (mail.trace !== null) flow.href = flowPage(mail.trace);

  showHtml(mail);
  one("#tab-html", HTMLButtonElement).disabled = mail.html === null;
  one("#tab-text", HTMLButtonElement).disabled = mail.text === null;
  tabs.settle();
  reconcile(
    one("#reader-headers", HTMLElement),
    mail.headers.map((header, index) => ({ ...header, index })),
    {
      key: ({ index, name, value }) => `${index} ${name} ${value}`,
      create: () => fromTemplate("header-template"),
      update: (row, { name, value }) => fill(row, { name, value }),
    },
  );
  one("#reader-links", HTMLElement).hidden = mail.links.length === 0;
  reconcile(one("#reader-link-list", HTMLElement), [...new Set(mail.links.map(normal))], {
    key: (link) => link,
    create: (link) => fromTemplate(isWeb(link) ? "link-template" : "text-link-template"),
    update: (row, link) => {
      const shown = slot(row, "link");
      setText(shown, link);
      if (shown instanceof HTMLAnchorElement) shown.href = link;
    },
  });
  reader.show("ready");
}

/**
 * The HTML part, in a frame that may run no script. A frame for each mail: to change one frame's address would
 * add to the history.
 * @param {EmailDetail} mail
 */
function showHtml(mail) {
  const panel = one("#panel-html", HTMLElement);
  const before = panel.querySelector("iframe");
  if (before?.dataset.mail === mail.id) return;
  before?.remove();
  if (mail.html === null) return;
  const frame = fromTemplate("frame-template");
  if (!(frame instanceof HTMLIFrameElement)) throw new Error("The frame's template holds no frame.");
  frame.dataset.mail = mail.id;
  frame.src = platform.emailHtmlAddress(mail.id);
  panel.append(frame);
}

/** The text part says `http://host` where HTML says `http://host/`. @param {string} link */
const normal = (link) => (isWeb(link) ? new URL(link).href : link);

/** Mail may hold `javascript:` and worse. @param {string} link */
function isWeb(link) {
  try {
    return ["http:", "https:"].includes(new URL(link).protocol);
  } catch {
    return false;
  }
}

/** Mail to one address, from the platform's whole store. */
const searchSoon = paced(() => void searchAddress(), 300);
async function searchAddress() {
  const address = search.value.trim();
  if (!/^[^@\s]+@[^@\s]+$/.test(address)) return;
  try {
    const found = await platform.emails(MOST_MAILS, address);
    const known = new Set(mails.map(({ id }) => id));
    const news = found.filter(({ id }) => !known.has(id));
    if (news.length === 0) return;
    mails = [...mails, ...news].sort((a, b) => Date.parse(b.received_at) - Date.parse(a.received_at));
    draw();
  } catch {
    // What is loaded is searched already.
  }
}

const drawSoon = paced(draw, 100);

one("#inbox-filter", HTMLFormElement).addEventListener("submit", (event) => event.preventDefault());
search.addEventListener("input", () => {
  limit = PAGE;
  draw();
  searchSoon();
});
more.addEventListener("click", () => {
  limit += PAGE;
  draw();
});
addEventListener("popstate", () => {
  const id = parameter("id");
  if (id) {
    void open(id);
  } else {
    loading.abort();
    opened = null;
    void load();
  }
});

follow({
  resync: () => void load(),
  email(mail) {
    mails = [mail, ...mails.filter(({ id }) => id !== mail.id)].slice(0, MOST_MAILS);
    announce(`New mail: ${mail.subject}`);
    if (opened === null && isWide()) void open(mail.id);
    else drawSoon();
  },
});
if (opened !== null) void open(opened);
void load();
