// Small images over the map where few enough points are in view: at most so many, none over another, kept while they stay in view.

import { imageAddress } from "./api.js";

const IN_VIEW = 1500; // points from which on there are only points
const SETTLED = 140; // milliseconds after the last move

// A number of a point that is the same every time and has nothing to do with where it lies: which of two close points is shown.
const rank = (point) => Math.imul(point + 1, 2654435761) >>> 0;

export class Thumbs {
  #shown = new Map(); // point -> its img
  #broken = new Set();
  #timer = 0;

  constructor(layer, data, colourOf) {
    Object.assign(this, { layer, data, colourOf, size: 0 });
  }

  get count() {
    return this.#shown.size;
  }

  // Move what is shown; when the view has settled, decide anew what is.
  draw(view) {
    for (const [point, image] of this.#shown) this.#put(view, point, image);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#choose(view), SETTLED);
  }

  #put(view, point, image) {
    const [x, y] = view.toScreen(this.data.x(point), this.data.y(point));
    image.style.transform = `translate(${(x - this.size / 2).toFixed(1)}px, ${(y - this.size / 2).toFixed(1)}px)`;
  }

  async #choose(view) {
    const most = view.width < 600 ? 48 : 110;
    const area = view.area(30);
    const points = [];
    if (this.data.countWithin(area, IN_VIEW) < IN_VIEW) this.data.within(area, (point) => void points.push(point));
    const room = Math.sqrt((view.width * view.height) / Math.max(1, Math.min(points.length, most)));
    this.size = Math.round(Math.min(view.width < 600 ? 64 : 92, Math.max(36, 0.62 * room)));
    const chosen = this.#apart(view, points, most);
    try {
      await this.data.need([...chosen]);
    } catch {
      return; // the map has changed, or the server is gone: points stay
    }
    for (const [point, image] of this.#shown) {
      if (chosen.has(point)) continue;
      image.remove();
      this.#shown.delete(point);
    }
    for (const point of chosen) this.#show(view, point);
    this.onchosen?.();
  }

  // Of points in view those that are shown: in the order of their ranks, each as far from the others as it is wide.
  #apart(view, points, most) {
    const chosen = new Map();
    const squares = new Map();
    const square = (x, y) => `${Math.floor(x / this.size)} ${Math.floor(y / this.size)}`;
    for (const point of points.sort((a, b) => rank(a) - rank(b))) {
      if (chosen.size >= most) break;
      if (this.#broken.has(point)) continue;
      const [x, y] = view.toScreen(this.data.x(point), this.data.y(point));
      const around = [-1, 0, 1].flatMap((i) => [-1, 0, 1].map((j) => squares.get(square(x + i * this.size, y + j * this.size))));
      if (around.some((other) => other && Math.abs(other[0] - x) < this.size + 3 && Math.abs(other[1] - y) < this.size + 3)) continue;
      chosen.set(point, [x, y]);
      squares.set(square(x, y), [x, y]);
    }
    return new Set(chosen.keys());
  }

  #show(view, point) {
    let image = this.#shown.get(point);
    if (!image) {
      image = new Image();
      image.alt = "";
      image.draggable = false;
      image.className = "coming";
      image.addEventListener("load", () => image.classList.remove("coming"));
      image.addEventListener("error", () => {
        this.#broken.add(point);
        this.#shown.delete(point);
        image.remove();
      });
      image.src = imageAddress(this.data.library, this.data.key(point), "thumbnails", 128);
      this.#shown.set(point, image);
      this.layer.append(image);
    }
    image.style.width = image.style.height = `${this.size}px`;
    image.style.setProperty("--edge-colour", this.colourOf(point));
    this.#put(view, point, image);
  }

  recolour() {
    for (const [point, image] of this.#shown) image.style.setProperty("--edge-colour", this.colourOf(point));
  }

  // The point whose image lies at a place of the screen, or -1.
  at(view, across, down) {
    for (const point of this.#shown.keys()) {
      const [x, y] = view.toScreen(this.data.x(point), this.data.y(point));
      if (Math.abs(x - across) <= this.size / 2 && Math.abs(y - down) <= this.size / 2) return point;
    }
    return -1;
  }
}
