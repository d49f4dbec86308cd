"use strict";

/* The numbers that stand beside a drawing or a table. */
function numbersOf(root) {
  return JSON.parse(root.querySelector("script").textContent);
}

function make(name, text, attributes) {
  const node = document.createElement(name);
  node.textContent = text || "";
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  return node;
}

function cellText(value) {
  if (Number.isSafeInteger(value)) return String(value);
  if (typeof value === "number") return String(Number(value.toPrecision(6)));
  return value === null ? "–" : value;
}

/* Conditions such as "critic_lr<=0.1 decay=0.5 -200": all must hold. A bare word is looked for in
   the row's cells. */
function rowFilter(text, columns) {
  const tests = text.trim().split(/\s+/).filter(Boolean).map((word) => {
    const parts = /^(.+?)(<=|>=|!=|=|<|>)(.*)$/.exec(word);
    const column = parts ? columns.indexOf(parts[1]) : -1;
    if (column < 0) {
      const wanted = word.toLowerCase();
      return (row) => row.some((cell) => cellText(cell).toLowerCase().includes(wanted));
    }
    const number = Number(parts[3]);
    const compared = (cell) => {
      if (typeof cell === "number" && parts[3] !== "" && !Number.isNaN(number)) {
        return cellText(cell) === cellText(number) ? 0 : Math.sign(cell - number);
      }
      if (cell === null) return NaN;
      return cellText(cell) === parts[3] ? 0 : NaN;
    };
    const holds = {
      "=": (c) => c === 0, "!=": (c) => c !== 0, "<": (c) => c < 0, ">": (c) => c > 0,
      "<=": (c) => c <= 0, ">=": (c) => c >= 0,
    }[parts[2]];
    return (row) => holds(compared(row[column]));
  });
  return (row) => tests.every((test) => test(row));
}

function ordered(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one).localeCompare(String(other), undefined, { numeric: true });
}

/* Tables of settings, sorted by a click on a header, and filtered: the section that each stands in ->
   the table. */
const tables = new Map();

for (const root of document.querySelectorAll(".settings")) {
  const table = numbersOf(root);
  const head = root.querySelectorAll("thead th");
  const body = root.querySelector("tbody");
  const filter = make("input", "", {
    type: "search", placeholder: "filter: critic_lr<=0.1 lost=0",
    "aria-label": "Filter settings: words, or conditions such as critic_lr<=0.1",
  });
  const back = make("button", "‹ previous", { type: "button" });
  const on = make("button", "next ›", { type: "button" });
  const count = make("span", "", { role: "status", class: "count" });
  const tools = make("div", "", { class: "tools" });
  tools.append(filter, back, on, count);
  root.prepend(tools);
  const state = { sorted: 0, falling: false, first: 0, brushed: null, kept: [], watchers: [] };

  function update() {
    const holds = rowFilter(filter.value, table.columns);
    state.kept = [];
    table.rows.forEach((row, number) => {
      if (holds(row) && (!state.brushed || state.brushed(number))) state.kept.push(number);
    });
    const column = state.sorted;
    state.kept.sort((a, b) => {
      const one = table.rows[a][column], other = table.rows[b][column];
      if (one === null || other === null) return (one === null) - (other === null) || a - b;
      return (state.falling ? -1 : 1) * ordered(one, other) || a - b;
    });
    state.first = Math.min(state.first, Math.max(0, state.kept.length - 1));
    state.first -= state.first % table.page;
    show();
    for (const watcher of state.watchers) watcher(state.kept);
  }

  function show() {
    const rows = state.kept.slice(state.first, state.first + table.page).map((number) => {
      const line = make("tr", "", { "data-row": number });
      table.rows[number].forEach((cell, column) => {
        line.append(make(column ? "td" : "th", cellText(cell), column ? {} : { scope: "row" }));
      });
      return line;
    });
    body.replaceChildren(...rows);
    head.forEach((title, column) => {
      const way = state.falling ? "descending" : "ascending";
      title.setAttribute("aria-sort", column === state.sorted ? way : "none");
    });
    const last = state.first + rows.length;
    const range = rows.length ? `${state.first + 1} to ${last} of ` : "";
    const all = table.rows.length;
    count.textContent = `${range}${state.kept.length}` +
      (state.kept.length < all ? ` settings kept, of ${all}` : " settings");
    back.disabled = state.first === 0;
    on.disabled = last >= state.kept.length;
  }

  head.forEach((title, column) => {
    const button = make("button", title.textContent, { type: "button" });
    title.replaceChildren(button);
    button.addEventListener("click", () => {
      state.falling = state.sorted === column && !state.falling;
      state.sorted = column;
      state.first = 0;
      update();
    });
  });
  let waiting = 0;
  filter.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { state.first = 0; update(); }, 80);
  });
  back.addEventListener("click", () => { state.first -= table.page; show(); });
  on.addEventListener("click", () => { state.first += table.page; show(); });
  tables.set(root.closest("section"), { table, root, state, update });
  update();
}

