// The search page: what is asked stands in the address, is asked of the server, and its answer is shown.

import "./shell.js"; // the frame of the page stands before this fills it
import { ask } from "./api.js";
import { announce, button, element, icon, many, style, toast } from "./dom.js";
import { Bar, sentenceOf, showLibrary } from "./search-bar.js";
import { Box } from "./search-box.js";
import { showChips } from "./search-chips.js";
import { Facets } from "./search-facets.js";
import { Grid } from "./search-grid.js";
import * as ahead from "./search-first.js";
import { Results } from "./search-results.js";
import { CHUNK, EMPTY, Store, countedOf, hasQuestion, searchOf } from "./search-state.js";

const MORE = "/page/search-more.css";
const KEPT = 12; // answers that are kept, for going back
const id = (name) => document.getElementById(name);

class Page {
  #controller = new AbortController();
  #kept = new Map(); // question -> {results, facets}
  #lineTimer = 0;
  #taken = new Set();

  constructor() {
    this.store = new Store();
    this.chosen = new Map(); // key -> hit
    this.library = null;
    this.status = null;
    this.results = null;
    this.box = new Box(this.store);
    this.facets = new Facets(id("facets"), this.store);
    this.bar = new Bar(this.store, {
      least: (least, final) => this.#moveLine(least, final),
      size: (size) => this.grid.setSize(size),
      choose: () => this.#choosing(!this.grid.choosing),
      tag: () => this.tag(),
      export: () => this.export(),
      share: () => this.share(),
      palette: () => this.palette(),
    });
    this.grid = new Grid(id("grid"), this.chosen, {
      open: (hit) => this.open(hit),
      choose: (hit, event) => this.choose(hit, event),
      act: (name, hit) => this.act(name, hit),
      failed: (error) => this.#fail(error),
      leave: () => (this.chosen.size ? this.unchoose() : this.box.input.focus()),
      line: () => this.#lineText(),
      lined: (row) => this.movable?.(row),
      position: (position) => history.replaceState({ at: position }, "", location.href),
    });
    id("narrow").append(icon("narrow"));
    id("narrow").addEventListener("click", () => this.facets.toggle());
    this.store.addEventListener("change", (event) => this.#changed(event.detail));
    document.addEventListener("keydown", (event) => this.#keyed(event));
    document.addEventListener("key-given", () => this.start());
    addEventListener("online", () => this.start());
    this.start();
  }

  async start() {
    try {
      this.status ??= await this.#once(ahead.status, () => ask("/api/status"));
      this.bar.tag.hidden = !this.mayWrite;
      this.store.home = this.status.libraries[0]?.name ?? "";
      if (!this.status.libraries.length) {
        this.#say("No library is served", "Start the server with one: wordsight serve FOLDER");
        return;
      }
      await this.#enter();
    } catch (error) {
      this.#fail(error);
    }
  }

  // What was asked before the page was there is taken once; afterwards it is asked for anew.
  #once(early, anew) {
    if (this.#taken.has(early)) return anew();
    this.#taken.add(early);
    return early;
  }

  get name() {
    return this.store.library;
  }

  // Enter the library that the address names: images first, then what is known of it.
  async #enter() {
    const { name } = this;
    this.box.show();
    await this.#run(history.state?.at ?? 0);
    try {
      const library = await ask(`/api/libraries/${encodeURIComponent(name)}`);
      if (name !== this.name) return;
      this.library = library;
      this.facets.describe(library);
      this.bar.orders(library.orders ?? []);
      showLibrary(this);
      if (this.results) this.#showCount();
    } catch (error) {
      if (this.results) this.#fail(error);
    }
  }

  #changed({ before, state, how }) {
    const only = { ...before, open: state.open };
    const opens = JSON.stringify(only) === JSON.stringify(state);
    if (opens) {
      if (before.open !== state.open) this.#showOpen(how);
      return;
    }
    this.box.show();
    showChips(this.store);
    this.bar.showSort();
    if (before.library !== state.library) {
      this.unchoose();
      this.library = null;
      this.facets.update([]);
      this.#enter();
    } else {
      this.#run(how === "back" ? (history.state?.at ?? 0) : how === "line" ? this.grid.position : 0);
    }
  }

