"use strict";
(() => {
  document.documentElement.classList.add("js");

  // Faces: one range input walks through the versions; each wipes over the one before.
  for (const figure of document.querySelectorAll(".faces")) {
    const slider = figure.querySelector(".slider");
    if (!slider) continue;
    const range = slider.querySelector("input"), output = slider.querySelector("output");
    const stages = [...figure.querySelectorAll(".stages > .stage")];
    const labels = stages.map((stage) => stage.querySelector(".label").textContent);
    const show = () => {
      const at = Number(range.value);
      stages.forEach((stage, index) => {
        const share = Math.min(Math.max(at - index + 1, 0), 1);
        stage.style.setProperty("--cut", `${100 * share}%`);
        stage.classList.toggle("cutting", index > 0 && share > 0 && share < 1);
      });
      const below = Math.floor(at), between = at - below;
      const said = between < 0.01 ? labels[below]
        : `${Math.round(100 * between)}% of the way from ${labels[below]}, to ${labels[below + 1]}`;
      output.textContent = said;
      range.setAttribute("aria-valuetext", said);
    };
    figure.classList.add("live");
    slider.hidden = false;
    range.addEventListener("input", show);
    show();
  }

  // The matrix: one stop for Tab, then arrow keys; what a cell says in full stands below it.
  const matrix = document.querySelector(".matrix"), table = document.getElementById("payoff");
  if (table) {
    table.setAttribute("role", "grid");
    const readout = matrix.querySelector(".readout");
    const rows = [...table.tBodies].flatMap((body) => [...body.rows]).map((row) => [...row.querySelectorAll("td")]);
    const cells = rows.flat();
    const visible = (cell) => [...cell.querySelectorAll(".told")].find((one) => one.parentElement.offsetParent);
    let shown = null;
    const tell = (cell) => {
      const told = cell.dataset.who && visible(cell);
      if (told) readout.textContent = `${cell.dataset.who}: ${told.textContent}`;
      shown = cell;
    };
    const enter = (cell) => {
      for (const one of cells) one.tabIndex = one === cell ? 0 : -1;
    };
    enter(cells[0]);
    table.addEventListener("mouseover", (event) => event.target.closest("td") && tell(event.target.closest("td")));
    table.addEventListener("click", (event) => event.target.closest("td")?.focus());
    table.addEventListener("focusin", (event) => {
      const cell = event.target.closest("td");
      if (cell) { enter(cell); tell(cell); }
    });
    table.addEventListener("keydown", (event) => {
      const row = rows.findIndex((one) => one.includes(event.target));
      if (row < 0) return;
      const column = rows[row].indexOf(event.target), last = rows[row].length - 1;
      const to = {
        ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
        ArrowUp: [row - 1, column], ArrowDown: [row + 1, column],
        Home: [row, 0], End: [row, last],
      }[event.key];
      if (!to) return;
      event.preventDefault();
      rows[to[0]]?.[to[1]]?.focus();
    });
    for (const lens of matrix.querySelectorAll("input")) lens.addEventListener("change", () => shown && tell(shown));
  }

  // What fits needs no stop for Tab.
  const scrollers = document.querySelectorAll(".scroll, pre");
  const measure = () => {
    for (const one of scrollers) {
      const fits = one.scrollWidth <= one.clientWidth + 1 && one.scrollHeight <= one.clientHeight + 1;
      one.classList.toggle("wide", one.scrollWidth > one.clientWidth + 1);
      if (fits) one.removeAttribute("tabindex"); else one.tabIndex = 0;
    }
  };
  addEventListener("resize", measure);
  document.addEventListener("toggle", measure, true);
  measure();

  // On paper nothing can be unfolded.
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
})();
