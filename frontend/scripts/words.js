// Words made of data.

/** @param {string} word */
export function capitalised(word) {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** @param {number} count @param {string} one such as `seat` */
export function counted(count, one) {
  return `${count.toLocaleString()} ${one}${count === 1 ? "" : "s"}`;
}

/** @param {string[]} words */
export function listed(words) {
  return new Intl.ListFormat("en", { type: "conjunction" }).format(words);
}
