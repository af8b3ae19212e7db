// Shows the page `/offline` in place of a page that cannot be fetched. It keeps that page and what it
// loads, and nothing else: whatever is private or may be stale always comes from the network.

const CACHE = "offline";
const PAGE = "/offline";

/**
 * The types of a worker are not those of a page, which the rest of the site is checked against.
 * @typedef {Event & { waitUntil(done: Promise<unknown>): void }} LifeEvent
 * @typedef {LifeEvent & { request: Request, preloadResponse: Promise<Response | undefined>, respondWith(response: Promise<Response>): void }} RequestEvent
 * @typedef {{ skipWaiting(): Promise<void>, registration: ServiceWorkerRegistration, clients: { claim(): Promise<void> } }} Scope
 */
const worker = /** @type {Scope & EventTarget} */ (/** @type {unknown} */ (self));

worker.addEventListener("install", (event) => {
  /** @type {LifeEvent} */ (event).waitUntil(Promise.all([keep(), worker.skipWaiting()]));
});

worker.addEventListener("activate", (event) => {
  /** @type {LifeEvent} */ (event).waitUntil(
    Promise.all([worker.registration.navigationPreload?.enable(), worker.clients.claim()]),
  );
});

worker.addEventListener("fetch", (event) => {
  const fetching = /** @type {RequestEvent} */ (event);
  const { request } = fetching;
  if (request.mode === "navigate" && request.method === "GET") {
    fetching.respondWith(fetched(request, fetching.preloadResponse));
  } else if (new URL(request.url).pathname.startsWith("/assets/")) {
    fetching.respondWith(caches.match(request).then((kept) => kept ?? fetch(request)));
  }
});

async function keep() {
  const page = await fetch(PAGE, { cache: "reload" });
  const assets = (await page.clone().text()).match(/\/assets\/[^"]+/g) ?? [];
  await caches.delete(CACHE);
  const cache = await caches.open(CACHE);
  await cache.put(PAGE, page);
  await cache.addAll([...new Set(assets)]);
}

/** @param {Request} request @param {Promise<Response | undefined>} preloaded */
async function fetched(request, preloaded) {
  try {
    return (await preloaded) ?? (await fetch(request));
  } catch {
    return (await caches.match(PAGE)) ?? Response.error();
  }
}
