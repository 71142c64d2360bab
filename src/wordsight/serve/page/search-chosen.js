// What can be done with images: the bar of those that are chosen, and thumbs.

import { announce, button, element, many, toast } from "./dom.js";
import { hasQuestion } from "./search-state.js";

export function showChosen(page) {
  const { size } = page.chosen;
  if (!size) return;
  const like = () => {
    const keys = [...page.chosen.keys()];
    page.unchoose();
    page.moreLike(keys);
  };
  const shown = document.getElementById("picked");
  shown.hidden = false;
  shown.replaceChildren(
    element("strong", {}, many(size, "image"), " chosen"),
    button("More for this set", like, { icon: "like", class: "main" }),
    ...(page.mayWrite ? [button("Tag", () => page.tag(), { icon: "tag" })] : []),
    button("Export", () => page.export(), { icon: "download" }),
    button("Clear", () => page.unchoose(), { class: "plain" }),
  );
  announce(`${many(size, "image")} chosen`);
}

// The query moves towards an image ("liked") or away from it ("disliked"); the second time it is taken back.
export function thumb(page, name, hit) {
  const { state } = page.store;
  const other = name === "liked" ? "disliked" : "liked";
  if (name === "disliked" && !hasQuestion(state)) {
    toast("First say what you look for; then this moves it away from an image");
    return;
  }
  const had = state[name].includes(hit.key);
  const others = (one) => state[one].filter((key) => key !== hit.key);
  page.store.set({ [name]: had ? others(name) : [...state[name], hit.key], [other]: others(other), open: "" });
  toast(had ? "Taken back" : name === "liked" ? "The search moves towards this image" : "The search moves away from this image");
}
