// Times as the reader writes them, with the exact one for machines.

const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const FORMATS = { moment: MOMENT, day: DAY, date: DATE };

/** @param {string} time RFC 3339 */
export const day = (time) => DAY.format(new Date(time));

/**
 * @param {string} time RFC 3339
 * @param {"moment" | "day" | "date"} [precision] a date is a day in short
 */
export function timeElement(time, precision = "moment") {
  const element = document.createElement("time");
  element.dateTime = time;
  element.title = time;
  element.textContent = FORMATS[precision].format(new Date(time));
  return element;
}
