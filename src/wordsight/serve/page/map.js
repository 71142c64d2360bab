// The page of a library's map: loads it, draws it, and leads from a point to the search for more like it.

import { ask } from "./api.js";
import { nameOfColumn } from "./search-facets.js";
import { Card } from "./map-card.js";
import { loadMap, searchAddress } from "./map-data.js";
import { makeDrawing, palette, pointSize } from "./map-draw.js";
import { Labels } from "./map-labels.js";
import { Lasso } from "./map-lasso.js";
import { countsOf, fillLegend, fillList, paintDots } from "./map-list.js";
import { Thumbs } from "./map-thumbs.js";
import { listenTo, View } from "./map-view.js";

const STAGES = {
  waiting: "Waiting for another map",
  reading: "Reading the library",
  neighbours: "Looking for the neighbours of each image",
  layout: "Laying out",
  naming: "Naming clusters",
  done: "Nearly there",
};
const REST = 250; // milliseconds without a frame after which all points are drawn
const [QUICK, SLOW, PAUSE] = [22, 45, 1500]; // milliseconds between frames: more points, fewer, no movement
const byId = (id) => document.getElementById(id);

class MapPage {
  constructor(data) {
    this.data = data;
    this.share = 1; // of the points, that is drawn while it moves
    this.least = Math.min(1, 3000 / data.count);
    this.drawn = -Infinity;
    this.map = byId("map");
    this.drawing = makeDrawing(byId("points"), data, new URLSearchParams(location.search).get("draw"));
    this.drawing.onrestored = () => this.again();
    this.view = new View(this.map, data.extent, () => this.again());
    this.labels = new Labels(byId("labels"), data, (number) => this.go(number));
    this.thumbs = new Thumbs(byId("thumbs"), data, (point) => `rgb(${this.colours[this.codes[point]].join(" ")})`);
    this.card = new Card(byId("card"), data);
    this.lasso = new Lasso({
      shape: byId("lasso").firstElementChild,
      bar: byId("selection"),
      data,
      view: this.view,
      mark: (states) => {
        this.drawing.mark(states);
        this.again();
      },
    });
    this.codes = data.numbers;
    this.values = null;
    fillList(byId("list"), data, (number) => this.go(number));
    byId("counts").textContent = countsOf(data);
    this.map.setAttribute("aria-label", `Map of ${countsOf(data)}`);
    this.#measure();
    this.paint();
    this.labels.measure();
    this.#recall();
    this.#listen();
    this.again();
  }

  // Draw once more, at the next frame.  While frames follow one another, as many points are drawn as the machine can; all of them when
  // it rests.
  again() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame((now) => {
      this.waiting = 0;
      const since = now - this.drawn;
      if (since > PAUSE) this.share = Math.max(this.share, 0.5);
      else if (since > SLOW) this.share = Math.max(this.least, this.share * Math.max(0.4, SLOW / since));
      else if (since < QUICK) this.share = Math.min(1, this.share * 1.1);
      this.drawn = now;
      this.drawing.draw(this.view, this.share);
      this.labels.draw(this.view, this.taken);
      this.thumbs.draw(this.view);
      clearTimeout(this.resting);
      this.resting = setTimeout(() => this.#rest(), REST);
    });
  }

