// Keyboard shortcuts: the page of them is /shortcuts/, where they can be switched off.
"use strict";

const TYPING = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";
let beganWithG = false;

const rowLinks = () => [...document.querySelectorAll(".row :is(h2, h3) a")];

function step(by) {
  const links = rowLinks();
  const at = links.indexOf(document.activeElement?.closest(".row")?.querySelector(":is(h2, h3) a"));
  const next = links[at < 0 ? 0 : at + by];
  next?.focus();
  return Boolean(next);
}

// The button for a key is done to what is ticked in the list, or else to the row she stands on.
function press(key) {
  const button = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!button) return false;
  if (button.form?.id === "bulk" && !document.querySelector(".pick:checked")) {
    const box = document.activeElement?.closest(".row")?.querySelector(".pick");
    if (!box) return false;
    box.checked = true;
  }
  button.click();
  return true;
}

function go(key) {
  const link = document.querySelector(`[data-go="${CSS.escape(key)}"]`);
  link?.click();
  return Boolean(link);
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  o: () => Boolean(document.activeElement?.closest(".row")?.querySelector("a")?.click() ?? true),
  x: () => Boolean(document.activeElement?.closest(".row")?.querySelector(".pick")?.click() ?? true),
  "/": () => Boolean(document.getElementById("q")?.focus() ?? true),
  "?": () => go("?"),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest(TYPING)) return;
  const afterG = beganWithG;
  beganWithG = event.key === "g" && !afterG;
  if (beganWithG) return;
  if (afterG ? go(event.key) : (KEYS[event.key] ?? (() => press(event.key)))()) {
    event.preventDefault();
  }
});
