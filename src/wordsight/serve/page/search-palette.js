// Everything by the keyboard: a palette of actions, libraries, saved addresses and suggestions; and the list of keys.

import { ask } from "./api.js";
import { openDialog } from "./dialog.js";
import { element, many, toast } from "./dom.js";
import { EMPTY } from "./search-state.js";

const SAVED = "saved-searches";
const RECENT = "recent-actions"; // labels of what was chosen last, the last first
const KEPT = 20;
const SURE = 1; // up to this rank Enter takes the action, else it searches

const listed = (name) => {
  try {
    return JSON.parse(localStorage.getItem(name) ?? "[]");
  } catch {
    return [];
  }
};
const saved = () => listed(SAVED);

// How well a label answers what is typed: 0 it begins so, 1 its words do, 2 it holds all words, 3 the letters come in this
// order, Infinity not at all.
export function rankOf(label, text) {
  const whole = label.toLowerCase();
  const typed = text.toLowerCase().trim().split(/\s+/);
  if (whole.startsWith(typed.join(" "))) return 0;
  const words = whole.split(/[^\p{L}\p{N}]+/u);
  if (typed.every((one) => words.some((word) => word.startsWith(one)))) return 1;
  if (typed.every((one) => whole.includes(one))) return 2;
  let at = -1;
  for (const letter of typed.join("")) {
    at = whole.indexOf(letter, at + 1);
    if (at < 0) return Infinity;
  }
  return 3;
}

// Actions that answer, the best first; equally good ones by how recently they were chosen, then as they are listed.
function fitting(entries, text) {
  const recent = listed(RECENT);
  const ago = ({ label }) => (recent.includes(label) ? recent.indexOf(label) : KEPT);
  const ranked = entries.map((entry) => ({ entry, rank: text ? rankOf(entry.label, text) : 0 })).filter(({ rank }) => rank < Infinity);
  return ranked.sort((one, other) => one.rank - other.rank || ago(one.entry) - ago(other.entry));
}

export function openPalette(page) {
  if (document.getElementById("palette")) return;
  const input = element("input", {
    id: "palette-input",
    role: "combobox",
    "aria-expanded": "true",
    "aria-controls": "palette-list",
    "aria-label": "Search, or choose an action",
    placeholder: "Search, or choose an action",
    autocomplete: "off",
    spellcheck: false,
  });
  const list = element("ul", { id: "palette-list", role: "listbox", "aria-label": "Actions" });
  const shown = openDialog("Actions", { id: "palette" }, input, list);
  let entries = [];
  let at = 0;
  let suggestions = [];
  let conditions = []; // values of columns that begin so
  let timer = 0;
  let controller = new AbortController();

  const mark = () => {
    [...list.children].forEach((one, number) => one.setAttribute("aria-selected", String(number === at)));
    const active = list.children[at];
    if (!active) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", active.id);
    return active.scrollIntoView({ block: "nearest" });
  };
  const take = (entry) => {
    shown.close();
    if (entry && entry.kind !== "search") localStorage.setItem(RECENT, JSON.stringify([...new Set([entry.label, ...listed(RECENT)])].slice(0, KEPT)));
    entry?.run();
  };
  const show = () => {
    const text = input.value.trim().toLowerCase();
    const ranked = fitting(actions(page), text);
    const fits = ranked.map(({ entry }) => entry);
    const sure = ranked.findIndex(({ rank }) => rank > SURE);
    const [good, others] = sure < 0 ? [fits, []] : [fits.slice(0, sure), fits.slice(sure)];
    const narrow = ({ text: label, where, count: number }) => ({ kind: many(number, "image"), label, run: () => narrowed(page, where) });
    const search = (query) => ({ kind: "search", label: query, run: () => searched(page, query) });
    entries = [...(text ? [search(input.value.trim())] : []), ...good, ...suggestions.filter((one) => one.toLowerCase() !== text).map(search), ...conditions.map(narrow), ...others].slice(0, 40);
    at = Math.min(text && good.length ? 1 : 0, Math.max(0, entries.length - 1));
    list.replaceChildren(
      ...entries.map((one, number) =>
        element(
          "li",
          { role: "option", id: `palette-${number}`, onclick: () => take(one), onpointermove: () => number !== at && ((at = number), mark()) },
          element("span", {}, one.label),
          element("span", { class: "quiet" }, one.keys ?? one.kind),
        ),
      ),
    );
    mark();
  };
  input.addEventListener("input", () => {
    suggestions = [];
    conditions = [];
    show();
    clearTimeout(timer);
    controller.abort();
    controller = new AbortController();
    const prefix = input.value;
    if (prefix.trim()) timer = setTimeout(() => suggest(prefix, controller.signal), 150);
  });
  input.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) {
      event.preventDefault();
      at = (at + by + entries.length) % Math.max(1, entries.length);
      mark();
    } else if (event.key === "Enter") {
      event.preventDefault();
      take(entries[at]);
    }
  });
  shown.addEventListener("close", () => controller.abort());
  show();
  input.focus();

  async function suggest(prefix, signal) {
    try {
      const answer = await ask(`/api/libraries/${encodeURIComponent(page.name)}/suggest`, { prefix }, { signal });
      if (signal.aborted) return;
      suggestions = answer.texts;
      conditions = answer.conditions ?? [];
      const kept = at;
      show();
      at = Math.min(kept, entries.length - 1);
      mark();
    } catch (error) {
      if (error.name !== "AbortError") toast(error.message);
    }
  }
}

