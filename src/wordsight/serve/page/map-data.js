// A map as it comes from the server: positions, clusters, keys on demand, and which points lie where.

import { ask, keyToQuery } from "./api.js";

const SIDE = 256; // squares of the index on a side
const AT_ONCE = 500; // keys of one request

function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

// The address of the search page for images like these.
export function searchAddress(library, keys) {
  const asked = new URLSearchParams([["in", library], ...keys.map((key) => ["like", keyToQuery(key)])]);
  return `/?${asked}`;
}

// The server has another map by now: it is loaded, and the same part of it shown.
function changed(error) {
  if (error.status === 409) location.reload();
  throw error;
}

export class MapData {
  #keys = new Map();
  #coming = new Map();

  constructor(answer) {
    this.library = answer.library;
    this.version = answer.version;
    this.count = answer.count;
    const packed = bytesOf(answer.positions);
    this.packed = new Uint16Array(packed.buffer, 0, 2 * answer.count);
    this.numbers = bytesOf(answer.numbers);
    this.clusters = answer.clusters;
    this.#sort();
  }

  x(point) {
    return (this.packed[2 * point] / 65535) * 2 - 1;
  }

  y(point) {
    return (this.packed[2 * point + 1] / 65535) * 2 - 1;
  }

  // How far the points reach from the middle, across and up.
  get extent() {
    const reach = { x: 0.05, y: 0.05 };
    for (let point = 0; point < this.count; point += 1) {
      reach.x = Math.max(reach.x, Math.abs(this.x(point)));
      reach.y = Math.max(reach.y, Math.abs(this.y(point)));
    }
    return reach;
  }

  // Sort the points by the square they lie in, so that those of a rectangle are met without looking at all.
  #sort() {
    const square = (point) => ((this.packed[2 * point + 1] * SIDE) >> 16) * SIDE + ((this.packed[2 * point] * SIDE) >> 16);
    this.starts = new Uint32Array(SIDE * SIDE + 1);
    for (let point = 0; point < this.count; point += 1) this.starts[square(point) + 1] += 1;
    for (let at = 0; at < SIDE * SIDE; at += 1) this.starts[at + 1] += this.starts[at];
    this.sorted = new Uint32Array(this.count);
    const next = this.starts.slice();
    for (let point = 0; point < this.count; point += 1) this.sorted[next[square(point)]++] = point;
  }

  // Call `met` with every point of a rectangle, until it returns false.
  within({ left, right, low, high }, met) {
    const at = (value) => Math.min(SIDE - 1, Math.max(0, Math.floor(((value + 1) / 2) * SIDE)));
    for (let row = at(low); row <= at(high); row += 1) {
      for (let column = at(left); column <= at(right); column += 1) {
        for (let i = this.starts[row * SIDE + column]; i < this.starts[row * SIDE + column + 1]; i += 1) {
          const point = this.sorted[i];
          const [x, y] = [this.x(point), this.y(point)];
          if (x < left || x > right || y < low || y > high) continue;
          if (met(point) === false) return;
        }
      }
    }
  }

  // How many points a rectangle has, counted no further than `most`.
  countWithin(area, most) {
    let count = 0;
    this.within(area, () => {
      count += 1;
      return count < most;
    });
    return count;
  }

  // The point nearest to a position, or -1 where none is within `reach`.
  nearest(x, y, reach) {
    let best = -1;
    let least = reach * reach;
    this.within({ left: x - reach, right: x + reach, low: y - reach, high: y + reach }, (point) => {
      const distance = (this.x(point) - x) ** 2 + (this.y(point) - y) ** 2;
      if (distance <= least) [best, least] = [point, distance];
    });
    return best;
  }

  // Where the middle four fifths of a cluster lie.
  area(cluster) {
    const points = [...this.numbers.keys()].filter((point) => this.numbers[point] === cluster);
    const cut = (values) => {
      const ordered = values.sort((a, b) => a - b);
      return [ordered[Math.floor(0.1 * (ordered.length - 1))], ordered[Math.ceil(0.9 * (ordered.length - 1))]];
    };
    const [left, right] = cut(points.map((point) => this.x(point)));
    const [low, high] = cut(points.map((point) => this.y(point)));
    return { left, right, low, high };
  }

  key(point) {
    return this.#keys.get(point);
  }

  // Fetch the keys of points that are not known yet; resolves when all are.
  async need(points) {
    const missing = points.filter((point) => !this.#keys.has(point) && !this.#coming.has(point));
    for (let start = 0; start < missing.length; start += AT_ONCE) {
      const some = missing.slice(start, start + AT_ONCE);
      const asked = new URLSearchParams({ numbers: some.join(","), version: this.version });
      const coming = ask(`/api/libraries/${encodeURIComponent(this.library)}/map/points?${asked}`)
        .then((answer) => answer.points.forEach(({ number, key }) => this.#keys.set(number, key)), changed)
        .finally(() => some.forEach((point) => this.#coming.delete(point)));
      some.forEach((point) => this.#coming.set(point, coming));
    }
    await Promise.all(new Set(points.map((point) => this.#coming.get(point)).filter(Boolean)));
  }

  // Which value of a column each point has: its code, and the values.
  async column(name) {
    const asked = new URLSearchParams({ name, version: this.version });
    const answer = await ask(`/api/libraries/${encodeURIComponent(this.library)}/map/column?${asked}`).catch(changed);
    return { codes: bytesOf(answer.codes), values: answer.values };
  }
}

// Ask for a map until it is there; `heard(stage, share)` is called while it is being made.
export async function loadMap(library, heard) {
  for (;;) {
    const answer = await ask(`/api/libraries/${encodeURIComponent(library)}/map`);
    if (answer.positions !== undefined) return new MapData(answer);
    heard(answer.stage, answer.share);
    await new Promise((resolve) => setTimeout(resolve, 700));
  }
}
