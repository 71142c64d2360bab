// The grid of results: rows near the window are in the page, all others are height alone; 100,000 scroll like 100.

import { imageAddress } from "./api.js";
import { announce } from "./dom.js";
import { actionsFor, cellOf, dropImage, showImage } from "./search-cells.js";
import { LINE, Offsets, rowsOf, rowsThere } from "./search-layout.js";
import { CHUNK } from "./search-state.js";

const GAP = 6;
const HEIGHTS = { small: [104, 84], medium: [196, 128], large: [300, 240] }; // of rows: wide windows, narrow ones
const FAST = 4; // pixels a millisecond above which nothing is loaded
const SETTLED = 90; // milliseconds
const LONG = 1500; // and no longer is anything else held back for images

export class Grid {
  #drawn = new Map(); // name of a row -> its element
  #layouts = new Map(); // chunk -> rowsOf
  #offsets = new Offsets([]);
  #seen = { top: 0, time: 0, fast: false };
  #above = []; // rows that stood in the page before there was a grid
  #there = new Map(); // key -> image in them
  #frame = 0;
  #settle = 0;
  #current = { chunk: 0, item: 0 };

  // `acts`: open(hit, position), choose(hit, event), act(name, hit), failed(error), line() -> text, lined(row), position(position).
  constructor(root, chosen, acts) {
    this.root = root;
    this.chosen = chosen;
    this.acts = acts;
    this.results = null;
    this.size = localStorage.getItem("size") ?? "medium";
    this.actions = actionsFor((name, cell, event) => this.#act(name, cell, event));
    addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#resized()).observe(root);
    root.addEventListener("click", (event) => this.#clicked(event));
    root.addEventListener("keydown", (event) => this.#keyed(event));
    root.addEventListener("focusin", (event) => this.#focused(event));
    root.addEventListener("pointerover", (event) => {
      const cell = event.pointerType === "mouse" && event.target.closest?.(".hit:not(.copy)");
      if (cell && this.actions.parentNode !== cell) cell.append(this.actions);
    });
  }

  // Show results; `at`: the position that stands at the top of the window, where it is known.
  show(results, at = 0) {
    const focused = document.activeElement?.hit?.key;
    this.results = results;
    this.width = this.root.clientWidth;
    this.#current = { chunk: 0, item: 0 };
    this.#above = [];
    if (!at) this.#takeOver();
    this.#begin();
    if (at > 0) this.#scrollTo(at);
    this.draw();
    this.#there.clear();
    if (focused) this.#refocus(focused, at);
  }

  // Images that the server wrote into the page stay where they are, if they are those of the results: in the window they
  // are not moved, below it rows are made anew.
  #takeOver() {
    const cells = [...this.root.querySelectorAll(".first > .hit")];
    const { library, total } = this.results;
    const keys = cells.map((_, position) => this.results.hit(position)?.key);
    const address = (key) => key !== undefined && imageAddress(library, key);
    if (!cells.length || cells.some((cell, item) => cell.firstChild.getAttribute("src") !== address(keys[item]))) return;
    const grid = this.root.getBoundingClientRect();
    const boxes = cells.map((cell) => cell.getBoundingClientRect());
    const rows = rowsThere(boxes.map(({ left, top, width, height }) => ({ left: left - grid.left, top: top - grid.top, width, height })));
    if (cells.length < total && cells.length !== this.results.cut) rows.pop(); // it is not full
    this.#above = rows.filter((row) => row.top + grid.top < innerHeight);
    this.#there = new Map(cells.map((cell, item) => [keys[item], cell.firstChild]));
  }

  // The rows with the focus are gone: it stays on the same image where that is here, else on the first.
  #refocus(key, at) {
    if (!this.results.total) return;
    if (this.results.position(key) >= 0) this.focusHit(key);
    else this.focus({ chunk: Math.floor(at / CHUNK), item: at % CHUNK });
  }

  // Resolves once the images in the window have come, or soon after.
  async shown() {
    const images = [...this.root.querySelectorAll(".hit img")].filter((one) => {
      const box = one.getBoundingClientRect();
      return box.bottom > 0 && box.top < innerHeight && !one.complete;
    });
    const came = (image) => new Promise((resolve) => ["load", "error"].forEach((name) => image.addEventListener(name, resolve, { once: true })));
    await Promise.race([Promise.all(images.map(came)), new Promise((resolve) => setTimeout(resolve, LONG))]);
  }

  clear() {
    this.results = null;
    this.#begin();
  }

  setSize(size) {
    this.size = size;
    localStorage.setItem("size", size);
    this.#again();
  }

  // Lay all out again, for another width, size or line; what stood at the top stays there.
  #again() {
    if (!this.results) return;
    this.#above = [];
    const at = this.position;
    const focused = document.activeElement?.hit?.key;
    this.width = this.root.clientWidth;
    this.#begin();
    if (at > 0) this.#scrollTo(at);
    this.draw();
    if (focused) this.#refocus(focused, at);
  }

  moveLine() {
    this.#again();
  }

  unfold(key) {
    const { unfolded } = this.results;
    if (!unfolded.delete(key)) unfolded.add(key);
    this.#again();
  }

  // The choice of images has changed.
  rechoose() {
    for (const row of this.#drawn.values()) {
      for (const cell of row.children) if (cell.hit) cell.setAttribute("aria-selected", String(this.chosen.has(cell.hit.key)));
    }
  }

  // The position of the first image at the top of the window; 0 at the very top of the page.
  get position() {
    if (!this.results || scrollY < 8) return 0;
    const top = Math.max(0, this.#top() + 8);
    const chunk = this.#offsets.at(top);
    const row = this.#layouts.get(chunk)?.rows.find((one) => this.#offsets.tops[chunk] + one.top + one.height > top);
    return chunk * CHUNK + Math.min(row?.cells[0].item ?? 0, this.results.size(chunk) - 1);
  }

  #begin() {
    for (const row of this.#drawn.values()) row.remove();
    this.root.querySelector(".first")?.remove();
    this.#drawn.clear();
    this.#layouts.clear();
    const chunks = this.results?.chunks ?? 0;
    this.#offsets = new Offsets(Array.from({ length: chunks }, (_, chunk) => this.results.size(chunk)));
    if (this.results) for (const chunk of this.results.hits.keys()) this.#layOut(chunk);
    this.root.style.height = `${this.#offsets.height}px`;
  }

  #rowHeight() {
    return (HEIGHTS[this.size] ?? HEIGHTS.medium)[this.width < 620 ? 1 : 0];
  }

  #layOut(chunk) {
    const items = this.results.items(chunk);
    if (!items || this.width <= 0) return;
    const { cut } = this.results;
    const inside = cut === null || Math.floor(cut / CHUNK) !== chunk ? null : items.findIndex((one) => one === this.results.hit(cut));
    const layout = rowsOf(items, {
      width: this.width,
      height: this.#rowHeight(),
      gap: GAP,
      cut: inside,
      last: chunk === this.results.chunks - 1,
      above: chunk ? [] : this.#above,
    });
    this.#layouts.set(chunk, { ...layout, items, matches: inside ?? (cut !== null && chunk * CHUNK >= cut ? 0 : Infinity) });
    this.#offsets.set(chunk, layout.height);
  }

