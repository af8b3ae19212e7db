// The token of a link in a mail. It comes in the fragment, which no server ever sees, and leaves
// the address bar and the history before anything else happens.

/** @returns {string | null} */
export function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (location.hash !== "") history.replaceState(null, "", location.pathname);
  return token === "" ? null : token;
}

/**
 * Runs when another link to the same page is opened in this tab, which does not load it anew.
 * @param {(token: string) => void} then
 */
export function onAnotherToken(then) {
  addEventListener("hashchange", () => {
    const token = takeToken();
    if (token) then(token);
  });
}
