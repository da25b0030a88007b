// Keeps the offline page and what draws it, and nothing else: no page with letters is ever kept.
"use strict";

const KEPT = "samlepost-{{ version }}";
const OFFLINE = {{ offline|tojson }};
const FILES = {{ files|tojson }};

async function keep() {
  const cache = await caches.open(KEPT);
  const page = new Request(OFFLINE, { credentials: "omit", cache: "reload" });
  await cache.put(OFFLINE, await fetch(page));
  await cache.addAll(FILES.map((file) => new Request(file, { credentials: "omit" })));
}

async function tidy() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== KEPT).map((name) => caches.delete(name)));
  await self.registration.navigationPreload?.enable();
}

// The page itself always comes from the server: only when nothing answers does ours stand in.
async function go(event) {
  try {
    return (await event.preloadResponse) ?? (await fetch(event.request));
  } catch {
    return (await caches.match(OFFLINE)) ?? Response.error();
  }
}

self.addEventListener("install", (event) => {
  event.waitUntil(keep().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(tidy().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  if (request.mode === "navigate" && request.destination === "document") {
    event.respondWith(go(event));
  } else if (FILES.includes(new URL(request.url).pathname)) {
    event.respondWith(caches.match(request).then((kept) => kept ?? fetch(request)));
  }
});
