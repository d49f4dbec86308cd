"use strict";

/* What all scripts share: the numbers of the page, and the settings that are chosen in a table. */
const numbers = JSON.parse(document.getElementById("numbers").textContent);

function make(name, text, attributes) {
  const node = document.createElement(name);
  node.textContent = text || "";
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  return node;
}

function cellText(value) {
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

const tables = new Map();

for (const table of numbers.tables || []) {
  const root = document.querySelector(`[data-table="${table.name}"]`);
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
      table.rows[number].forEach((cell, place) => {
        line.append(make(place ? "td" : "th", cellText(cell), place ? {} : { scope: "row" }));
      });
      return line;
    });
    body.replaceChildren(...rows);
    head.forEach((title, place) => {
      const way = state.falling ? "descending" : "ascending";
      title.setAttribute("aria-sort", place === state.sorted ? way : "none");
    });
    const last = state.first + rows.length;
    const range = rows.length ? `${state.first + 1} to ${last} of ` : "";
    const all = table.rows.length;
    count.textContent = `${range}${state.kept.length}` +
      (state.kept.length < all ? ` settings kept, of ${all}` : " settings");
    back.disabled = state.first === 0;
    on.disabled = last >= state.kept.length;
  }

  head.forEach((title, place) => {
    const button = make("button", title.textContent, { type: "button" });
    title.replaceChildren(button);
    button.addEventListener("click", () => {
      state.falling = state.sorted === place && !state.falling;
      state.sorted = place;
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
  tables.set(table.name, { table, root, state, update });
  update();
}
