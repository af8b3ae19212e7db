// Tells whoever looks at the page that the browser is offline, for as long as it is, and keeps the
// page `/offline` at hand for those that cannot be fetched then.

function showConnection() {
  const banner = document.querySelector("[data-offline]");
  if (banner instanceof HTMLElement) banner.hidden = navigator.onLine;
}

addEventListener("online", showConnection);
addEventListener("offline", showConnection);
showConnection();

/**
 * TypeScript 5 does not know Trusted Types, without which a worker cannot be registered here.
 * @typedef {{ createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string } }} TrustedTypes
 */
function keepOfflinePage() {
  const { trustedTypes } = /** @type {{ trustedTypes?: TrustedTypes }} */ (/** @type {unknown} */ (window));
  const own = "/service-worker.js";
  const policy = trustedTypes?.createPolicy("service-worker", { createScriptURL: () => own });
  navigator.serviceWorker?.register(policy?.createScriptURL(own) ?? own).catch(() => {
    // Not everyone allows it; then the browser's own page tells that there is no connection.
  });
}

addEventListener("load", keepOfflinePage);
