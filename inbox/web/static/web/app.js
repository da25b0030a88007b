// What the pages do better with JavaScript. Every one of them works without.
"use strict";

const status = () => document.getElementById("status");

function isPolling(element) {
  return (element.getAttribute("hx-trigger") ?? "").startsWith("every");
}

function say(failed) {
  const region = status();
  region.toggleAttribute("data-failed", failed);
  region.textContent = failed ? region.dataset.error : "";
}

// A page that nobody looks at does not ask for news; it asks at once when it is seen again.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && isPolling(event.detail.elt)) event.preventDefault();
});

for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, (event) => {
    if (!isPolling(event.detail.elt)) say(true);
  });
}

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.shouldSwap && status().hasAttribute("data-failed")) say(false);
});

// A swap that removed the focused element would send the keyboard back to the top of the page.
document.addEventListener("htmx:afterSettle", (event) => {
  if (document.activeElement !== document.body || isPolling(event.detail.requestConfig.elt)) return;
  const swapped = event.detail.elt;
  const next = swapped.matches("a, [tabindex]") ? swapped : swapped.querySelector("a, [tabindex]");
  (next ?? document.getElementById("content")).focus();
});

document.addEventListener("htmx:pushedIntoHistory", () => {
  const shown = new URLSearchParams(location.search).get("show") ?? "";
  for (const link of document.querySelectorAll("[data-show]")) {
    if (link.dataset.show === shown) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
});

document.addEventListener("change", (event) => {
  if (event.target.matches(".tools :is(select, [type=radio], [type=checkbox], [type=date])")) {
    event.target.form.requestSubmit();
  }
});