  // How far the window has gone below the top of the grid.
  #top() {
    return -this.root.getBoundingClientRect().top + this.#covered();
  }

  // The height that stands over the grid, of what sticks to the top of the window.
  #covered() {
    return parseFloat(getComputedStyle(this.root).scrollMarginTop) || 0;
  }

  #scrollTo(position, { middle = false } = {}) {
    const chunk = Math.min(Math.floor(position / CHUNK), this.results.chunks - 1);
    const layout = this.#layouts.get(chunk);
    const row = layout?.rows.find((one) => one.cells.some((cell) => cell.item >= position % CHUNK));
    const inside = row ? row.top : (position % CHUNK) * this.#offsets.each;
    const grid = this.root.getBoundingClientRect().top + scrollY - this.#covered();
    scrollTo(0, Math.max(0, grid + this.#offsets.tops[chunk] + inside - (middle ? innerHeight / 3 : 0)));
  }

  #scrolled() {
    const now = performance.now();
    const speed = Math.abs(scrollY - this.#seen.top) / Math.max(1, now - this.#seen.time);
    this.#seen = { top: scrollY, time: now, fast: speed > FAST };
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => {
      this.#seen.fast = false;
      this.draw();
      if (this.results) this.acts.position(this.position);
    }, SETTLED);
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.draw();
    });
  }

  #resized() {
    if (this.results && this.root.clientWidth !== this.width) this.#again();
  }

  // Put the rows near the window into the page, and take all others out of it.
  draw() {
    if (!this.results?.total || this.width <= 0) return;
    const { fast } = this.#seen;
    const margin = innerHeight * (fast ? 0.2 : 0.8);
    const top = this.#top() - margin;
    const bottom = top + innerHeight + 2 * margin;
    const first = this.#offsets.at(top);
    const last = this.#offsets.at(Math.max(0, bottom));
    const wanted = [];
    for (let chunk = first; chunk <= last; chunk += 1) {
      wanted.push(...this.#rowsNear(chunk, top, bottom));
      if (!fast) this.#load(chunk);
    }
    if (!fast) this.results.keepOnly(first - 1, last + 1);
    this.#reconcile(wanted, fast);
  }

  #rowsNear(chunk, top, bottom) {
    const layout = this.#layouts.get(chunk);
    const above = this.#offsets.tops[chunk];
    if (!layout) return [{ name: `w${chunk}`, top: above, height: this.#offsets.tops[chunk + 1] - above, kind: "waiting" }];
    const near = [];
    const active = document.activeElement?.closest?.("[role=row]");
    layout.rows.forEach((row, number) => {
      const from = above + row.top;
      const name = `${chunk}:${number}`;
      if (layout.line !== null && layout.line <= row.top && layout.line > row.top - LINE - 1) {
        near.push({ name: `l${chunk}`, top: above + layout.line, height: LINE, kind: "line" });
      }
      const pinned = active && active === this.#drawn.get(name);
      if (pinned || (from + row.height >= top && from <= bottom)) near.push({ name, top: from, height: row.height, row, chunk, layout });
    });
    return near;
  }

  #load(chunk) {
    const { results } = this;
    results.load(chunk).then(
      (came) => {
        if (!came || results !== this.results) return;
        const top = this.#top();
        const anchor = this.#offsets.at(top);
        const before = this.#offsets.tops[anchor];
        this.#layOut(chunk);
        this.root.style.height = `${this.#offsets.height}px`;
        const moved = this.#offsets.tops[anchor] - before;
        if (moved) scrollBy(0, moved);
        this.draw();
        if (this.pending?.chunk === chunk) this.focus(this.pending);
      },
      (error) => results === this.results && this.acts.failed(error),
    );
  }

  #reconcile(wanted, fast) {
    const names = new Set(wanted.map((one) => one.name));
    for (const [name, row] of this.#drawn) {
      if (names.has(name)) continue;
      for (const cell of row.children) dropImage(cell);
      row.remove();
      this.#drawn.delete(name);
    }
    let before = null;
    for (const one of wanted) {
      let row = this.#drawn.get(one.name);
      if (!row) {
        row = this.#made(one);
        this.#drawn.set(one.name, row);
        if (before) before.after(row);
        else this.root.prepend(row);
      }
      row.style.transform = `translateY(${one.top}px)`;
      row.style.height = `${one.height}px`;
      if (!fast && one.row) {
        one.row.cells.forEach((cell, number) => {
          showImage(row.children[number], this.results.library, one.layout.items[cell.item], { width: cell.width, height: one.height });
        });
      }
      before = row;
    }
    this.#tabStop();
  }

  #made(one) {
    const row = document.createElement("div");
    row.className = one.kind ?? "row";
    row.setAttribute("role", "row");
    if (one.kind === "waiting") row.setAttribute("aria-hidden", "true");
    if (one.kind === "line") {
      const text = document.createElement("span");
      text.setAttribute("role", "gridcell");
      text.textContent = this.acts.line();
      row.append(text);
      this.acts.lined(row);
    }
    for (const { item, left, width } of one.row?.cells ?? []) {
      const hit = one.layout.items[item];
      const position = one.chunk * CHUNK + item;
      const { total } = this.results;
      const cell = cellOf(hit, { position, total, chosen: this.chosen.has(hit.key), less: item >= one.layout.matches, image: this.#there.get(hit.key) });
      cell.hit = hit;
      cell.spot = { chunk: one.chunk, item };
      cell.style.left = `${left}px`;
      cell.style.width = `${width}px`;
      row.append(cell);
    }
    return row;
  }

  // Exactly one cell can be reached by Tab: where the focus was last, or the first that is drawn.
  #tabStop() {
    const cells = [...this.root.querySelectorAll(".hit")];
    const same = (cell) => cell.spot.chunk === this.#current.chunk && cell.spot.item === this.#current.item;
    const stop = cells.find(same) ?? cells.find((cell) => cell.getBoundingClientRect().top >= 0) ?? cells[0];
    for (const cell of cells) if (cell.tabIndex === 0 && cell !== stop) cell.tabIndex = -1;
    if (stop) stop.tabIndex = 0;
  }

  #focused(event) {
    const cell = event.target.closest(".hit");
    if (!cell) return;
    this.#current = cell.spot;
    this.#tabStop();
  }

  // Put the focus on an image, wherever it is; one that has not come yet gets it when it comes.
  focus({ chunk, item }) {
    const layout = this.#layouts.get(chunk);
    this.pending = layout ? null : { chunk, item };
    this.#current = { chunk, item };
    const row = layout?.rows.find((one) => one.cells.some((cell) => cell.item === item));
    const top = this.#offsets.tops[chunk] + (row?.top ?? 0);
    const seen = this.#top();
    const height = row?.height ?? 0;
    if (top < seen || top + height > seen + innerHeight - this.#covered()) this.#scrollTo(chunk * CHUNK + item, { middle: true });
    this.#seen.fast = false;
    this.draw();
    const cell = [...this.root.querySelectorAll(".hit")].find((one) => one.spot.chunk === chunk && one.spot.item === item);
    cell?.focus({ preventScroll: true });
  }

  focusHit(key) {
    const position = this.results?.position(key) ?? -1;
    if (position < 0) return;
    const chunk = Math.floor(position / CHUNK);
    const item = this.#layouts.get(chunk)?.items.findIndex((one) => one.key === key) ?? position % CHUNK;
    this.focus({ chunk, item });
  }

  #clicked(event) {
    const cell = event.target.closest(".hit");
    if (!cell) return;
    if (event.target.closest(".alike")) this.unfold(cell.hit.key);
    else if (event.shiftKey || event.ctrlKey || event.metaKey || this.chosen.size || this.choosing) this.acts.choose(cell.hit, event);
    else this.acts.open(cell.hit);
  }

  #act(name, cell, event) {
    if (name === "choose") this.acts.choose(cell.hit, event);
    else this.acts.act(name, cell.hit);
  }

  #keyed(event) {
    const cell = event.target.closest(".hit");
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    const { hit } = cell;
    const keys = {
      Enter: () => this.acts.open(hit),
      " ": () => this.acts.choose(hit, event),
      "+": () => this.acts.act("liked", hit),
      "-": () => this.acts.act("disliked", hit),
      m: () => this.acts.act("like", hit),
      u: () => hit.alike?.length && this.unfold(hit.key),
      Escape: () => this.acts.leave(),
    };
    const to = keys[event.key] ? null : this.#neighbour(cell.spot, event.key);
    if (!keys[event.key] && !to) return;
    event.preventDefault();
    if (to) this.focus(to);
    else keys[event.key]();
  }

  // Where an arrow, Home, End, or a page key leads from a cell; null for other keys.
  #neighbour({ chunk, item }, key) {
    const { total } = this.results;
    const end = { chunk: this.results.chunks - 1, item: (total - 1) % CHUNK };
    if (key === "Home") return { chunk: 0, item: 0 };
    if (key === "End") return end;
    if (key === "ArrowRight") return this.#step(chunk, item + 1, end);
    if (key === "ArrowLeft") return this.#step(chunk, item - 1, end);
    const rows = { ArrowDown: 1, ArrowUp: -1, PageDown: 4, PageUp: -4 }[key];
    return rows ? this.#byRows(chunk, item, rows, end) : null;
  }

  #step(chunk, item, end) {
    const size = this.#layouts.get(chunk)?.items.length ?? this.results.size(chunk);
    if (item >= 0 && item < size) return { chunk, item };
    if (item < 0) return chunk > 0 ? { chunk: chunk - 1, item: (this.#layouts.get(chunk - 1)?.items.length ?? CHUNK) - 1 } : { chunk, item: 0 };
    if (chunk < end.chunk) return { chunk: chunk + 1, item: 0 };
    announce("This is the last image");
    return { chunk, item: size - 1 };
  }

  #byRows(chunk, item, steps, end) {
    const layout = this.#layouts.get(chunk);
    const number = layout.rows.findIndex((row) => row.cells.some((cell) => cell.item === item));
    const cell = layout.rows[number].cells.find((one) => one.item === item);
    const middle = cell.left + cell.width / 2;
    const to = number + steps;
    if (to >= 0 && to < layout.rows.length) return { chunk, item: nearest(layout.rows[to], middle) };
    const other = chunk + (to < 0 ? -1 : 1);
    if (other < 0) return { chunk, item: nearest(layout.rows[0], middle) };
    if (other > end.chunk) return { chunk, item: nearest(layout.rows.at(-1), middle) };
    const beyond = this.#layouts.get(other);
    if (!beyond) return to < 0 ? { chunk: other, item: CHUNK - 1 } : { chunk: other, item: 0 };
    const row = to < 0 ? Math.max(0, beyond.rows.length + to) : Math.min(beyond.rows.length - 1, to - layout.rows.length);
    return { chunk: other, item: nearest(beyond.rows[row], middle) };
  }
}

function nearest(row, middle) {
  const distance = (cell) => Math.abs(cell.left + cell.width / 2 - middle);
  return row.cells.reduce((best, cell) => (distance(cell) < distance(best) ? cell : best)).item;
}
