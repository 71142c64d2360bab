// The card beside the image that is pointed at: a larger thumbnail, its name, its cluster.

import { imageAddress } from "./api.js";
import { searchAddress } from "./map-data.js";

export class Card {
  #asked = -1;

  constructor(element, data) {
    Object.assign(this, { element, data, point: -1 });
    this.image = element.querySelector("img");
    this.link = element.querySelector("a");
    this.words = element.querySelector("span");
    this.image.addEventListener("error", () => (this.image.hidden = true));
  }

  hide() {
    this.#asked = this.point = -1;
    this.element.hidden = true;
  }

  // Show the card of a point beside where it lies; resolves to its key, or undefined where another was asked for meanwhile.
  async show(view, point, touched = false) {
    this.#asked = point;
    if (this.data.key(point) === undefined) await this.data.need([point]);
    if (this.#asked !== point) return undefined;
    const key = this.data.key(point);
    this.element.classList.toggle("touched", touched);
    if (this.point !== point) {
      this.point = point;
      this.image.hidden = false;
      this.image.src = imageAddress(this.data.library, key, "thumbnails", 256);
      this.link.textContent = key.split("/").at(-1);
      this.link.href = searchAddress(this.data.library, [key]);
      this.link.setAttribute("aria-label", `More like ${key}`);
      const { name } = this.data.clusters[this.data.numbers[point]];
      this.words.textContent = [name, touched ? "tap the name for more like this" : ""].filter(Boolean).join(" - ");
    }
    this.element.hidden = false;
    this.#put(view);
    return key;
  }

  #put(view) {
    const [x, y] = view.toScreen(this.data.x(this.point), this.data.y(this.point));
    const [width, height] = [this.element.offsetWidth, this.element.offsetHeight];
    const left = x + 18 + width < view.width ? x + 18 : x - 18 - width;
    const top = Math.min(Math.max(y - height / 2, 8), view.height - height - 8);
    this.element.style.transform = `translate(${Math.max(8, left).toFixed(0)}px, ${top.toFixed(0)}px)`;
  }
}
