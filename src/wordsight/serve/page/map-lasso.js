// Drawing around points, and what is done with those inside: a count, and a search for images like them.

import { CHOSEN, DIMMED } from "./map-draw.js";
import { searchAddress } from "./map-data.js";

const ASKED = 12; // images of a selection that a search starts from

export class Lasso {
  #line = [];

  constructor({ shape, bar, data, view, mark }) {
    Object.assign(this, { shape, bar, data, view, mark, points: [] });
  }

  begin(place) {
    this.#line = [place];
  }

  to(place) {
    const [across, down] = this.#line.at(-1);
    if (Math.hypot(place[0] - across, place[1] - down) < 3) return;
    this.#line.push(place);
    this.shape.setAttribute("points", this.#line.map((one) => one.map((value) => value.toFixed(1)).join(",")).join(" "));
  }

  end(finished) {
    this.shape.setAttribute("points", "");
    const line = this.#line.map(([across, down]) => this.view.toMap(across, down));
    this.#line = [];
    if (!finished || line.length < 3) return;
    const [xs, ys] = [line.map(([x]) => x), line.map(([, y]) => y)];
    const area = { left: Math.min(...xs), right: Math.max(...xs), low: Math.min(...ys), high: Math.max(...ys) };
    const points = [];
    this.data.within(area, (point) => {
      if (inside(line, this.data.x(point), this.data.y(point))) points.push(point);
    });
    this.choose(points);
  }

  clear() {
    this.choose([]);
  }

  async choose(points) {
    this.points = points;
    const states = new Uint8Array(this.data.count);
    if (points.length) {
      states.fill(DIMMED);
      for (const point of points) states[point] = CHOSEN;
    }
    this.mark(states);
    this.bar.hidden = true;
    if (!points.length) return;
    const asked = this.#middle();
    await this.data.need(asked);
    if (this.points !== points) return;
    const words = `${points.length.toLocaleString()} ${points.length === 1 ? "image" : "images"}`;
    const search = Object.assign(document.createElement("a"), {
      href: searchAddress(this.data.library, asked.map((point) => this.data.key(point))),
      textContent: "Open as a search",
    });
    const clear = Object.assign(document.createElement("button"), { type: "button", textContent: "Clear", onclick: () => this.clear() });
    this.bar.replaceChildren(words, search, clear);
    this.bar.hidden = false;
  }

  // The points nearest to the middle of the selection.
  #middle() {
    const mean = (value) => this.points.reduce((sum, point) => sum + value(point), 0) / this.points.length;
    const [x, y] = [mean((point) => this.data.x(point)), mean((point) => this.data.y(point))];
    const distance = (point) => (this.data.x(point) - x) ** 2 + (this.data.y(point) - y) ** 2;
    return [...this.points].sort((a, b) => distance(a) - distance(b)).slice(0, ASKED);
  }
}

// Whether a place lies inside a line around it: how often a ray from it crosses the line is odd.
export function inside(line, x, y) {
  let odd = false;
  for (let i = 0, j = line.length - 1; i < line.length; j = i, i += 1) {
    const [[ax, ay], [bx, by]] = [line[i], line[j]];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}
