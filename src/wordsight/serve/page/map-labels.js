// The names of the clusters over the map: the largest first, and none over another.  The list of clusters says the same to those who
// do not see the map, so these are left out of the order of focus.

const GAP = 4; // pixels between names

export class Labels {
  constructor(layer, data, chosen) {
    this.labels = data.clusters.map((cluster, number) => {
      const label = document.createElement("button");
      Object.assign(label, { type: "button", tabIndex: -1, textContent: cluster.name, hidden: true });
      if (cluster.size > data.count / 25) label.className = "large";
      label.addEventListener("click", () => chosen(number));
      return { cluster, label, width: 0, height: 0, shown: false };
    });
    layer.append(...this.labels.filter(({ cluster }) => cluster.size && cluster.name).map(({ label }) => label));
    this.bySize = this.labels.filter(({ cluster }) => cluster.size && cluster.name).sort((a, b) => b.cluster.size - a.cluster.size);
  }

  // Measure all names; needed again when type or window change.
  measure() {
    for (const one of this.bySize) {
      one.label.style.visibility = "hidden";
      one.label.hidden = false;
    }
    for (const one of this.bySize) [one.width, one.height] = [one.label.offsetWidth, one.label.offsetHeight];
    for (const one of this.bySize) {
      one.label.hidden = !one.shown;
      one.label.style.visibility = "";
    }
  }

  draw(view, taken) {
    const boxes = [...taken];
    for (const one of this.bySize) {
      const [x, y] = view.toScreen(one.cluster.x, one.cluster.y);
      const left = Math.min(Math.max(x - one.width / 2, 4), view.width - one.width - 4);
      const box = { left, top: y - one.height / 2, right: left + one.width, bottom: y + one.height / 2 };
      const inside = x > -one.width / 3 && x < view.width + one.width / 3 && box.top > 0 && box.bottom < view.height;
      const free = inside && boxes.every((other) => apart(box, other));
      if (free) {
        boxes.push(box);
        one.label.style.transform = `translate(${Math.round(left)}px, ${Math.round(box.top)}px)`;
      }
      if (free !== one.shown) {
        one.shown = free;
        one.label.hidden = !free;
      }
    }
  }
}

function apart(box, other) {
  return (
    box.right + GAP < other.left || other.right + GAP < box.left || box.bottom + GAP < other.top || other.bottom + GAP < box.top
  );
}
