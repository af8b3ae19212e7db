// A button that may be pressed again only after a while. The server has limits of its own: this one
// saves the reader from asking in vain. The time is kept in the tab, over reloads.

/** @param {string} key names what was sent */
export function startCoolDown(key) {
  try {
    sessionStorage.setItem(key, String(Date.now()));
  } catch {
    // Storage may be turned off: the server's limits hold.
  }
}

/**
 * @param {HTMLButtonElement} button
 * @param {string} key
 * @param {number} seconds
 */
export function coolDown(button, key, seconds) {
  const label = button.textContent;
  let timer = 0;

  function left() {
    try {
      const since = (Date.now() - Number(sessionStorage.getItem(key))) / 1000;
      const left = Math.ceil(seconds - since);
      return left > 0 && left <= seconds ? left : 0; // the clock may have been set back
    } catch {
      return 0;
    }
  }

  function show() {
    const now = left();
    button.ariaDisabled = now > 0 ? "true" : null;
    button.textContent = now > 0 ? `Send again in ${now} s` : label;
    clearTimeout(timer);
    if (now > 0) timer = window.setTimeout(show, 1000);
  }

  show();
  return {
    /** Whether it must not be pressed yet. */
    isOn: () => left() > 0,
    /** Something was sent just now. */
    start() {
      startCoolDown(key);
      show();
    },
  };
}
