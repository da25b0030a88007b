// What the pages do better with JavaScript. Every one of them works without.
"use strict";

const region = document.getElementById("status");
let shownBefore = 0;

function isPolling(element) {
  return (element.getAttribute("hx-trigger") ?? "").startsWith("every");
}

// What the page asks by itself fails in silence: it asks again.
function isByItself(element) {
  return isPolling(element) || element.id === "ending";
}

function say(failed) {
  region.toggleAttribute("data-failed", failed);
  region.textContent = failed ? region.dataset.error : "";
}

// A page that nobody looks at does not ask for news.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && isPolling(event.detail.elt)) event.preventDefault();
  shownBefore = document.querySelectorAll(".row h3 a").length;
});

for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, (event) => {
    if (!isByItself(event.detail.elt)) say(true);
  });
}

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.shouldSwap && region.hasAttribute("data-failed")) say(false);
});

// Before she is logged out the page says so. The server is asked first: what she does in other
// windows counts as well.
const WARNED_BEFORE = 5 * 60_000;
const CHECKED_EVERY = 15_000;
const session = () => document.getElementById("ending");
let endsAt = Infinity;
let cameFrom = null;

function noteSession() {
  const left = session()?.dataset.left;
  endsAt = left ? Date.now() + Number(left) * 1000 : Infinity;
}

function watchSession() {
  if (Date.now() >= endsAt - WARNED_BEFORE) session().dispatchEvent(new Event("ask"));
}

document.addEventListener("focusin", (event) => {
  const isInside = event.target.closest("#ending");
  if (isInside && !event.relatedTarget?.closest("#ending")) cameFrom = event.relatedTarget;
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const swapped = event.detail.target;
  if (swapped.id !== "ending") return;
  const { hidden } = swapped;
  const isAtIt = swapped.contains(document.activeElement);
  document.addEventListener(
    "htmx:afterSettle",
    () => {
      noteSession();
      const now = session();
      if (hidden && !now.hidden) region.textContent = now.querySelector("h2").textContent;
      if (!isAtIt || !now.hidden) return;
      const back = cameFrom?.isConnected ? cameFrom : document.getElementById("content");
      back.focus({ preventScroll: true });
    },
    { once: true },
  );
});

noteSession();
setInterval(watchSession, CHECKED_EVERY);
document.addEventListener("visibilitychange", watchSession);

// "Show more letters" goes away with its own answer: go on at the first letter that came.
document.addEventListener("htmx:afterSettle", (event) => {
  if (document.activeElement !== document.body) return;
  if (!event.detail.requestConfig.elt.closest(".pager")) return;
  document.querySelectorAll(".row h3 a")[shownBefore]?.focus();
});

// What comes by itself moves nothing that she looks at: the row at the top of the window stays.
function topRow() {
  const links = [...document.querySelectorAll(".row :is(h2, h3) a")];
  return links.find((link) => link.getBoundingClientRect().top >= 0);
}

document.addEventListener("htmx:beforeSwap", (event) => {
  if (!isPolling(event.detail.requestConfig.elt) || !window.scrollY) return;
  const seen = topRow();
  if (!seen) return;
  const address = seen.getAttribute("href");
  const { top } = seen.getBoundingClientRect();
  document.addEventListener(
    "htmx:afterSettle",
    () => {
      const same = document.querySelector(`.row a[href="${CSS.escape(address)}"]`);
      if (same) window.scrollBy({ top: same.getBoundingClientRect().top - top, behavior: "instant" });
    },
    { once: true },
  );
});

document.addEventListener("htmx:pushedIntoHistory", () => {
  const said = new URLSearchParams(location.search).get("show") ?? "";
  const shown = document.querySelector(`[data-show="${CSS.escape(said)}"]`) ? said : "";
  for (const link of document.querySelectorAll("[data-show]")) {
    const isHere = link.pathname === location.pathname && link.dataset.show === shown;
    link.ariaCurrent = isHere ? "page" : null;
  }
});

document.addEventListener("change", (event) => {
  if (event.target.matches(".tools :is(select, [type=radio], [type=checkbox], [type=date])")) {
    event.target.form.requestSubmit();
  }
});

// Letters that she has ticked stay so when the list is drawn anew.
const boxes = () => [...document.querySelectorAll(".pick")];
let ticked = new Set();

function countTicked() {
  const form = document.getElementById("bulk");
  if (!form) return;
  const number = boxes().filter((box) => box.checked).length;
  form.querySelector("[data-picked]").textContent = number ? `(${number})` : "";
  if (number) form.querySelector("details").open = true;
}

document.addEventListener("htmx:beforeSwap", () => {
  ticked = new Set(boxes().filter((box) => box.checked).map((box) => box.value));
});

document.addEventListener("htmx:afterSettle", () => {
  for (const box of boxes()) if (ticked.has(box.value)) box.checked = true;
  countTicked();
});

document.addEventListener("change", (event) => {
  if (event.target.matches(".pick")) countTicked();
});

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-pick-all]")) return;
  event.preventDefault();
  for (const box of boxes()) box.checked = true;
  countTicked();
});

countTicked();

// What shows a page of ours when there is no network; it keeps nothing of hers.
navigator.serviceWorker?.register("/service-worker.js").catch(() => {});

// Values to pay by are copied with a press; without JavaScript they are selected as any text.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    region.textContent = button.dataset.done;
  });
}