// Look for other words, by what else holds.
function searched(page, words) {
  page.store.set({ words, like: [], open: "" });
  page.box.show();
}

// Narrow by one more condition.
function narrowed(page, where) {
  const written = page.store.state.where.trim();
  page.store.set({ where: written ? `(${written}) and ${where}` : where, open: "" });
}

function chooseAll(page) {
  for (const hits of page.results?.hits.values() ?? []) for (const hit of hits) page.chosen.set(hit.key, hit);
  page.rechoose();
}

function actions(page) {
  const { store } = page;
  const go = (address) => () => location.assign(address);
  const action = (label, run, keys) => ({ kind: "action", label, run, keys });
  const { sort } = page.bar;
  return [
    action("New search", () => store.set({ ...EMPTY, library: store.state.library })),
    action("Search by an image", () => document.getElementById("upload").click()),
    action("Save this search", () => save()),
    action("Copy the address of this search", () => page.share()),
    action("Export the results", () => page.export()),
    ...(page.mayWrite ? [action("Tag the results", () => page.tag())] : []),
    action(store.state.fold ? "Show near-duplicates" : "Fold near-duplicates", () => store.set({ fold: !store.state.fold })),
    action("Select all loaded", () => chooseAll(page)),
    ...[...sort.options].filter((one) => one.value !== store.state.sort).map((one) => action(`Order: ${one.textContent}`, () => store.set({ sort: one.value }))),
    ...(page.status?.libraries ?? []).filter((one) => one.name !== page.name).map((one) => ({ kind: "library", label: one.name, run: () => store.set({ ...EMPTY, library: one.name }) })),
    ...saved().map(({ name, address }) => ({ kind: "saved", label: name, run: go(address) })),
    ...saved().map(({ name }) => action(`Forget the saved search ${name}`, () => localStorage.setItem(SAVED, JSON.stringify(saved().filter((one) => one.name !== name))))),
    action("Find duplicates", go(`/duplicates?in=${encodeURIComponent(page.name)}`)),
    action("Open the map", go(`/map?in=${encodeURIComponent(page.name)}`)),
    action("Show the keys", openKeys, "?"),
  ];

  function save() {
    const name = document.title.replace(/ · Wordsight$/, "");
    const others = saved().filter((one) => one.name !== name);
    localStorage.setItem(SAVED, JSON.stringify([{ name, address: location.pathname + location.search + location.hash }, ...others].slice(0, 30)));
    toast(`Saved as “${name}”: Ctrl K has it`);
  }
}

const KEYS = [
  ["/", "write what to look for"],
  ["Ctrl K", "all actions"],
  ["Shift Enter", "add another description to the mixture"],
  ["↓ in the box", "go to the images"],
  ["← ↑ ↓ →", "move over the images"],
  ["Enter", "open an image"],
  ["Space", "choose an image"],
  ["+ and −", "more, or less, of its kind"],
  ["m", "more like this"],
  ["u", "unfold its near-duplicates"],
  ["w", "why it came, when it is open"],
  ["Esc", "back"],
  ["?", "these keys"],
];

export function openKeys() {
  const rows = KEYS.flatMap(([key, text]) => [element("dt", {}, element("kbd", {}, key)), element("dd", {}, text)]);
  const close = element("button", { type: "button", class: "main", onclick: () => shown.close() }, "Close");
  const shown = openDialog("Keys", { class: "small keys" }, element("div", { class: "stack" }, element("h2", {}, "Keys"), element("dl", {}, ...rows), element("p", { class: "cures" }, close)));
}
