// The clusters in words beside the map: name, count, typical images, and a link that searches for more like them.

import { imageAddress } from "./api.js";
import { searchAddress } from "./map-data.js";

const SHOWN = 4;
const UNNAMED = "various"; // a cluster that nothing distinguishes, and that has no name on the map

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const plural = (count, one) => `${count.toLocaleString()} ${count === 1 ? one : `${one}s`}`;

// Fill the list; `go(number)` shows a cluster on the map.
export function fillList(list, data, go) {
  const items = data.clusters.map((cluster, number) => {
    const dot = element("span", { className: "dot", ariaHidden: "true" });
    dot.dataset.code = number;
    const name = element("button", { type: "button", title: "Show on the map", onclick: () => go(number) }, dot, cluster.name || UNNAMED);
    const size = element("span", { className: "quiet", textContent: cluster.size.toLocaleString() });
    size.append(element("span", { className: "unseen", textContent: cluster.size === 1 ? " image" : " images" }));
    const more = element("a", { href: searchAddress(data.library, cluster.examples), textContent: "Search" });
    more.setAttribute("aria-label", `Search for images like those of ${cluster.name || UNNAMED}`);
    const images = cluster.examples.slice(0, SHOWN).map((key) => {
      const image = element("img", { alt: "", loading: "lazy", draggable: false });
      image.addEventListener("error", () => (image.hidden = true));
      image.src = imageAddress(data.library, key, "thumbnails", 128);
      const link = element("a", { href: searchAddress(data.library, [key]), title: key }, image);
      link.setAttribute("aria-label", `More like ${key}`);
      return link;
    });
    return element("li", {}, element("div", { className: "head" }, name, size, more), element("div", { className: "shown" }, ...images));
  });
  list.replaceChildren(...items.filter((_, number) => data.clusters[number].size));
}

export function countsOf(data) {
  return `${plural(data.count, "image")}, ${plural(data.clusters.filter(({ size }) => size).length, "cluster")}`;
}

// Fill the legend of a column; a value leads to the search for it.
export function fillLegend(legend, library, values) {
  legend.replaceChildren(
    ...values
      .map((value, code) => {
        const dot = element("span", { className: "dot", ariaHidden: "true" });
        dot.dataset.code = code;
        const words = value.where
          ? element("a", { href: `/?${new URLSearchParams({ in: library, where: value.where })}`, textContent: value.label })
          : value.label;
        return { value, item: element("li", {}, dot, words, ` ${value.count.toLocaleString()}`) };
      })
      .filter(({ value }) => value.count)
      .map(({ item }) => item),
  );
}

export function paintDots(root, colours) {
  for (const dot of root.querySelectorAll(".dot")) dot.style.backgroundColor = `rgb(${colours[dot.dataset.code].join(" ")})`;
}