  #rest() {
    if (this.share < 1) this.drawing.draw(this.view);
    this.drawn = -Infinity; // the time until the next frame says nothing
    this.#note();
  }

  // Where no name may lie: under the tools.
  #measure() {
    const stage = this.map.getBoundingClientRect();
    this.taken = [...byId("tools").children]
      .map((one) => one.getBoundingClientRect())
      .map((box) => ({ left: box.left - stage.left, right: box.right - stage.left, top: box.top - stage.top, bottom: box.bottom - stage.top }));
  }

  paint() {
    const theme = document.documentElement.dataset.theme;
    const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    this.colours = palette(this.values?.length ?? this.data.clusters.length, dark, this.values !== null);
    this.drawing.paint(this.colours);
    paintDots(byId("list"), palette(this.data.clusters.length, dark, false));
    if (this.values) paintDots(byId("legend"), this.colours);
    this.thumbs.recolour();
    this.again();
  }

  go(number) {
    this.card.hide();
    this.view.fly(this.data.area(number));
    if (byId("clusters").getBoundingClientRect().top > this.view.height / 2) this.map.scrollIntoView({ block: "nearest" });
  }

  async colourBy(name) {
    const column = name ? await this.data.column(name) : null;
    this.values = column?.values ?? null;
    this.codes = column?.codes ?? this.data.numbers;
    this.drawing.code(this.codes);
    byId("legend").hidden = !this.values;
    if (this.values) fillLegend(byId("legend"), this.data.library, this.values);
    this.paint();
  }

  // The image at a place of the screen, or -1.
  at([across, down], reach = 10) {
    const point = this.thumbs.at(this.view, across, down);
    const near = Math.max(reach, pointSize(this.view, this.data.count) / 2) / this.view.scale;
    return point >= 0 ? point : this.data.nearest(...this.view.toMap(across, down), near);
  }

  open(point) {
    this.#note();
    this.data.need([point]).then(() => location.assign(searchAddress(this.data.library, [this.data.key(point)])));
  }

  #hover(place) {
    const point = place && !this.selecting ? this.at(place) : -1;
    this.map.classList.toggle("over", point >= 0);
    if (point < 0) this.card.hide();
    else if (point !== this.card.point) this.card.show(this.view, point).catch(shown);
  }

  #click(place, event) {
    const touch = event.pointerType !== "mouse";
    const point = this.at(place, touch ? 22 : 10);
    byId("cross").hidden = true;
    if (point < 0) this.card.hide();
    else if (!touch || point === this.card.point) this.open(point);
    else this.card.show(this.view, point, true).catch(shown);
  }

  // With the keyboard, the image nearest to the middle is the one that is looked at.
  #focus() {
    byId("cross").hidden = false;
    const point = this.#inTheMiddle();
    if (point < 0) return this.card.hide();
    this.card
      .show(this.view, point)
      .then((key) => key && (byId("spoken").textContent = [key, this.data.clusters[this.data.numbers[point]].name].filter(Boolean).join(", ")))
      .catch(shown);
  }

  #inTheMiddle() {
    const { x, y, width, height, scale } = this.view;
    return this.data.nearest(x, y, Math.min(width, height) / 4 / scale);
  }

  #select(on) {
    this.selecting = on;
    byId("select").setAttribute("aria-pressed", String(on));
    this.map.classList.toggle("selecting", on);
  }

  #listen() {
    listenTo(this.view, this.map, {
      hover: (place) => this.#hover(place),
      click: (place, event) => this.#click(place, event),
      selecting: () => this.selecting,
      lassoBegin: (place) => this.lasso.begin(place),
      lassoTo: (place) => this.lasso.to(place),
      lassoEnd: (finished) => {
        this.lasso.end(finished);
        this.#select(false);
      },
      focus: () => this.#focus(),
      enter: () => this.#inTheMiddle() >= 0 && this.open(this.#inTheMiddle()),
      escape: () => {
        this.card.hide();
        this.#select(false);
        this.lasso.clear();
      },
    });
    document.addEventListener("click", () => this.#note(), true); // links lead away before the map has come to rest
    byId("zoom-in").addEventListener("click", () => this.view.zoomAt(1.6));
    byId("zoom-out").addEventListener("click", () => this.view.zoomAt(1 / 1.6));
    byId("fit").addEventListener("click", () => this.view.fit());
    byId("select").addEventListener("click", () => this.#select(!this.selecting));
    byId("column").addEventListener("change", (event) => this.colourBy(event.target.value).catch(shown));
    this.map.addEventListener("blur", () => {
      if (!byId("cross").hidden) this.card.hide();
      byId("cross").hidden = true;
    });
    new ResizeObserver(() => {
      this.view.measure();
      this.labels.measure();
      this.#measure();
      this.again();
    }).observe(this.map);
    new MutationObserver(() => this.paint()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
  }

  // What is seen is part of the address, so that the way back from a search leads to the same part of the map.
  #note() {
    const { x, y, zoom } = this.view;
    const seen = [x, y, zoom].map((value) => Number(value.toPrecision(5))).join(",");
    history.replaceState(null, "", `#view=${seen}`);
  }

  #recall() {
    const [x, y, zoom] = (/^#view=(.+)$/.exec(location.hash)?.[1] ?? "").split(",").map(Number);
    if ([x, y, zoom].every(Number.isFinite) && zoom > 0) this.view.look(x, y, zoom);
  }
}

function shown(error) {
  byId("wait").hidden = false;
  byId("wait").classList.add("failed");
  byId("wait-words").textContent = error.message;
}

async function libraryName() {
  const asked = new URLSearchParams(location.search);
  const named = asked.get("in") ?? asked.get("library");
  if (named) return named;
  const { libraries } = await ask("/api/status");
  if (!libraries.length) throw new Error("no library is served");
  return libraries[0].name;
}

const option = (name, text = name) => Object.assign(document.createElement("option"), { value: name, textContent: text });
const titled = (text) => text[0].toUpperCase() + text.slice(1);

async function offerColumns({ data }) {
  const { columns } = await ask(`/api/libraries/${encodeURIComponent(data.library)}`);
  byId("column").append(...columns.map(({ name }) => option(name, titled(nameOfColumn(name)))));
  byId("colour-by").hidden = !columns.length;
}

async function offerLibraries({ data }) {
  const { libraries } = await ask("/api/status");
  byId("library").append(...libraries.map(({ name }) => option(name)));
  byId("library").value = data.library;
  byId("library").addEventListener("change", (event) => location.assign(`/map?${new URLSearchParams({ in: event.target.value })}`));
  byId("served").hidden = libraries.length < 2;
}

async function begin() {
  byId("wait").classList.remove("failed");
  try {
    const data = await loadMap(await libraryName(), (stage, share) => {
      byId("wait-words").textContent = STAGES[stage] ?? stage;
      byId("wait-share").value = share;
    });
    byId("wait").hidden = true;
    window.libraryMap = new MapPage(data);
    document.title = `Map of ${data.library} - Wordsight`;
    offerColumns(window.libraryMap).catch(() => (byId("colour-by").hidden = true)); // the map is whole without these
    offerLibraries(window.libraryMap).catch(() => (byId("served").hidden = true));
  } catch (error) {
    shown(error);
  }
}

document.addEventListener("key-given", () => window.libraryMap ?? begin());
begin();
