// Where to go after signing in. The address comes from the URL, so it is not to be trusted:
// only a path of this very origin is followed.

const HOME = "/overview";

/** The sign-in page, which leads back to the page that is open now. */
export function signInAddress() {
  const here = location.pathname + location.search;
  return here === HOME ? "/sign-in" : `/sign-in?next=${encodeURIComponent(here)}`;
}

/**
 * The page that was asked for before signing in, else the overview.
 * @param {string} [search] the query of the sign-in page's own address
 */
export function nextAddress(search = location.search) {
  return samePageOrigin(new URLSearchParams(search).get("next")) ?? HOME;
}

/** @param {string | null} path */
function samePageOrigin(path) {
  // A single slash first, and none of what a browser may read as a second one.
  if (path === null || !/^\/(?!\/)[^\\\p{Cc}]*$/u.test(path) || path.includes("//")) return null;
  const address = new URL(path, location.origin);
  return address.origin === location.origin ? address.href : null;
}
