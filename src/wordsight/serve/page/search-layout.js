// Where images stand: rows of one width, each image at its own shape, each chunk of results by itself.  Pure arithmetic.

const NARROWEST = 0.5;
const WIDEST = 2.6;
export const LINE = 64; // height of the line between matches and less likely images

export function shapeOf(item) {
  const shape = item.width > 0 && item.height > 0 ? item.width / item.height : 1;
  return Math.min(WIDEST, Math.max(NARROWEST, shape));
}

// Return the rows of a chunk and its height: `rows` have top, height, and cells {item, left, width}; `line` is where the
// matches end.  `cut`: how many items stand before the line, or null; `last`: whether nothing follows; `above`: rows that
// stand already.
export function rowsOf(items, { width, height, gap, cut = null, last = false, above = [] }) {
  const rows = [...above];
  const begun = above.at(-1)?.cells.at(-1).item ?? -1;
  let top = above.length ? above.at(-1).top + above.at(-1).height + gap : 0;
  let line = null;
  const place = (from, to, open) => {
    for (const row of balanced(items.slice(from, to), { width, height, gap, open })) {
      rows.push({ ...row, top, cells: row.cells.map((cell) => ({ ...cell, item: cell.item + from })) });
      top += row.height + gap;
    }
  };
  const ends = cut !== null && cut >= 0 && cut < items.length;
  place(begun + 1, ends ? cut : items.length, ends || last);
  if (ends) {
    line = top;
    top += LINE;
    place(cut, items.length, last);
  }
  return { rows, height: top, line };
}

// The rows in which boxes {left, top, width, height} stand.
export function rowsThere(boxes) {
  const rows = [];
  boxes.forEach(({ left, top, width, height }, item) => {
    if (!item || top > boxes[item - 1].top + 1) rows.push({ top: Math.round(top), height: Math.round(height), cells: [] });
    rows.at(-1).cells.push({ item, left, width });
  });
  return rows;
}

// Break items into rows that are all as wide as the page and as near to the wanted height as can be.  In an open end the
// last row may stay short.
function balanced(items, { width, height, gap, open }) {
  const shapes = items.map(shapeOf);
  const best = [{ cost: 0, from: 0 }]; // before each item: the least cost of the rows above, and where the last began
  for (let to = 1; to <= shapes.length; to += 1) {
    best.push({ cost: Infinity, from: 0 });
    let sum = 0;
    for (let from = to - 1; from >= 0; from -= 1) {
      sum += shapes[from];
      const filled = (width - gap * (to - from - 1)) / sum / height;
      const short = open && to === shapes.length && filled > 1;
      const cost = best[from].cost + (short ? 0.02 : Math.log(Math.max(filled, 0.01)) ** 2);
      if (cost < best[to].cost) best[to] = { cost, from };
      if (filled < 0.4) break;
    }
  }
  const ends = [];
  for (let to = shapes.length; to > 0; to = best[to].from) ends.unshift([best[to].from, to]);
  return ends.map(([from, to]) => row(shapes, from, to, { width, height, gap }));
}

function row(shapes, from, to, { width, height, gap }) {
  const inside = shapes.slice(from, to);
  const sum = inside.reduce((one, other) => one + other, 0);
  const filled = (width - gap * (inside.length - 1)) / sum;
  const isFull = filled <= height * 1.5;
  const tall = Math.round(isFull ? filled : height);
  let left = 0;
  const cells = inside.map((shape, number) => {
    const wide = isFull && number === inside.length - 1 ? width - left : Math.round(shape * tall);
    const cell = { item: from + number, left, width: wide };
    left += wide + gap;
    return cell;
  });
  return { height: tall, cells };
}

// The heights of all chunks, known or estimated, and where each begins.
export class Offsets {
  constructor(sizes) {
    this.sizes = sizes; // how many items a chunk has
    this.known = new Map(); // chunk -> height
    this.tops = new Float64Array(sizes.length + 1);
    this.each = 40; // pixels of height an item takes, in the mean
    this.#sum();
  }

  set(chunk, height) {
    if (this.known.get(chunk) === height) return false;
    this.known.set(chunk, height);
    let items = 0;
    let heights = 0;
    for (const [one, tall] of this.known) {
      items += this.sizes[one];
      heights += tall;
    }
    if (this.known.size < 4) this.each = heights / Math.max(1, items);
    this.#sum();
    return true;
  }

  // Return the chunk at a height.
  at(top) {
    let low = 0;
    let high = this.sizes.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.tops[middle] <= top) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  get height() {
    return this.tops[this.sizes.length];
  }

  #sum() {
    for (let chunk = 0; chunk < this.sizes.length; chunk += 1) {
      this.tops[chunk + 1] = this.tops[chunk] + (this.known.get(chunk) ?? this.sizes[chunk] * this.each);
    }
  }
}
