"use strict";
// Tables can be sorted by any column and filtered by words; the contents bar follows the reader. Without this script
// everything can still be read.

const MISSING = "–";

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

function addTools(block) {
  const table = block.querySelector("table");
  for (const [column, header] of [...table.tHead.rows[0].cells].entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sortBy(table, column));
    header.append(button);
  }
  if (table.tBodies[0].rows.length < 6) return;
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
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    said.textContent = words.length ? `${shown} of ${table.tBodies[0].rows.length} rows` : "";
  });
}

function unfold(id) {
  const folded = document.getElementById(id)?.querySelector("details");
  if (folded) folded.open = true;
}

document.querySelectorAll(".table").forEach(addTools);
document.querySelectorAll(".contents a").forEach((link) => {
  link.addEventListener("click", () => unfold(link.hash.slice(1)));
});
unfold(location.hash.slice(1));
window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((folded) => (folded.open = true)));

const follow = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      document.querySelectorAll(".contents a").forEach((link) => link.removeAttribute("aria-current"));
      document.querySelector(`.contents a[href="#${target.id}"]`)?.setAttribute("aria-current", "true");
    }
  },
  { rootMargin: "0px 0px -75% 0px" },
);
document.querySelectorAll("main section").forEach((section) => follow.observe(section));