/* Learning curves: values under the pointer, and curves that are hidden by their legend. */
for (const root of document.querySelectorAll(".curves")) {
  const chart = numbersOf(root);
  const svg = root.querySelector(".paper > svg");
  const cursor = svg.querySelector(".cursor");
  const output = root.querySelector("output");
  const hidden = new Set();
  const { low, high, start, end } = chart.steps;
  let step = null;

  function showValues() {
    if (step === null) {
      cursor.setAttribute("visibility", "hidden");
      output.textContent = "";
      return;
    }
    const x = start + (step - low) / (high - low) * (end - start);
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    cursor.setAttribute("visibility", "visible");
    const parts = [];
    chart.curves.forEach((curve, number) => {
      if (hidden.has(number)) return;
      const point = nearest(curve.grid, step);
      const [mean, under, over] = [curve.mean, curve.low, curve.high].map((values) => values[point]);
      const band = under === null || over === null || under === over ? "" : ` (${under} to ${over})`;
      parts.push(`${curve.label}: ${mean === null ? "–" : mean}${band}`);
    });
    output.textContent = `step ${step}: ${parts.join("; ")}`;
  }

  function nearest(grid, wanted) {
    let from = 0, to = grid.length - 1;
    while (to - from > 1) {
      const middle = (from + to) >> 1;
      if (grid[middle] <= wanted) from = middle; else to = middle;
    }
    return wanted - grid[from] <= grid[to] - wanted ? from : to;
  }

  function moveTo(wanted) {
    const grid = chart.curves.reduce((a, b) => (b.grid.at(-1) > a.at(-1) ? b.grid : a), chart.curves[0].grid);
    step = grid[nearest(grid, wanted)];
    showValues();
  }

  svg.addEventListener("pointermove", (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    moveTo(low + (at.x - start) / (end - start) * (high - low));
  });
  svg.addEventListener("pointerleave", () => { step = null; showValues(); });
  svg.setAttribute("tabindex", "0");
  svg.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!way) return;
    event.preventDefault();
    moveTo((step === null ? low : step) + way * (high - low) / 50);
  });

  for (const item of root.querySelectorAll(".legend li")) {
    const number = Number(item.dataset.curve);
    const button = make("button", "", { type: "button", "aria-pressed": "true", title: "show or hide" });
    button.append(...item.childNodes);
    item.append(button);
    button.addEventListener("click", () => {
      const shows = hidden.delete(number);
      if (!shows) hidden.add(number);
      button.setAttribute("aria-pressed", String(shows));
      svg.querySelector(`g[data-curve="${number}"]`).classList.toggle("off", !shows);
      showValues();
    });
  }
}

/* Parallel coordinates: brushes on the axes, which the table of settings follows, and the setting
   under the pointer. */
const SVG = "http://www.w3.org/2000/svg";
const REACH = 16;

function shape(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

for (const root of document.querySelectorAll(".parallel")) {
  const plot = numbersOf(root);
  const svg = root.querySelector(".paper > svg");
  const output = root.querySelector("output");
  const lines = [...svg.querySelectorAll("polyline")];
  const settings = tables.get(root.closest("section"));
  const brushes = new Map();
  const clear = make("button", "clear brushes", { type: "button", disabled: "" });
  if (settings) settings.root.querySelector(".tools").append(clear);

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
    if (!settings) return;
    settings.state.brushed = brushes.size ? holds : null;
    settings.state.first = 0;
    settings.update();
  }

  function position(event) {
    return new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse()).y;
  }

  const boxes = plot.axes.map((axis, number) => {
    const box = shape("rect", { class: "brush", x: axis.x - 8, width: 16, y: 0, height: 0 });
    const reach = shape("rect", {
      class: "reach", x: axis.x - REACH, width: 2 * REACH, y: plot.top - 14,
      height: plot.bottom - plot.top + 46, "data-axis": number,
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
    if (!settings) return;
    for (const line of settings.root.querySelectorAll("tbody tr")) {
      line.classList.toggle("pointed", Number(line.dataset.row) === row);
    }
    const { columns, rows } = settings.table;
    output.textContent = row === null ? "" : columns.map((name, n) => `${name} ${cellText(rows[row][n])}`).join(", ");
  }

  for (const line of lines) {
    line.addEventListener("pointerenter", () => point(Number(line.dataset.row)));
    line.addEventListener("pointerleave", () => point(null));
  }
  if (settings) {
    settings.state.watchers.push((kept) => {
      const rows = new Set(kept);
      for (const line of lines) line.classList.toggle("away", !rows.has(Number(line.dataset.row)));
    });
    const body = settings.root.querySelector("tbody");
    body.addEventListener("pointerover", (event) => {
      const line = event.target.closest("tr");
      if (line) point(Number(line.dataset.row));
    });
    body.addEventListener("pointerleave", () => point(null));
  }
}

/* Commands and specs are copied by a button. */
for (const text of document.querySelectorAll("pre.copied")) {
  const button = make("button", "copy", { type: "button", class: "copy" });
  text.before(button);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(text);
      button.textContent = "selected: press Ctrl-C";
    }
  });
}
