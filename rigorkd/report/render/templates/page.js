"use strict";
// Sorting is an addition: without it the tables stand in the order of the analysis.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  if (original.length < 3) continue;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(table, original, head, column));
  });
}

function sort(table, original, head, column) {
  const next = { ascending: "descending", descending: "none" }[head.getAttribute("aria-sort")] || "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  const rows = [...original];
  if (next !== "none") {
    head.setAttribute("aria-sort", next);
    const sign = next === "ascending" ? 1 : -1;
    const numeric = original.every((row) => !isNaN(row.cells[column].dataset.sort ?? 0));
    rows.sort((a, b) => {
      const [x, y] = [a.cells[column].dataset.sort, b.cells[column].dataset.sort];
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
      return sign * (numeric ? x - y : x.localeCompare(y, "en", { numeric: true }));
    });
  }
  table.tBodies[0].append(...rows);
}

// On paper nothing can be opened.
const folds = [...document.querySelectorAll("details")];
let closed = [];
addEventListener("beforeprint", () => {
  closed = folds.filter((fold) => !fold.open);
  for (const fold of closed) fold.open = true;
});
addEventListener("afterprint", () => {
  for (const fold of closed) fold.open = false;
});
