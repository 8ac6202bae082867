"use strict";
// Tables can be sorted by any column and, if long, filtered by words; the contents follow the reader, and links open what
// is folded. Without this script everything can still be read.

const LONG = 20;

// Numbers are compared as they are, not as they are rounded; what is missing comes last.
function compare(a, b, isNumber) {
  if (!isNumber) return a.textContent.localeCompare(b.textContent, undefined, { numeric: true });
  return Number(a.dataset.key) - Number(b.dataset.key);
}

const isMissing = (cell) => cell.dataset.key === "" || ["", "–"].includes(cell.textContent.trim());

// Each click turns the order: rising, falling, as it was.
function sortBy(table, column, original) {
  const headers = [...table.tHead.rows[0].cells];
  const before = headers[column].getAttribute("aria-sort");
  headers.forEach((header) => header.removeAttribute("aria-sort"));
  if (before === "descending") return table.tBodies[0].append(...original);
  headers[column].setAttribute("aria-sort", before ? "descending" : "ascending");
  const isNumber = headers[column].classList.contains("number");
  const rows = original.toSorted((first, second) => {
    const [a, b] = [first.cells[column], second.cells[column]];
    return isMissing(a) - isMissing(b) || (isMissing(a) ? 0 : (before ? -1 : 1) * compare(a, b, isNumber));
  });
  table.tBodies[0].append(...rows);
}

function makeSortable(table) {
  const original = [...table.tBodies[0].rows];
  for (const [column, header] of [...table.tHead.rows[0].cells].entries()) {
    const button = document.createElement("span"); // in print, no header with a button or a link is repeated
    Object.assign(button, { role: "button", tabIndex: 0, className: "sort" });
    button.append(...header.childNodes);
    button.addEventListener("click", () => sortBy(table, column, original));
    button.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      button.click();
    });
    header.append(button);
  }
}

function addFilter(block, table) {
  const tools = document.createElement("p");
  tools.className = "tools";
  const label = document.createElement("label");
  const input = document.createElement("input");
  const said = document.createElement("span");
  input.type = "search";
  said.setAttribute("role", "status");
  input.placeholder = "words";
  input.setAttribute("aria-label", `Filter the rows of ${table.caption.textContent}`);
  label.append("Filter: ", input);
  tools.append(label, " ", said);
  block.prepend(tools);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = [...row.cells].map((cell) => cell.textContent.toLowerCase()).join("\n");
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    said.textContent = words.length ? `${shown} of ${table.tBodies[0].rows.length} rows` : "";
  });
}

for (const block of document.querySelectorAll(".table")) {
  const table = block.querySelector("table");
  makeSortable(table);
  if (table.tBodies[0].rows.length > LONG) addFilter(block, table);
}

// What is wider than its place shows on which side there is more, and only that can be reached by keyboard to be scrolled.
function showWhatIsHidden(scroller) {
  const room = scroller.scrollWidth - scroller.clientWidth;
  scroller.classList.toggle("before", scroller.scrollLeft > 1);
  scroller.classList.toggle("after", scroller.scrollLeft < room - 1);
  if (room > 1) scroller.tabIndex = 0;
  else scroller.removeAttribute("tabindex");
}

const resized = new ResizeObserver((entries) => entries.forEach(({ target }) => showWhatIsHidden(target)));
for (const scroller of document.querySelectorAll(".scroll")) {
  scroller.addEventListener("scroll", () => showWhatIsHidden(scroller), { passive: true });
  resized.observe(scroller);
}

// A point that is pointed at, or touched, says which run it is, below its figure.
for (const figure of document.querySelectorAll("figure")) {
  if (!figure.querySelector("use > title")) continue;
  const said = document.createElement("output");
  said.textContent = "Point at a dot, or touch it, to see which run it is.";
  figure.querySelector(".scroll").after(said);
  const say = (event) => {
    const title = event.target.closest?.("use")?.querySelector("title");
    if (title) said.textContent = title.textContent;
  };
  figure.addEventListener("pointerover", say);
  figure.addEventListener("click", say);
}

// Links open what is folded.
function reach(hash) {
  const target = document.getElementById(hash.slice(1));
  const folded = target?.closest("main details") ?? target?.querySelector("details");
  if (folded) folded.open = true;
  target?.scrollIntoView();
}

// The contents are folded where they would stand above the report, and name the section that is being read.
const contents = document.querySelector(".contents");
const list = contents.querySelector("details");
const here = list.querySelector("summary span");
const links = new Map([...contents.querySelectorAll("div > ol > li > a")].map((link) => [link.hash.slice(1), link]));
const sections = [...document.querySelectorAll("main > section")];
const narrow = window.matchMedia("(max-width: 64rem)");
let current;

// The section that was asked for, while it is in sight; else the last one whose top has gone by.
function sectionBeingRead() {
  const top = (section) => section.getBoundingClientRect().top;
  const isAtEnd = window.innerHeight + window.scrollY > document.documentElement.scrollHeight - 2;
  const wanted = document.getElementById(location.hash.slice(1))?.closest("section");
  if (wanted && top(wanted) > -2 && top(wanted) < (isAtEnd ? window.innerHeight : 100)) return wanted;
  return sections.findLast((section) => top(section) < 100) ?? sections[0];
}

function follow() {
  const found = sectionBeingRead();
  if (!found || found === current) return;
  links.get(current?.id)?.removeAttribute("aria-current");
  current = found;
  const link = links.get(found.id);
  link.setAttribute("aria-current", "location");
  here.textContent = `: ${link.textContent}`;
  if (!narrow.matches) contents.scrollTop = link.offsetTop - contents.clientHeight / 2;
}

function fold() {
  list.open = !narrow.matches;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href^="#"]');
  if (!link) return;
  if (narrow.matches && contents.contains(link)) list.open = false;
  reach(link.hash);
});
narrow.addEventListener("change", fold);
window.addEventListener("hashchange", () => {
  reach(location.hash);
  follow();
});
window.addEventListener("scroll", follow, { passive: true });
fold();
reach(location.hash);
follow();
