// Draws a page's charts, and keeps its figures fresh. No expression is compiled (`ast`), since the
// pages forbid eval; texts are set as text, never as HTML.
"use strict";

(() => {
  const EVERY_MS = 5000;
  const place = document.getElementById("document");
  if (!place || !place.dataset.source) return;

  const figures = [...place.querySelectorAll("figure[data-chart]")];
  const trouble = document.getElementById("trouble");
  const updated = document.getElementById("updated");
  const remarks = document.getElementById("remarks");
  const live = document.getElementById("live");
  const drawn = new Map();
  let asked = 0;

  function width(kind) {
    const figure = figures.find((one) => one.classList.contains(kind));
    return figure ? Math.max(240, Math.floor(figure.clientWidth)) : 600;
  }

  // Labels and legends stand outside the plot; what they take is measured and taken off the plot.
  const spare = new Map();

  function plot(kind) {
    return Math.max(180, width(kind) - (spare.get(kind) || 62));
  }

  async function draw(figure, spec) {
    const text = JSON.stringify(spec);
    if (drawn.get(figure)?.text === text) return;
    const before = drawn.get(figure);
    drawn.set(figure, { text, view: null });
    const view = await vegaEmbed(figure, spec, {
      actions: false, ast: true, renderer: "svg", defaultStyle: false, mode: "vega-lite",
      tooltip: false,
    });
    if (before && before.view) before.view.finalize();
    drawn.get(figure).view = view;
    const svg = figure.querySelector("svg");
    if (!svg) return;
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", spec.description || "");
    for (const part of svg.querySelectorAll("[role],[aria-label],[aria-roledescription]")) {
      for (const name of ["role", "aria-label", "aria-roledescription", "aria-hidden"]) {
        part.removeAttribute(name);
      }
    }
    const box = svg.getAttribute("viewBox") ? svg.viewBox.baseVal : null;
    if (box) {
      svg.style.maxWidth = `${box.width}px`;
      svg.removeAttribute("width");
      svg.removeAttribute("height");
    }
  }

  function fill(table, rows) {
    const body = table.tBodies[0];
    const left = Number(table.dataset.left);
    const right = Number(table.dataset.right);
    const fresh = rows.map((row) => {
      const line = document.createElement("tr");
      row.forEach((cell, column) => {
        const one = document.createElement(column ? "td" : "th");
        if (!column) one.scope = "row";
        one.className = column >= left && column < row.length - right ? "figure" : "words";
        if (cell && typeof cell === "object") {
          const link = document.createElement("a");
          link.textContent = cell.text;
          if (cell.href.startsWith("/ui/")) link.href = cell.href;
          one.append(link);
        } else {
          one.textContent = cell;
        }
        line.append(one);
      });
      return line;
    });
    body.replaceChildren(...fresh);
  }

  async function refresh() {
    const turn = ++asked;
    const address = new URL(place.dataset.source, location.origin);
    address.searchParams.set("full", plot("full"));
    address.searchParams.set("half", plot("half"));
    try {
      const data = await window.onehead.ask(address);
      if (turn !== asked) return;
      if (data.shape !== place.dataset.shape) { location.reload(); return; }
      for (const [name, card] of Object.entries(data.cards)) {
        const box = place.querySelector(`[data-card="${CSS.escape(name)}"]`);
        box.className = card.tone;
        box.querySelector("dd > span").textContent = card.value;
        box.querySelector("small").textContent = card.note;
      }
      for (const [name, rows] of Object.entries(data.tables)) {
        const table = place.querySelector(`[data-table="${CSS.escape(name)}"]`);
        if (table) fill(table, rows);
      }
      remarks.replaceChildren(...data.remarks.map((text) => {
        const item = document.createElement("li");
        item.textContent = text;
        return item;
      }));
      await Promise.all(figures.map((figure) => {
        const spec = data.charts[figure.dataset.chart];
        return spec ? draw(figure, spec) : null;
      }));
      trouble.hidden = true;
      place.dataset.drawn = String(turn);
      if (updated) updated.textContent = `updated ${new Date().toISOString().slice(11, 19)}`;
    } catch (error) {
      trouble.textContent = `This page could not be refreshed: ${error.message}`;
      trouble.hidden = false;
    }
  }

  let timer = 0;
  function tick() {
    clearTimeout(timer);
    const on = live && live.getAttribute("aria-pressed") === "true";
    if (on && !document.hidden) timer = setTimeout(() => refresh().then(tick), EVERY_MS);
  }
  if (live) {
    live.hidden = false;
    live.addEventListener("click", () => {
      live.setAttribute("aria-pressed", String(live.getAttribute("aria-pressed") !== "true"));
      tick();
    });
  }
  document.addEventListener("visibilitychange", tick);

  let waiting = 0;
  let known = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === known) return;
    known = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(refresh, 200);
  });
  refresh().then(tick);
})();
