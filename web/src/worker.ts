// The phone's service worker: without a connection it shows one page that says so.
// It keeps nothing else: what is signed must come from the server, now.

interface Extendable extends Event {
  waitUntil(what: Promise<unknown>): void;
}

interface Fetching extends Extendable {
  readonly request: Request;
  respondWith(what: Promise<Response>): void;
}

interface Worker {
  addEventListener(kind: "install" | "activate", listener: (e: Extendable) => void): void;
  addEventListener(kind: "fetch", listener: (e: Fetching) => void): void;
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
}

const worker = self as unknown as Worker;
const store = "signet-offline-1";
const page = "/phone/offline";

async function keep(): Promise<void> {
  const answer = await fetch(page, { cache: "no-store" });
  if (!answer.ok) throw new Error("offline page");
  const cache = await caches.open(store);
  const html = await answer.clone().text();
  const parts = [...html.matchAll(/(?:src|href)="(\/static\/[^"]+)"/g)].map((m) => m[1] ?? "");
  await cache.addAll(parts);
  await cache.put(page, answer);
}

worker.addEventListener("install", (e) => e.waitUntil(keep().then(() => worker.skipWaiting())));
worker.addEventListener("activate", (e) => e.waitUntil(worker.clients.claim()));
worker.addEventListener("fetch", (e) => {
  const { request } = e;
  if (request.method !== "GET") return;
  const url = new URL(request.url);
  if (request.mode === "navigate") {
    // Seen with a connection the page is the newest, so that its parts are there when they are needed.
    const answer = fetch(request);
    e.respondWith(answer.catch(async () => (await (await caches.open(store)).match(page)) ?? Response.error()));
    // The page speaks the language that the person has just chosen.
    if (url.searchParams.has("lang")) e.waitUntil(answer.then(keep).catch(() => undefined));
  } else if (url.origin === location.origin && url.pathname.startsWith("/static/")) {
    e.respondWith(
      fetch(request).catch(async () => (await (await caches.open(store)).match(request)) ?? Response.error()),
    );
  }
});