  // Ask what the state says, and show the answer; an earlier question that is still asked is dropped.
  async #run(at = 0) {
    this.#controller.abort();
    this.#controller = new AbortController();
    const { signal } = this.#controller;
    const { state } = this.store;
    const asked = hasQuestion(state);
    const search = searchOf(state);
    const library = this.name;
    const question = JSON.stringify([library, search]);
    const path = `/api/libraries/${encodeURIComponent(library)}`;
    showChips(this.store);
    id("results").setAttribute("aria-busy", "true");
    try {
      let kept = this.#kept.get(question);
      if (!kept) {
        const early = await this.#once(ahead.first, () => null);
        const isEarly = early && JSON.stringify([early.library, early.search]) === question;
        const first = isEarly ? early.answer : await ask(`${path}/search`, { ...search, k: CHUNK, offset: 0 }, { signal });
        if (signal.aborted) return;
        kept = { results: new Results(library, search, first) };
        const line = asked && kept.results.calibrated ? (state.least ?? kept.results.least) : null;
        kept.line = { line, cut: line === null || state.sort ? null : kept.results.matching };
        this.#keep(question, kept);
      }
      if (signal.aborted) return;
      this.results?.stop();
      this.results = Object.assign(kept.results, kept.line);
      this.facets.fail("");
      this.#show(at);
      id("results").removeAttribute("aria-busy");
      if (!kept.facets) await this.grid.shown(); // counting takes longer than the images that are waited for
      if (signal.aborted) return;
      this.#narrowable(kept, { path, body: countedOf(state), signal });
    } catch (error) {
      if (error.name !== "AbortError" && !signal.aborted) this.#fail(error);
    } finally {
      if (!signal.aborted) id("results").removeAttribute("aria-busy");
    }
  }

  #keep(question, kept) {
    this.#kept.set(question, kept);
    if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value);
  }

  // The position of the first hit that is less likely, if it is among those that have come.
  #lineAmong(least) {
    const { results } = this;
    for (let chunk = 0; chunk < results.chunks; chunk += 1) {
      const hits = results.hits.get(chunk);
      if (!hits) return null;
      const inside = hits.findIndex((hit) => typeof hit.match === "number" && hit.match < least);
      if (inside >= 0) return chunk * CHUNK + inside;
    }
    return results.total;
  }

  // The line follows the slider where the hits that are here say where it is, and the server's word once it is let go.
  #moveLine(least, final) {
    const { results } = this;
    clearTimeout(this.#lineTimer);
    if (final) {
      this.store.set({ least: least === results?.least ? null : least }, "line");
      return;
    }
    if (!results) return;
    const cut = this.store.state.sort ? null : this.#lineAmong(least);
    if (cut !== null) Object.assign(results, { cut, line: least });
    this.bar.show({ ...results, line: least }, this.facts());
    if (cut !== null) this.#lineTimer = setTimeout(() => this.grid.moveLine(), 60);
  }

  #lineText() {
    return `Below ${Math.round((this.results.line ?? 0) * 100)} %: less likely`;
  }

  facts() {
    const images = this.library?.images ?? this.status?.libraries.find((one) => one.name === this.name)?.images ?? 0;
    return { images, asked: hasQuestion(this.store.state) };
  }

  #showCount() {
    this.bar.show(this.results, this.facts());
  }

  #show(at) {
    const { results } = this;
    this.#showCount();
    id("message").hidden = true;
    document.title = this.store.state.words.trim() ? `${this.store.state.words.trim()} · Wordsight` : "Wordsight";
    if (!at && scrollY > 0 && this.grid.results) scrollTo(0, 0);
    this.grid.show(results, at);
    const { images, asked } = this.facts();
    if (!results.total) this.#nothing();
    else announce(sentenceOf(results, { images, asked, sort: this.store.state.sort }));
    if (this.store.state.open) this.#showOpen("step");
    this.ahead ??= setTimeout(() => Promise.allSettled([import("./search-line.js").then((line) => (this.movable = line.movable(this))), import("./search-detail.js"), import("./search-palette.js"), style(MORE)]), 1500);
  }

  #nothing() {
    const { state } = this.store;
    const { images } = this.facts();
    if (!images && !hasQuestion(state)) {
      this.#say("This library has no images yet", "Add some to its folder, then bring it up to date with Sync.");
      return;
    }
    const cures = [];
    if (state.narrowed.length || state.where) cures.push(button("Clear filters", () => this.store.set({ narrowed: [], where: "" }), { class: "main" }));
    if (state.least !== null) cures.push(button("Show less likely ones", () => this.store.set({ least: null })));
    if (state.sort) cures.push(button("Best first", () => this.store.set({ sort: "" })));
    this.#say("Nothing matches", "No image of this library fits what you asked for.", cures);
  }

  #say(title, text, cures = []) {
    id("message").replaceChildren(element("h2", {}, title), element("p", {}, text), element("p", { class: "cures" }, ...cures));
    id("message").hidden = false;
    announce(`${title}. ${text}`);
  }

  #fail(error) {
    this.grid.clear();
    this.results = null;
    this.bar.show(null, this.facts());
    id("results").removeAttribute("aria-busy");
    const again = button("Try again", () => this.start(), { class: "main" });
    if (error.status === 0) {
      this.#say("The server does not answer", "It may have stopped, or the network is away. What you asked for is kept.", [again]);
    } else if (error.status === 401) {
      document.dispatchEvent(new CustomEvent("key-needed"));
      this.#say("An API key is needed", "This server answers those who have a key.", [again]);
    } else {
      const { state } = this.store;
      const cures = state.where || state.narrowed.length ? [button("Clear filters", () => this.store.set({ narrowed: [], where: "" }))] : [];
      if (state.where) this.facets.fail(error.message);
      this.#say("That could not be answered", `${error.message}.`.replace(/\.\.$/, "."), [again, ...cures]);
    }
  }

  async #narrowable(kept, { path, body, signal }) {
    try {
      if (!kept.facets) this.facets.wait();
      kept.facets ??= (await ask(`${path}/facets`, body, { signal })).columns;
      if (!signal.aborted) this.facets.update(kept.facets);
    } catch (error) {
      if (error.name !== "AbortError" && !signal.aborted) toast(`What the results can be narrowed to is not known: ${error.message}`);
    }
  }

  // ---- what can be done with images

  // What is opened comes when it is first wanted.
  async #more(name) {
    try {
      return await Promise.all([import(name), style(MORE)]);
    } catch (error) {
      toast("The server does not answer");
      throw error;
    }
  }

  async open(hit) {
    this.opening = hit;
    this.store.set({ open: hit.key });
  }

  async #showOpen(how) {
    const { open } = this.store.state;
    const [{ showDetail, closeDetail }] = await this.#more("./search-detail.js");
    if (!open) {
      closeDetail();
      return;
    }
    let hit = this.opening?.key === open ? this.opening : this.results?.hit(this.results.position(open));
    try {
      if (!hit) {
        const answer = await ask(`/api/libraries/${encodeURIComponent(this.name)}/search`, { parts: [{ key: open, weight: 1 }], k: 1 });
        hit = answer.hits[0]?.key === open ? { ...answer.hits[0], match: null } : { key: open, name: open, meta: {}, alike: [] };
      }
      if (this.store.state.open === open) showDetail(this, hit, how);
    } catch (error) {
      toast(error.message);
    }
  }

  choose(hit, event) {
    const keys = [...this.chosen.keys()];
    const from = event?.shiftKey && keys.length ? this.results.position(keys.at(-1)) : -1;
    const to = this.results.position(hit.key);
    if (from >= 0 && to >= 0) {
      for (let position = Math.min(from, to); position <= Math.max(from, to); position += 1) {
        const inside = this.results.hit(position);
        if (inside) this.chosen.set(inside.key, inside);
      }
    } else if (!this.chosen.delete(hit.key)) {
      this.chosen.set(hit.key, hit);
    }
    this.#showChosen();
  }

  unchoose() {
    this.chosen.clear();
    this.#choosing(false);
    this.#showChosen();
  }

  #choosing(on) {
    this.grid.choosing = on;
    this.bar.choose.setAttribute("aria-pressed", String(on));
    if (on && !this.chosen.size) toast(matchMedia("(hover: none)").matches ? "Tap images to select them" : "Click images to select them, or press Space");
  }

  async #showChosen() {
    const { size } = this.chosen;
    this.grid.rechoose();
    document.body.classList.toggle("choosing", size > 0);
    if (size) (await this.#more("./search-chosen.js"))[0].showChosen(this);
    else id("picked").hidden = true;
  }

  // A thumb, or "more like this".
  async act(name, hit) {
    if (name === "like") this.moreLike([hit.key]);
    else (await this.#more("./search-chosen.js"))[0].thumb(this, name, hit);
  }

  moreLike(keys) {
    const { library, narrowed, where, fold } = this.store.state;
    this.store.set({ ...EMPTY, library, narrowed, where, fold, like: keys });
    this.box.show();
  }

  async export() {
    const [{ openExport }] = await this.#more("./search-export.js");
    openExport(this);
  }

  async tag() {
    const [{ openTags }] = await this.#more("./search-tags.js");
    openTags(this);
  }

  rechoose() {
    this.#showChosen();
  }

  // The library has changed: what was answered before no longer holds.
  refresh() {
    this.#kept.clear();
    this.#run(this.grid.position);
  }

  // Tags have changed, and the hits that are shown with them.
  recount() {
    this.#kept.clear();
    this.#narrowable({}, { path: `/api/libraries/${encodeURIComponent(this.name)}`, body: countedOf(this.store.state), signal: this.#controller.signal });
  }

  get mayWrite() {
    return Boolean(this.status?.scopes?.includes("write"));
  }

  async share() {
    try {
      await navigator.clipboard.writeText(location.href);
      toast("The address of this search is copied");
    } catch {
      toast("The address of this search is that of the page");
    }
  }

  async about() {
    const [{ openStatus }] = await this.#more("./search-library.js");
    openStatus(this);
  }

  async palette() {
    const [{ openPalette }] = await this.#more("./search-palette.js");
    openPalette(this);
  }

  #keyed(event) {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      this.palette();
      return;
    }
    const writes = event.target.closest?.("input:not([type=checkbox],[type=range]), textarea, select, dialog");
    if (writes || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      event.preventDefault();
      this.box.input.focus();
      this.box.input.select();
    } else if (event.key === "?") {
      event.preventDefault();
      this.#more("./search-palette.js").then(([{ openKeys }]) => openKeys());
    } else if (event.key.length === 1 && event.key !== " " && event.target === document.body) {
      this.box.input.focus(); // whoever begins to type means the query
    }
  }
}

new Page();
