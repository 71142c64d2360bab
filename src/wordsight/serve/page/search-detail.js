// One image, large: what is known of it, why it came, what is like it, and what stands before and behind it.

import { ask, imageAddress } from "./api.js";
import { announce, button, bytes, element, icon, iconButton, many, percent, toast } from "./dom.js";
import { fileName, sideFor, titleOf } from "./search-cells.js";
import { nameOfColumn } from "./search-facets.js";
import { tagsOf } from "./search-tags.js";
import { CHUNK, hasQuestion, queryOf } from "./search-state.js";

const CAPTIONS = ["title", "caption", "captions", "name", "text", "description"];
const UNSAID = new Set(["width", "height", "tags", "hand_tags"]);
const FAILS = {
  swap: "it hardly changes when the words do",
  hiding: "hiding what it marks lowers the score no more than hiding anything else",
};
const LARGER = 3; // times as large as it is an image is shown at most: a small one is blurred beyond
let shown = null;

export function showDetail(page, hit, how) {
  shown ??= new Detail(page);
  shown.show(hit, how);
}

export function closeDetail() {
  shown?.close();
}

class Detail {
  #controller = new AbortController();
  #why = false;
  #asked = ""; // of which question `reason` is

  constructor(page) {
    this.page = page;
    this.photo = element("img", { class: "photo", alt: "", decoding: "async" });
    this.map = element("img", { class: "map", alt: "", hidden: true });
    this.frame = element("div", { class: "frame" }, this.photo, this.map);
    this.before = iconButton("left", "Previous (←)", () => this.step(-1), { class: "bare step before" });
    this.behind = iconButton("right", "Next (→)", () => this.step(1), { class: "bare step behind" });
    this.facts = element("div", { class: "facts" });
    const close = iconButton("close", "Close (Esc)", () => this.leave(), { class: "bare close" });
    const stage = element("div", { class: "stage" }, this.frame, this.before, this.behind);
    this.dialog = element("dialog", { id: "detail", "aria-label": "Image", tabIndex: -1 }, stage, this.facts, close);
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.leave();
    });
    this.dialog.addEventListener("keydown", (event) => this.#keyed(event));
    document.body.append(this.dialog);
  }

  get library() {
    return this.page.results?.library ?? this.page.name;
  }

  show(hit) {
    this.#controller.abort();
    this.#controller = new AbortController();
    if (hit.key !== this.hit?.key || this.#asked !== this.#question()) this.reason = null; // shown again, it has the reason that it had
    this.hit = hit;
    if (!this.dialog.open) {
      this.dialog.showModal();
      this.dialog.focus();
    }
    this.map.hidden = true;
    this.#showPhoto();
    this.#showFacts();
    this.position = this.page.results?.position(hit.key) ?? -1;
    this.before.disabled = this.position <= 0;
    this.behind.disabled = this.position < 0 || this.position >= this.page.results.total - 1;
    announce(titleOf(hit));
    this.#similar();
    if (this.#why && this.#canSayWhy()) this.#explain();
  }

  close() {
    this.#controller.abort();
    if (!this.dialog.open) return;
    this.dialog.close();
    if (this.hit) this.page.grid.focusHit(this.hit.key);
  }

  leave() {
    this.page.store.set({ open: "" });
  }

  #showPhoto() {
    const { hit, library } = this;
    const { clientWidth, clientHeight } = this.frame.parentNode;
    const side = sideFor(clientWidth || innerWidth, clientHeight || innerHeight);
    this.photo.alt = titleOf(hit);
    if (hit.width && hit.height) {
      this.photo.width = hit.width;
      this.photo.height = hit.height;
      this.frame.style.maxWidth = `${LARGER * hit.width}px`;
      this.frame.style.maxHeight = `${LARGER * hit.height}px`;
    } else {
      this.photo.removeAttribute("width");
      this.photo.removeAttribute("height");
      this.frame.style.maxWidth = this.frame.style.maxHeight = "";
    }
    this.photo.src = imageAddress(library, hit.key, "thumbnails", Math.max(512, side));
    // what a thumbnail does not show sharply enough, the file itself does, where the browser knows its kind
    const needs = Math.max(clientWidth, clientHeight) * (devicePixelRatio || 1) > 1200;
    if (!needs || !(Math.max(hit.width ?? 0, hit.height ?? 0) > 1024) || !/\.(jpe?g|png|webp|avif)$/i.test(fileName(hit))) return;
    const { signal } = this.#controller;
    const sharp = new Image();
    sharp.addEventListener("load", () => !signal.aborted && (this.photo.src = sharp.src));
    sharp.src = imageAddress(library, hit.key, "originals");
  }

  #showFacts() {
    const { hit, page } = this;
    const title = titleOf(hit);
    const captions = captionsOf(hit).filter((line) => line !== title);
    const likely = typeof hit.match === "number" ? element("p", { class: "likely" }, element("strong", {}, percent(hit.match)), " likely what you asked for") : null;
    this.similar = element("div", { class: "strip", hidden: true });
    this.whyText = element("div", { class: "why", hidden: true });
    this.whyButton = button("Why", () => this.toggleWhy(), { icon: "why", "aria-pressed": String(this.#why), hidden: !this.#canSayWhy() });
    const liked = page.store.state.liked.includes(hit.key);
    const disliked = page.store.state.disliked.includes(hit.key);
    const original = imageAddress(this.library, hit.key, "originals");
    this.facts.replaceChildren(
      element("h2", { tabIndex: -1 }, title),
      ...captions.slice(0, 8).map((line) => element("p", { class: "caption" }, line)),
      ...(likely ? [likely] : []),
      ...(hit.why ? [element("p", { class: "quiet" }, hit.why)] : []),
      element(
        "div",
        { class: "doing" },
        button("More like this", () => page.moreLike([hit.key]), { icon: "like", class: "main" }),
        this.whyButton,
      ),
      element(
        "div",
        { class: "doing icons" },
        iconButton("up", "More of this kind", () => page.act("liked", hit), { "aria-pressed": String(liked) }),
        iconButton("down", "Less of this kind", () => page.act("disliked", hit), { "aria-pressed": String(disliked) }),
        element("a", { class: "bare", href: original, download: fileName(hit), "aria-label": "Download", title: "Download" }, icon("download")),
        iconButton("copy", "Copy the key", () => this.#copy()),
        element("a", { class: "plain", href: `/bench?${new URLSearchParams({ library: this.library, key: hit.key })}` }, "Try it on the bench"),
      ),
      this.whyText,
      tagsOf(page, hit),
      this.#table(),
      ...this.#copies(),
      this.similar,
    );
    this.facts.scrollTop = 0;
  }

  #canSayWhy() {
    return hasQuestion(this.page.store.state);
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.hit.key);
      toast("The key is copied");
    } catch {
      toast(this.hit.key);
    }
  }

  #table() {
    const { hit } = this;
    const rows = [];
    if (hit.width && hit.height) rows.push(["dimensions", `${hit.width} × ${hit.height}`]);
    const { meta = {} } = hit;
    for (const [column, value] of Object.entries(meta)) {
      if (value === null || value === "" || UNSAID.has(column) || CAPTIONS.includes(column.toLowerCase())) continue;
      if ((column === "path" && value === hit.key) || (column === "class" && value === meta.folder)) continue;
      rows.push([nameOfColumn(column), valueOf(column, value)]);
    }
    rows.push(["key", hit.key]);
    if (typeof hit.score === "number" && this.#canSayWhy()) rows.push(["cosine", hit.score.toFixed(3)]);
    return element("dl", {}, ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
  }

  #copies() {
    const keys = this.hit.alike ?? [];
    if (!keys.length) return [];
    return [element("h3", {}, many(keys.length, "near-duplicate")), element("div", { class: "strip" }, ...keys.map((key) => this.#thumb({ key, name: key, meta: {} })))];
  }

  #thumb(hit) {
    const image = element("img", { src: imageAddress(this.library, hit.key, "thumbnails", 192), alt: "", loading: "lazy", decoding: "async" });
    return element("button", { type: "button", class: "mini", "aria-label": titleOf(hit), title: titleOf(hit), onclick: () => this.page.open(hit) }, image);
  }

  async #similar() {
    const { signal } = this.#controller;
    const { similar, hit } = this;
    try {
      const path = `/api/libraries/${encodeURIComponent(this.library)}/similar`;
      const answer = await ask(path, { key: hit.key, k: 12 }, { signal });
      const others = answer.hits.filter((one) => one.key !== hit.key);
      if (signal.aborted || !others.length) return;
      similar.before(element("h3", {}, "Similar images"));
      similar.replaceChildren(...others.map((one) => this.#thumb(one)));
      similar.hidden = false;
    } catch (error) {
      if (error.name !== "AbortError") similar.replaceWith(element("p", { class: "problem" }, error.message));
    }
  }

  toggleWhy() {
    this.#why = !this.#why;
    this.whyButton.setAttribute("aria-pressed", String(this.#why));
    if (this.#why) this.#explain();
    else {
      this.map.hidden = true;
      this.whyText.hidden = true;
    }
  }

  #question() {
    return JSON.stringify(queryOf({ ...this.page.store.state, sort: "", fold: false }));
  }

  async #explain() {
    const { signal } = this.#controller;
    this.whyText.hidden = false;
    this.whyText.replaceChildren(element("p", { class: "quiet" }, "Looking at the image again…"));
    try {
      if (!this.reason) {
        const path = `/api/libraries/${encodeURIComponent(this.library)}/why`;
        const question = this.#question();
        const answer = await ask(path, { ...JSON.parse(question), keys: [this.hit.key], maps: true }, { signal });
        [this.reason] = answer.reasons;
        this.#asked = question;
      }
      if (signal.aborted || !this.#why) return;
      this.#showReason(this.reason);
    } catch (error) {
      if (error.name !== "AbortError") this.whyText.replaceChildren(element("p", { class: "problem" }, error.message));
    }
  }

  #showReason(reason) {
    const trust = {
      true: "The map stands its checks: it changes with the words, and hiding what it marks lowers the score.",
      false: `Do not trust the map: ${(reason.fails ?? []).map((one) => FAILS[one] ?? one).join(", and ") || "it fails its checks"}.`,
    }[String(reason.passes)];
    const seen = reason.problem || (reason.region ? `Seen most ${reason.region}.` : "No part of the image stands out.");
    const most = Math.max(...reason.shares.map((one) => Math.abs(one.share)), 1e-9);
    const shares = reason.shares.map((one) => {
      const bar = element("span", { class: one.share < 0 ? "share minus" : "share" });
      bar.style.setProperty("--share", `${(100 * Math.abs(one.share)) / most}%`);
      return element("li", {}, element("span", { class: "name" }, one.name), bar, element("span", { class: "number" }, one.share.toFixed(3)));
    });
    this.whyText.replaceChildren(
      element("p", {}, seen),
      ...(trust ? [element("p", { class: reason.passes ? "trust" : "trust fails" }, trust)] : []),
      ...(shares.length ? [element("ul", { class: "shares", "aria-label": "What each part of the query gave" }, ...shares)] : []),
    );
    this.map.hidden = !reason.overlay || reason.passes === false;
    if (reason.overlay) {
      this.map.src = reason.overlay;
      const legend = element("p", { class: "scale", hidden: this.map.hidden }, "weak", element("span", { "aria-hidden": "true" }), "strong");
      const anyway = button("Show the map anyway", () => {
        this.map.hidden = legend.hidden = false;
        anyway.remove();
      }, { class: "plain" });
      this.whyText.append(...(this.map.hidden ? [anyway] : []), legend);
    }
    announce(`${seen} ${trust ?? ""}`);
  }

  async step(by) {
    const { results } = this.page;
    const to = this.position + by;
    if (this.position < 0 || to < 0 || to >= results.total) return;
    try {
      if (!results.hit(to)) await results.load(Math.floor(to / CHUNK));
    } catch (error) {
      toast(error.message);
    }
    const hit = results.hit(to);
    if (!hit) return;
    this.page.opening = hit;
    this.page.store.set({ open: hit.key }, "quiet");
  }

  #keyed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      w: () => this.#canSayWhy() && this.toggleWhy(),
      m: () => this.page.moreLike([this.hit.key]),
      "+": () => this.page.act("liked", this.hit),
      "-": () => this.page.act("disliked", this.hit),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }
}

function captionsOf(hit) {
  const columns = Object.entries(hit.meta ?? {}).filter(([column, value]) => CAPTIONS.includes(column.toLowerCase()) && typeof value === "string");
  return [...new Set(columns.flatMap(([, value]) => value.split("\n").map((line) => line.trim())).filter(Boolean))];
}

function valueOf(column, value) {
  if (column === "size" && typeof value === "number") return bytes(value);
  if (/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/.test(value) && !Number.isNaN(Date.parse(value))) {
    return new Date(value).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  }
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
  return String(value);
}
