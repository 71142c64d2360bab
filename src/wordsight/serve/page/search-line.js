// The line of the grid can be moved: dragged to where the matches end, or by arrow keys, in step with the slider of the bar.

import { element, percent } from "./dom.js";
import { CHUNK } from "./search-state.js";

const EDGE = 70; // pixels from the border of the window at which it scrolls while the line is dragged
const STEP = 14; // pixels it then scrolls for a move
const KEYS = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 3, PageDown: -3 };

// Return a function that makes a row of the grid that holds the line movable; the one that is there becomes so at once.
export function movable(page) {
  let held = false; // whether the keys were on the line when it was drawn anew
  document.addEventListener("focusin", (event) => (held &&= event.target.matches(".grip")));
  const keyed = (event) => {
    const { slider } = page.bar;
    const to = { Home: slider.min, End: slider.max }[event.key] ?? (KEYS[event.key] && Number(slider.value) + KEYS[event.key]);
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    held = true;
    const before = page.results;
    slider.value = to;
    slider.dispatchEvent(new Event("change"));
    follow(before, 600);
  };
  // Once the answer is here, the window goes to where the line is now; `frames` are waited at most.
  const follow = (before, frames) => {
    if (!held || !frames) return;
    const { results } = page;
    const { root } = page.grid;
    if (!results || results === before) requestAnimationFrame(() => follow(before, frames - 1));
    else if (root.querySelector(".grip")) root.querySelector(".grip").focus();
    else if (results.cut < results.total) page.grid.focus({ chunk: Math.floor(results.cut / CHUNK), item: results.cut % CHUNK });
  };
  const dress = (row) => {
    const { line } = page.results;
    const grip = element(
      "span",
      {
        class: "grip",
        role: "slider",
        tabIndex: 0,
        title: "Drag the line, or move it by arrow keys",
        "aria-label": "Least probability of a match",
        "aria-orientation": "vertical",
        "aria-valuemin": "0",
        "aria-valuemax": "100",
        "aria-valuenow": String(Math.round(100 * (line ?? 0))),
        "aria-valuetext": `${percent(line ?? 0)} likely`,
        onkeydown: keyed,
      },
      row.textContent,
    );
    row.firstChild.replaceChildren(grip);
    row.classList.add("movable");
    row.addEventListener("pointerdown", (event) => {
      const fits = event.button === 0 && (event.pointerType === "mouse" || event.target === grip);
      if (fits) drag(page, row, event);
    });
    if (held) queueMicrotask(() => grip.focus());
  };
  for (const row of page.grid.root.querySelectorAll(".line")) dress(row);
  return dress;
}

function drag(page, row, event) {
  const { results } = page;
  const { root } = page.grid;
  const from = event.clientY + scrollY;
  const grip = row.querySelector(".grip");
  let least = null;
  event.preventDefault();
  grip.focus({ preventScroll: true });
  root.setPointerCapture(event.pointerId);
  row.classList.add("moving");
  const move = ({ clientX, clientY }) => {
    if (clientY < EDGE) scrollBy(0, -STEP);
    else if (clientY > innerHeight - EDGE) scrollBy(0, STEP);
    row.style.translate = `0 ${clientY + scrollY - from}px`;
    const cut = cutAt(page, clientX, clientY);
    least = between(results, cut);
    for (const cell of root.querySelectorAll(".hit")) cell.classList.toggle("less", results.position(cell.hit.of ?? cell.hit.key) >= cut);
    grip.textContent = `At least ${percent(least)}`;
    page.bar.show({ ...results, cut, line: least }, page.facts());
  };
  const end = ({ type }) => {
    root.removeEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) root.removeEventListener(name, end);
    row.classList.remove("moving");
    row.style.translate = "";
    if (least === null) return;
    if (type === "pointerup" && least !== results.line) page.bar.acts.least(least, true);
    else {
      page.grid.moveLine();
      page.bar.show(results, page.facts());
    }
  };
  root.addEventListener("pointermove", move);
  for (const name of ["pointerup", "pointercancel"]) root.addEventListener(name, end);
}

// How many images stand above a point: those of the rows over it, and in its own row those before it.
export function cutAt(page, x, y) {
  let above = 0;
  let first = Infinity;
  for (const cell of page.grid.root.querySelectorAll(".hit:not(.copy)")) {
    const box = cell.getBoundingClientRect();
    const position = page.results.position(cell.hit.key);
    first = Math.min(first, position);
    if (box.bottom <= y || (box.top <= y && (box.left + box.right) / 2 <= x)) above = Math.max(above, position + 1);
  }
  return above || first;
}

// The roundest probability that divides the first `cut` images from the others.
export function between(results, cut) {
  if (cut >= results.total) return 0;
  const high = cut > 0 ? (results.hit(cut - 1)?.match ?? 1) : 1;
  const low = results.hit(cut)?.match ?? 0;
  for (let digits = 2; high > low && digits < 7; digits += 1) {
    const value = (Math.floor(low * 10 ** digits + 1e-9) + 1) / 10 ** digits;
    if (value <= high) return value;
  }
  return high;
}
