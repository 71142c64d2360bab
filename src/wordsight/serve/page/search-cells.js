// One image of the grid: its thumbnail, how likely it is, and what can be done with it.

import { imageAddress } from "./api.js";
import { element, iconButton, percent } from "./dom.js";

const TITLES = ["title", "caption", "captions", "name", "text", "description"];
const SHARP = 0.75; // of the pixels of a box, which a thumbnail should have
const SIDES = [256, 384, 512, 768, 1024];

// The thumbnail that is sharp enough for a box of these CSS pixels.
export function sideFor(width, height) {
  const needed = Math.max(width, height) * Math.min(2, devicePixelRatio || 1);
  return SIDES.find((side) => side >= needed * SHARP) ?? SIDES.at(-1);
}

export const fileName = (hit) => (hit.name || hit.key).split("/").pop();

// What an image shows, in the words that came with it; its file's name where there are none.
export function titleOf(hit) {
  const columns = new Map(Object.entries(hit.meta ?? {}).map(([column, value]) => [column.toLowerCase(), value]));
  for (const column of TITLES) {
    const value = columns.get(column);
    if (typeof value === "string" && value.trim()) return value.trim().split("\n")[0].slice(0, 160);
  }
  return fileName(hit);
}

export function labelOf(hit, position, total) {
  const likely = hit.match === null || hit.match === undefined ? "" : `, ${percent(hit.match)} likely`;
  const copies = hit.alike?.length ? `, ${hit.alike.length} near-duplicates` : "";
  return `${titleOf(hit)}${likely}${copies}, ${position + 1} of ${total}`;
}

// `image`: the one that stands in the page already, if any.
export function cellOf(hit, { position, total, chosen, less, image = element("img", { alt: "" }) }) {
  Object.assign(image, { decoding: "async", draggable: false });
  image.addEventListener("load", () => image.classList.add("here"));
  image.addEventListener("error", () => image.getAttribute("src") && cell.classList.add("broken"));
  const cell = element(
    "div",
    {
      role: "gridcell",
      class: `hit${less ? " less" : ""}${hit.of ? " copy" : ""}`,
      tabIndex: -1,
      title: titleOf(hit),
      "aria-label": labelOf(hit, position, total),
      "aria-selected": String(chosen),
    },
    image,
  );
  if (image.complete && image.naturalWidth) image.classList.add("here");
  else if (image.complete && image.getAttribute("src")) cell.classList.add("broken");
  if (typeof hit.match === "number") cell.append(element("span", { class: "match" }, percent(hit.match)));
  if (hit.alike?.length) {
    cell.append(element("button", { type: "button", class: "alike", tabIndex: -1, title: "Show near-duplicates" }, `+${hit.alike.length}`));
  }
  return cell;
}

export function showImage(cell, library, hit, { width, height }) {
  const image = cell.firstChild;
  const address = imageAddress(library, hit.key, "thumbnails", sideFor(width, height));
  if (image.getAttribute("src") !== address) image.src = address;
}

// Stop loading an image that is not wanted any more.
export function dropImage(cell) {
  const image = cell.firstChild;
  if (image?.getAttribute?.("src") && !image.complete) image.removeAttribute("src");
}

// The buttons that stand on the image under the pointer; one set for all.
export function actionsFor(act) {
  const made = (name, label, action) => {
    const one = iconButton(name, label, (event) => {
      event.stopPropagation();
      act(action, event.currentTarget.closest(".hit"), event);
    });
    one.tabIndex = -1;
    one.dataset.action = action;
    return one;
  };
  return element(
    "div",
    { class: "actions" },
    made("choose", "Choose", "choose"),
    element("span", { class: "grow" }),
    made("up", "More of this kind", "liked"),
    made("down", "Less of this kind", "disliked"),
    made("like", "More like this", "like"),
  );
}
