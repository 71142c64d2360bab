// Which part of the map is seen: a middle and a scale, moved by drags, wheels, fingers and keys.

const NEAREST = 250; // times as large as when all is seen
const FURTHEST = 0.7;
const [BESIDE, ABOVE] = [28, 60]; // pixels around all points when all are seen: the tools lie above

export class View {
  // `extent`: how far the points reach from the middle, across and up.
  constructor(element, extent, changed) {
    this.element = element;
    this.extent = extent;
    this.changed = changed;
    this.x = 0;
    this.y = 0;
    this.zoom = 1;
    this.measure();
  }

  measure() {
    this.width = Math.max(this.element.clientWidth, 4 * BESIDE);
    this.height = Math.max(this.element.clientHeight, 4 * ABOVE);
  }

  // Pixels of a unit of the map.
  get scale() {
    return Math.min((this.width / 2 - BESIDE) / this.extent.x, (this.height / 2 - ABOVE) / this.extent.y) * this.zoom;
  }

  toScreen(x, y) {
    return [(x - this.x) * this.scale + this.width / 2, (this.y - y) * this.scale + this.height / 2];
  }

  toMap(across, down) {
    return [(across - this.width / 2) / this.scale + this.x, this.y - (down - this.height / 2) / this.scale];
  }

  // What is seen, with so many pixels around it.
  area(margin = 0) {
    const [left, high] = this.toMap(-margin, -margin);
    const [right, low] = this.toMap(this.width + margin, this.height + margin);
    return { left, right, low, high };
  }

  look(x, y, zoom) {
    this.zoom = Math.min(NEAREST, Math.max(FURTHEST, zoom));
    this.x = Math.min(1, Math.max(-1, x));
    this.y = Math.min(1, Math.max(-1, y));
    this.changed();
  }

  move(across, down) {
    this.look(this.x - across / this.scale, this.y + down / this.scale, this.zoom);
  }

  // Zoom so that what is at a place of the screen stays there.
  zoomAt(factor, across = this.width / 2, down = this.height / 2) {
    const [x, y] = this.toMap(across, down);
    this.zoom = Math.min(NEAREST, Math.max(FURTHEST, this.zoom * factor));
    const [nowX, nowY] = this.toMap(across, down);
    this.look(this.x + x - nowX, this.y + y - nowY, this.zoom);
  }

  // Go to a part of the map, in steps where the reader likes motion.
  fly({ left, right, low, high }) {
    const whole = this.scale / this.zoom;
    const room = 0.7 * Math.min(this.width / Math.max(right - left, 0.01), this.height / Math.max(high - low, 0.01));
    this.#goTo({ x: (left + right) / 2, y: (low + high) / 2, zoom: Math.min(60, room / whole) });
  }

  fit() {
    this.#goTo({ x: 0, y: 0, zoom: 1 });
  }

  #goTo(to) {
    const from = { x: this.x, y: this.y, zoom: this.zoom };
    const begin = performance.now();
    const lasts = matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 450;
    const flight = (this.flight = {});
    const step = (now) => {
      if (this.flight !== flight) return;
      const share = lasts ? Math.min(1, (now - begin) / lasts) : 1;
      const eased = 1 - (1 - share) ** 3;
      const zoom = from.zoom * (to.zoom / from.zoom) ** eased;
      this.look(from.x + (to.x - from.x) * eased, from.y + (to.y - from.y) * eased, zoom);
      if (share < 1) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }
}

// Listen to pointers, wheels and keys; `on` has what is not moving: hover, click, lassoBegin, lassoTo, lassoEnd, focus.
export function listenTo(view, element, on) {
  const pointers = new Map();
  let dragged = 0;
  let lasso = false;
  const at = (event) => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    view.flight = null;
    pointers.set(event.pointerId, at(event));
    if (pointers.size === 1) {
      dragged = 0;
      lasso = on.selecting() || event.shiftKey;
      if (lasso) on.lassoBegin(at(event));
    } else if (lasso) {
      lasso = false;
      on.lassoEnd(false);
    }
  });
  element.addEventListener("pointermove", (event) => {
    const now = at(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") on.hover(now);
      return;
    }
    if (lasso) on.lassoTo(now);
    else if (pointers.size === 2) pinch(event.pointerId, before, now);
    else if (Math.hypot(now[0] - before[0], now[1] - before[1]) + dragged > 4) {
      element.classList.add("moving");
      on.hover(null);
      view.move(now[0] - before[0], now[1] - before[1]);
    } else return; // a click that trembles
    dragged += Math.hypot(now[0] - before[0], now[1] - before[1]);
    pointers.set(event.pointerId, now);
  });
  function pinch(id, before, now) {
    const [, other] = [...pointers].find(([one]) => one !== id);
    const span = (point) => Math.max(10, Math.hypot(point[0] - other[0], point[1] - other[1]));
    view.zoomAt(span(now) / span(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    view.move((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
  }
  const ended = (event, finished) => {
    if (!pointers.delete(event.pointerId)) return;
    element.classList.remove("moving");
    if (lasso) {
      lasso = false;
      on.lassoEnd(finished);
    } else if (finished && pointers.size === 0 && dragged <= 4) on.click(at(event), event);
    if (pointers.size) dragged = 5; // what remains of a pinch is no click
  };
  element.addEventListener("pointerup", (event) => ended(event, true));
  element.addEventListener("pointercancel", (event) => ended(event, false));
  element.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && pointers.size === 0 && on.hover(null));
  element.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      view.flight = null;
      const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? view.height : 1);
      view.zoomAt(Math.exp(-Math.max(-120, Math.min(120, pixels)) * (event.ctrlKey ? 0.01 : 0.0025)), ...at(event));
    },
    { passive: false },
  );
  element.addEventListener("keydown", (event) => {
    if (event.target !== element || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 0.15 * Math.min(view.width, view.height);
    const keys = {
      ArrowLeft: () => view.move(step, 0),
      ArrowRight: () => view.move(-step, 0),
      ArrowUp: () => view.move(0, step),
      ArrowDown: () => view.move(0, -step),
      "+": () => view.zoomAt(1.4),
      "=": () => view.zoomAt(1.4),
      "-": () => view.zoomAt(1 / 1.4),
      0: () => view.fit(),
      Enter: () => on.enter(),
      Escape: () => on.escape(),
    };
    if (!(event.key in keys)) return;
    event.preventDefault();
    view.flight = event.key === "0" ? view.flight : null;
    keys[event.key]();
    on.focus();
  });
}
