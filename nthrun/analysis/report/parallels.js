/* Parallel coordinates: brushes on the axes, which the table of settings follows, and the setting
   under the pointer. */
const SVG = "http://www.w3.org/2000/svg";
const REACH = 16;

function shape(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

for (const plot of numbers.parallels || []) {
  const root = document.querySelector(`[data-plot="${plot.name}"]`);
  const svg = root.querySelector(".paper > svg");
  const output = root.querySelector("output");
  const lines = [...svg.querySelectorAll("polyline")];
  const found = tables.get(plot.table);
  const brushes = new Map();
  const clear = make("button", "clear brushes", { type: "button", disabled: "" });
  if (found) found.root.querySelector(".tools").append(clear);

  function holds(row) {
    for (const [axis, [from, to]] of brushes) {
      const y = plot.axes[axis].y[row];
      if (y < from || y > to) return false;
    }
    return true;
  }

  function brush(axis, from, to) {
    const box = boxes[axis];
    if (Math.abs(to - from) < 3) {
      brushes.delete(axis);
      box.setAttribute("height", 0);
    } else {
      brushes.set(axis, [Math.min(from, to), Math.max(from, to)]);
      box.setAttribute("y", Math.min(from, to));
      box.setAttribute("height", Math.abs(to - from));
    }
    clear.disabled = brushes.size === 0;
    if (!found) return;
    found.state.brushed = brushes.size ? holds : null;
    found.state.first = 0;
    found.update();
  }

  function position(event) {
    return new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse()).y;
  }

  const boxes = plot.axes.map((axis, number) => {
    const box = shape("rect", { class: "brush", x: axis.x - 8, width: 16, y: 0, height: 0 });
    const reach = shape("rect", {
      class: "reach", x: axis.x - REACH, width: 2 * REACH, y: plot.top - 8,
      height: plot.bottom - plot.top + 32, "data-axis": number,
    });
    let from = null;
    reach.addEventListener("pointerdown", (event) => {
      reach.setPointerCapture(event.pointerId);
      from = position(event);
    });
    reach.addEventListener("pointermove", (event) => {
      if (from !== null) brush(number, from, position(event));
    });
    reach.addEventListener("pointerup", (event) => {
      if (from !== null) brush(number, from, position(event));
      from = null;
    });
    reach.addEventListener("pointercancel", () => { from = null; });
    svg.append(box, reach);
    return box;
  });
  clear.addEventListener("click", () => plot.axes.forEach((_, number) => brush(number, 0, 0)));

  function point(row) {
    for (const line of lines) line.classList.toggle("pointed", Number(line.dataset.row) === row);
    if (!found) return;
    for (const line of found.root.querySelectorAll("tbody tr")) {
      line.classList.toggle("pointed", Number(line.dataset.row) === row);
    }
    const { columns, rows } = found.table;
    output.textContent = row === null ? "" : columns.map((name, n) => `${name} ${cellText(rows[row][n])}`).join(", ");
  }

  for (const line of lines) {
    line.addEventListener("pointerenter", () => point(Number(line.dataset.row)));
    line.addEventListener("pointerleave", () => point(null));
  }
  if (found) {
    found.state.watchers.push((kept) => {
      const rows = new Set(kept);
      for (const line of lines) line.classList.toggle("away", !rows.has(Number(line.dataset.row)));
    });
    const body = found.root.querySelector("tbody");
    body.addEventListener("pointerover", (event) => {
      const line = event.target.closest("tr");
      if (line) point(Number(line.dataset.row));
    });
    body.addEventListener("pointerleave", () => point(null));
  }
}
