// Times as the reader writes them, with the exact one for machines.

const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });

/**
 * @param {string} time RFC 3339
 * @param {"moment" | "day"} [precision]
 */
export function timeElement(time, precision = "moment") {
  const element = document.createElement("time");
  element.dateTime = time;
  element.title = time;
  element.textContent = (precision === "day" ? DAY : MOMENT).format(new Date(time));
  return element;
}
