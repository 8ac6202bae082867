"use strict";
// Tables can be sorted by any column and, if long, filtered by words; the contents follow the reader, and links open what
// is folded. Without this script everything can still be read.

const MISSING = "–";
const LONG = 20;

function number(text) {
  const found = text.replaceAll("−", "-").replace("<", "").replace("∞", "Infinity").match(/-?(?:\d+\.?\d*(?:e-?\d+)?|Infinity)/);
  return found ? Number(found[0]) : NaN;
}

function compare(a, b, isNumber) {
  if (a === MISSING || b === MISSING) return (a === MISSING) - (b === MISSING);
  if (isNumber) return number(a) - number(b) || a.localeCompare(b);
  return a.localeCompare(b, undefined, { numeric: true });
}

function sortBy(table, column) {
  const header = table.tHead.rows[0].cells[column];
  const descending = header.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const text = (row) => row.cells[column].textContent.trim();
  const rows = [...table.tBodies[0].rows].sort((a, b) => {
    if (text(a) === MISSING || text(b) === MISSING) return compare(text(a), text(b), false);
    return (descending ? -1 : 1) * compare(text(a), text(b), header.classList.contains("number"));
  });
  table.tBodies[0].append(...rows);
}

function makeSortable(table) {
  for (const [column, header] of [...table.tHead.rows[0].cells].entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sortBy(table, column));
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

// Links open what is folded; so does printing.
function reach(hash) {
  const target = document.getElementById(hash.slice(1));
  const folded = target?.closest("main details") ?? target?.querySelector("details");
  if (folded) folded.open = true;
  target?.scrollIntoView();
}

let opened = [];
window.addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("main details:not([open])")];
  opened.forEach((folded) => (folded.open = true));
});
window.addEventListener("afterprint", () => opened.forEach((folded) => (folded.open = false)));

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

contents.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link) return;
  if (narrow.matches) list.open = false;
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
