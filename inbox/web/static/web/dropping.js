// Files can be dropped on the field; what is chosen is listed, and what is too much is said at once.
"use strict";

const field = document.querySelector("[data-drop]");
const input = field.querySelector("[type=file]");
const list = field.querySelector("[data-chosen]");
const problem = field.querySelector("[data-problem]");
const { lang, remove, tooLarge, someTooLarge, tooMany, tooMuch } = list.dataset;
const [fileMax, totalMax, filesMax] = ["fileMax", "totalMax", "filesMax"].map((name) =>
  Number(list.dataset[name]),
);
const sizes = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 });

function sizeOf(bytes) {
  if (bytes < 999_500) return `${sizes.format(Math.round(bytes / 1000))} kB`;
  return `${sizes.format(bytes / 1e6)} MB`;
}

// The browser alone makes lists of files.
function choose(files) {
  const chosen = new DataTransfer();
  for (const file of files) chosen.items.add(file);
  input.files = chosen.files;
  show();
}

function line(file, number) {
  const item = document.createElement("li");
  const name = document.createElement("span");
  const shown = document.createElement("bdi");
  shown.textContent = file.name;
  const size = document.createElement("small");
  size.textContent = ` ${sizeOf(file.size)}`;
  name.append(shown, size);
  if (file.size > fileMax) {
    const said = document.createElement("strong");
    said.textContent = ` ${tooLarge}`;
    name.append(said);
  }
  const button = document.createElement("button");
  button.type = "button";
  button.className = "ds-button";
  button.dataset.variant = "tertiary";
  button.dataset.size = "sm";
  button.textContent = remove;
  button.setAttribute("aria-label", `${remove}: ${file.name}`);
  button.addEventListener("click", () => {
    choose([...input.files].filter((_, place) => place !== number));
    (list.querySelectorAll("button")[number] ?? input).focus();
  });
  const end = document.createElement("span");
  end.className = "sp";
  end.append(button);
  item.append(name, end);
  return item;
}

function show() {
  const files = [...input.files];
  list.replaceChildren(...files.map(line));
  list.hidden = !files.length;
  const total = files.reduce((sum, file) => sum + file.size, 0);
  let said = files.some((file) => file.size > fileMax) ? someTooLarge : "";
  if (total > totalMax) said = tooMuch;
  if (files.length > filesMax) said = tooMany;
  problem.textContent = said;
  problem.hidden = !said;
  input.setCustomValidity(said);
}

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");

field.addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  field.toggleAttribute("data-over", true);
});

field.addEventListener("dragleave", (event) => {
  if (!field.contains(event.relatedTarget)) field.removeAttribute("data-over");
});

field.addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  field.removeAttribute("data-over");
  choose([...input.files, ...event.dataTransfer.files]);
});

// Beside the field a file would be opened in place of the page, with all that she has written.
for (const name of ["dragover", "drop"]) {
  document.addEventListener(name, (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
}

input.addEventListener("change", show);
field.querySelector("[data-when-dropping]").hidden = false;
show();
