// The bar over the grid: how many match, where the line between matches and others is, order, size, and what can be done.

import { button, count, element, iconButton, many, percent } from "./dom.js";

const id = (name) => document.getElementById(name);
const SIZES = ["small", "medium", "large"];
const STEPS = [0, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];

export class Bar {
  // `acts`: least(probability, final), size(name), and the rest by name: choose, save, share, export, palette.
  constructor(store, acts) {
    this.store = store;
    this.acts = acts;
    this.sort = element("select", { id: "sort", onchange: () => store.set({ sort: this.sort.value }) });
    this.slider = element("input", { type: "range", id: "least", min: "0", max: String(STEPS.length - 1), step: "1", "aria-describedby": "least-said" });
    this.said = element("output", { id: "least-said", for: "least" });
    this.reset = button("Reset", () => acts.least(null, true), { class: "plain" });
    this.slider.addEventListener("input", () => acts.least(STEPS[Number(this.slider.value)], false));
    this.slider.addEventListener("change", () => acts.least(STEPS[Number(this.slider.value)], true));
    id("cut").append(element("label", { for: "least" }, "At least"), this.slider, this.said, this.reset);
    const size = iconButton("size", "Size of the images", () => {
      const next = SIZES[(SIZES.indexOf(localStorage.getItem("size") ?? "medium") + 1) % SIZES.length];
      acts.size(next);
    });
    this.choose = iconButton("choose", "Choose images", () => acts.choose(), { "aria-pressed": "false" });
    this.tag = iconButton("tag", "Tag the results", () => acts.tag(), { hidden: true });
    id("tools").append(
      element("label", { class: "unseen", for: "sort" }, "Order"),
      this.sort,
      size,
      this.choose,
      this.tag,
      iconButton("download", "Export the results", () => acts.export()),
      iconButton("link", "Copy the address of this search", () => acts.share()),
      iconButton("keys", "All actions (Ctrl K)", () => acts.palette()),
    );
  }

  // The orders that this library knows.
  orders(orders) {
    const options = [["", "Best first"], ...orders.map(({ sort, words }) => [sort, words])];
    this.sort.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
    this.showSort();
  }

  showSort() {
    const { sort } = this.store.state;
    if (sort && ![...this.sort.options].some((one) => one.value === sort)) this.sort.append(element("option", { value: sort }, sort));
    this.sort.value = sort;
  }

  // Say how many there are.  `results` null: nothing is known yet.
  show(results, { images, asked }) {
    this.showSort();
    this.sort.options[0]?.replaceChildren(asked ? "Best first" : "As they are named");
    const { state } = this.store;
    id("count").textContent = results ? countOf(results, { images, asked, sort: state.sort }) : "\u00a0";
    const unlined = results && asked && !state.sort && results.cut === null && results.least === null && hasImages(state);
    id("unlined").textContent = unlined ? "Ordered by likeness: images have no line between match and no match." : "";
    const movable = Boolean(results && asked && (results.calibrated || results.least !== null) && results.line !== null);
    id("cut").hidden = !movable;
    if (!movable) return;
    const least = results.line;
    this.slider.value = String(STEPS.reduce((best, step, number) => (Math.abs(step - least) < Math.abs(STEPS[best] - least) ? number : best), 0));
    this.slider.setAttribute("aria-valuetext", `${percent(least)} likely`);
    this.said.textContent = `${least === 0 ? "0 %" : percent(least)} likely`;
    this.reset.textContent = `Reset to ${percent(results.least ?? 0)}`;
    this.reset.hidden = this.store.state.least === null;
  }
}

const hasImages = ({ parts, like, liked, disliked }) => Boolean(like.length || liked.length || disliked.length) || parts.some(({ kind }) => kind !== "text");

function countOf(results, { images, asked, sort }) {
  const { total, matching } = results;
  if (!asked) return total === images ? many(total, "image") : `${count(total)} of ${many(images, "image")}`;
  const number = results.cut ?? (sort ? total : matching);
  if (number === null || number === undefined) return `${many(total, "image")}, nearest first`;
  if (!number) return "No matches";
  return `${number === 1 ? "1 matches" : `${count(number)} match`}`;
}

export const sentenceOf = countOf;

// The selector of libraries, where there are several, and the way to how this one does.
export function showLibrary(page) {
  const aside = document.getElementById("shell-aside");
  const { libraries } = page.status;
  const shown = [];
  if (libraries.length > 1) {
    const select = element("select", { id: "library", onchange: () => page.store.set({ ...page.store.state, library: select.value, narrowed: [], where: "", like: [], liked: [], disliked: [], sort: "", least: null, open: "" }) });
    select.append(...libraries.map(({ name }) => element("option", { value: name, selected: name === page.name }, name)));
    shown.push(element("label", { class: "unseen", for: "library" }, "Library"), select);
  }
  const notes = page.library.failed + page.library.absent;
  const state = iconButton("info", "About this library", () => page.about(), { class: notes ? "bare noted" : "bare" });
  aside.replaceChildren(...shown, state);
}
