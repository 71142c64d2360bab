// What holds beside the query, as chips that can be removed: "without", chosen values, a condition, examples.

import { imageAddress } from "./api.js";
import { element, icon, many } from "./dom.js";
import { labelOfValue, nameOfColumn } from "./search-facets.js";

const id = (name) => document.getElementById(name);

export function showChips(store) {
  const { state } = store;
  const without = (name, one) => () => store.set({ [name]: state[name].filter((other) => other !== one) });
  const keys = (name, lead, keysOf) => {
    if (!keysOf.length) return [];
    if (keysOf.length > 4) return [chip(`${lead} ${many(keysOf.length, "image")}`, () => store.set({ [name]: [] }), { kind: name })];
    return keysOf.map((key) => chip(lead, without(name, key), { kind: name, image: imageAddress(store.library, key, "thumbnails", 128), alt: key }));
  };
  const chips = [
    ...keys("like", "like", state.like),
    ...keys("liked", "more of", state.liked),
    ...keys("disliked", "less of", state.disliked),
    ...state.without.map((text) => chip(`without ${text}`, without("without", text), { kind: "without" })),
    ...state.narrowed.map((one) => chip(`${nameOfColumn(one.column)}: ${labelOfValue(one.column, one.value)}`, without("narrowed", one), { kind: "narrowed" })),
    ...(state.where.trim() ? [chip(state.where, () => store.set({ where: "" }), { kind: "where" })] : []),
  ];
  const shown = id("chips");
  const focused = shown.contains(document.activeElement);
  shown.hidden = !chips.length;
  if (chips.length > 1) {
    const all = { like: [], liked: [], disliked: [], without: [], narrowed: [], where: "" };
    chips.push(element("button", { type: "button", class: "plain", onclick: () => store.set(all) }, "Clear all"));
  }
  shown.replaceChildren(...chips);
  if (focused) (shown.querySelector("button") ?? id("query")).focus();
}

function chip(text, remove, { kind, image, alt } = {}) {
  return element(
    "button",
    { type: "button", class: `chip ${kind}`, onclick: remove, "aria-label": `Remove: ${text}${alt ? ` ${alt}` : ""}`, title: alt ?? text },
    element("span", {}, text),
    image ? element("img", { src: image, alt: "", class: "thumb" }) : null,
    icon("close"),
  );
}
