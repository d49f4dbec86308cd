/* Learning curves: values under the pointer, and curves that are hidden by their legend. */
for (const chart of numbers.charts || []) {
  const root = document.querySelector(`[data-chart="${chart.name}"]`);
  const svg = root.querySelector(".paper > svg");
  const cursor = svg.querySelector(".cursor");
  const output = root.querySelector("output");
  const hidden = new Set();
  const { low, high, start, end } = chart.steps;
  let step = null;

  function say() {
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
      const place = nearest(curve.grid, step);
      const [mean, under, over] = [curve.mean, curve.low, curve.high].map((of) => of[place]);
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
    say();
  }

  svg.addEventListener("pointermove", (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    moveTo(low + (at.x - start) / (end - start) * (high - low));
  });
  svg.addEventListener("pointerleave", () => { step = null; say(); });
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
      say();
    });
  }
}
