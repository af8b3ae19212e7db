/**
 * The page Dead letters: what could not be done after all its retries, with another chance or an end for each.
 *
 * @import { DeadLetter } from "./platform.js"
 */

import { announce, fill, fromTemplate, one, reconcile, setAttribute, setText, slot, View } from "./dom.js";
import { count, fullTime, plural, time } from "./format.js";
import { showJson } from "./json.js";
import { follow, paced } from "./live.js";
import { flowPage } from "./pages.js";
import * as platform from "./platform.js";

const MOST = 100;

/** What stands before the function's name. */
const SOURCES = { queue: "from the queue", stream: "from the stream for the function", invocation: "for the function" };

const list = new View("#letters", () => void load());
const queues = new View("#queues", () => void loadQueues());
const confirmation = one("#confirm-delete", HTMLDialogElement);
const outcome = one("#outcome", HTMLElement);

/** @type {DeadLetter[]} */
let letters = [];

async function load() {
  try {
    letters = await platform.deadLetters();
    draw();
  } catch (error) {
    list.fail(error);
  }
}

async function loadQueues() {
  try {
    const depths = await platform.queues();
    queues.show(depths.length === 0 ? "empty" : "ready");
    reconcile(one("#queue-list", HTMLElement), depths, {
      key: ({ name }) => name,
      create: () => fromTemplate("queue-template"),
      update: (row, { name, visible, in_flight, dead }) => {
        setAttribute(slot(row, "dead"), "data-state", dead > 0 ? "bad" : "none");
        fill(row, { name, visible: count(visible), in_flight: count(in_flight), dead: count(dead) });
      },
    });
  } catch (error) {
    queues.fail(error);
  }
}

function draw() {
  list.show(letters.length === 0 ? "empty" : "ready");
  setText(one("#letters-count", HTMLElement), letters.length === 0 ? "" : plural(letters.length, "dead letter"));
  reconcile(one("#letter-list", HTMLElement), letters.slice(0, MOST), {
    key: ({ id }) => id,
    create: createLetter,
    update: drawLetter,
  });
  const more = one("#letters-more", HTMLElement);
  more.hidden = letters.length <= MOST;
  setText(more, `The first ${MOST} of ${count(letters.length)}. Redrive or delete some to see others.`);
}

/** @param {DeadLetter} letter */
function createLetter(letter) {
  const row = fromTemplate("letter-template");
  const details = one("details", HTMLDetailsElement, row);
  // A body may be large: shown only when asked for.
  details.addEventListener("toggle", () => details.open && showJson(slot(row, "body"), letter.body));
  one("[data-redrive]", HTMLButtonElement, row).addEventListener("click", () => {
    // What comes from elsewhere stays until its function has done with it.
    const inQueue = letter.origin === "queue";
    const done = inQueue ? `${nameOf(letter)} is in the queue ${letter.queue} again.` : "It is being handled again.";
    void act(row, () => platform.redrive(letter.id), `Redriven: ${done}`, inQueue ? letter : null);
  });
  one("[data-delete]", HTMLButtonElement, row).addEventListener("click", async () => {
    if (!(await confirmed(letter))) return;
    await act(row, () => platform.deleteDeadLetter(letter.id), `Deleted: ${nameOf(letter)}.`, letter);
  });
  return row;
}

/** @param {HTMLElement} row @param {DeadLetter} letter */
function drawLetter(row, letter) {
  fill(row, {
    event: nameOf(letter),
    from: SOURCES[letter.origin],
    queue: letter.queue,
    reason: letter.reason,
    receives: `received ${plural(letter.receive_count, "time")}`,
    first: letter.first_received_at === null ? null : `first ${time(letter.first_received_at)}`,
    dead: time(letter.dead_at),
  });
  setAttribute(slot(row, "dead"), "title", fullTime(letter.dead_at));
  const flow = one("[data-flow]", HTMLAnchorElement, row);
  flow.hidden = letter.trace === null;
  if (letter.trace !== null) flow.href = flowPage(letter.trace);
}

/** @param {DeadLetter} letter */
const nameOf = (letter) => letter.event_type ?? "A message";

/**
 * @param {HTMLElement} row
 * @param {() => Promise<unknown>} work
 * @param {string} done
 * @param {DeadLetter | null} gone the letter, if it is none any more
 */
async function act(row, work, done, gone) {
  if (row.ariaBusy === "true") return;
  row.ariaBusy = "true";
  try {
    await work();
    say(done, false);
    if (gone !== null) {
      // The next letter's button, so that the keyboard stays where it was.
      const neighbour = row.nextElementSibling ?? row.previousElementSibling;
      letters = letters.filter(({ id }) => id !== gone.id);
      draw();
      const target = neighbour?.querySelector("[data-redrive]") ?? outcome;
      if (target instanceof HTMLElement) target.focus();
    }
    void load();
    void loadQueues();
  } catch (error) {
    say(error instanceof Error ? error.message : String(error), true);
  } finally {
    row.ariaBusy = null;
  }
}

/** @param {DeadLetter} letter @returns {Promise<boolean>} */
function confirmed(letter) {
  setText(one("#confirm-what", HTMLElement), `${nameOf(letter)}, ${SOURCES[letter.origin]} ${letter.queue}, will never be handled.`);
  confirmation.returnValue = "";
  confirmation.showModal();
  return new Promise((resolve) => {
    confirmation.addEventListener("close", () => resolve(confirmation.returnValue === "delete"), { once: true });
  });
}

/** @param {string} text @param {boolean} failed */
function say(text, failed) {
  outcome.hidden = false;
  setText(outcome, text);
  setAttribute(outcome, "data-failed", failed ? "" : null);
  announce(text);
}

const loadSoon = paced(() => {
  void load();
  void loadQueues();
}, 500);
const loadQueuesSoon = paced(() => void loadQueues(), 1_000);

follow({ resync: loadSoon, dead_letter: loadSoon, flow: loadQueuesSoon });
void load();
void loadQueues();
