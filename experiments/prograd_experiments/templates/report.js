"use strict";
// Sorting: each heading of the table becomes a button; rows without a value come last.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const headings = [...table.querySelectorAll("th[data-column]")];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    heading.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      for (const other of headings) other.setAttribute("aria-sort", "none");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      table.classList.remove("grouped");
      const keyed = [...body.rows].map((row) => {
        const cell = row.cells[column];
        return { row, key: cell.dataset.v ?? cell.textContent };
      });
      const numbers = keyed.every(({ key }) => key === "" || Number.isFinite(Number(key)));
      const compare = numbers
        ? (a, b) => Number(a) - Number(b)
        : (a, b) => a.localeCompare(b, "en", { numeric: true });
      keyed.sort(({ key: a }, { key: b }) => {
        if (a === "" || b === "") return (a === "") - (b === "");
        return down ? compare(b, a) : compare(a, b);
      });
      body.append(...keyed.map(({ row }) => row));
      document.getElementById("sorted").textContent =
        `Sorted by ${button.textContent}, ${down ? "descending" : "ascending"}.`;
    });
  });
}
// Pictures: Tab stops once at each, the arrow keys move through its values, and a label describes the present one.
const tip = document.getElementById("tip");
let told = null;
function show(point) {
  told = point;
  tip.textContent = point.getAttribute("aria-label");
  tip.hidden = false;
  const at = point.getBoundingClientRect();
  const own = tip.getBoundingClientRect();
  const left = Math.min(Math.max(at.left + at.width / 2 - own.width / 2, 8), innerWidth - own.width - 8);
  const above = at.top - own.height - 4;
  tip.style.left = `${Math.max(left, 8)}px`;
  tip.style.top = `${above > 0 ? above : at.bottom + 4}px`;
}
function hide() {
  told = null;
  tip.hidden = true;
}
// Scrolling to the point that has the focus moves the page away from under a resting pointer.
function leave(point) {
  if (told === point) hide();
}
for (const picture of document.querySelectorAll(".plot")) {
  const points = [...picture.querySelectorAll(".point")];
  if (points.length) points[0].tabIndex = 0;
  const move = (to) => {
    if (!to) return;
    for (const point of points) point.tabIndex = point === to ? 0 : -1;
    to.focus();
  };
  const neighbour = (point, step) => {
    const series = [...picture.querySelectorAll(".series")].map((one) => [...one.querySelectorAll(".point")]);
    const filled = series.filter((one) => one.length);
    const own = filled.findIndex((one) => one.includes(point));
    const next = filled[own + step];
    return next && next[Math.min(filled[own].indexOf(point), next.length - 1)];
  };
  picture.addEventListener("keydown", (event) => {
    const index = points.indexOf(event.target.closest(".point"));
    if (index < 0) return;
    const keys = {
      ArrowRight: () => points[index + 1],
      ArrowLeft: () => points[index - 1],
      ArrowDown: () => neighbour(points[index], 1),
      ArrowUp: () => neighbour(points[index], -1),
      Home: () => points[0],
      End: () => points[points.length - 1],
    };
    if (!(event.key in keys)) return;
    event.preventDefault();
    move(keys[event.key]());
  });
  for (const point of points) {
    point.addEventListener("mouseenter", () => show(point));
    point.addEventListener("mouseleave", () => leave(point));
    point.addEventListener("focus", () => show(point));
    point.addEventListener("blur", () => leave(point));
  }
}
addEventListener("keydown", (event) => {
  if (event.key === "Escape") hide();
});
// The browser scrolls to a point that gets the focus: its label moves with it.
addEventListener("scroll", () => told && show(told), { passive: true, capture: true });
