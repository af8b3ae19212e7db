// The address that was last typed, so that the next page need not ask for it again. It is kept in
// the tab alone, and never put in a URL, where logs and histories would keep it.

const KEY = "address";

/** @param {string} address */
export function keepAddress(address) {
  try {
    sessionStorage.setItem(KEY, address.trim());
  } catch {
    // Storage may be turned off: the next page asks.
  }
}

export function keptAddress() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}
