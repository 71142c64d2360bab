// What is being looked for, as one plain value; the address of the page says all of it, and the requests are made from it.
// Images that were dropped stand behind the # of the address, which browsers do not send.

import { keyFromQuery, keyToQuery } from "./api.js";

export const CHUNK = 60; // results that are asked for at once

export const EMPTY = Object.freeze({
  library: "",
  words: "",
  weight: 1, // of the words, beside parts
  parts: [], // {kind: "text" | "image" | "key", text | image | key, weight}
  without: [], // texts
  where: "", // a condition, as it was written
  narrowed: [], // {column, value, where}: chosen values
  least: null, // probability, where it is not the usual one
  sort: "",
  fold: false,
  keywords: "auto",
  like: [], // keys: the query is these images
  liked: [],
  disliked: [],
  open: "", // key of the image that is looked at
});

const KINDS = { t: "text", k: "key", i: "image" };

export function fromAddress(search, hash) {
  const given = new URLSearchParams(search);
  const images = new URLSearchParams(hash.replace(/^#/, "")).getAll("i");
  const number = (text, otherwise) => (text !== null && text !== "" && Number.isFinite(Number(text)) ? Number(text) : otherwise);
  const parts = given.getAll("p").flatMap((written) => {
    const [, letter, weight, rest] = /^([tki])(\d*\.?\d+):(.*)$/s.exec(written) ?? [];
    const kind = KINDS[letter];
    const value = kind === "image" ? images[Number(rest)]?.replaceAll("-", "+").replaceAll("_", "/") : keyFromQuery(rest ?? "");
    return kind && value && (kind !== "image" || /^[A-Za-z0-9+/=]+$/.test(value)) ? [{ kind, [kind]: value, weight: Number(weight) }] : [];
  });
  const narrowed = given.getAll("f").flatMap((written) => {
    try {
      const [column, value, where] = JSON.parse(written);
      return [column, value, where].every((one) => typeof one === "string") ? [{ column, value, where }] : [];
    } catch {
      return [];
    }
  });
  return {
    library: given.get("in") ?? "",
    words: given.get("q") ?? "",
    weight: number(given.get("weight"), 1),
    parts,
    without: given.getAll("not"),
    where: given.get("where") ?? "",
    narrowed,
    least: number(given.get("least"), null),
    sort: given.get("sort") ?? "",
    fold: given.has("fold"),
    keywords: given.get("keywords") ?? "auto",
    like: given.getAll("like").map(keyFromQuery),
    liked: given.getAll("up").map(keyFromQuery),
    disliked: given.getAll("down").map(keyFromQuery),
    open: keyFromQuery(given.get("open") ?? ""),
  };
}

export function toAddress(state) {
  const written = new URLSearchParams();
  const images = [];
  const put = (name, value) => value !== "" && value !== null && written.append(name, value);
  put("in", state.library);
  put("q", state.words);
  if (state.weight !== 1) put("weight", state.weight);
  for (const part of state.parts) {
    const value = part.kind === "image" ? images.push(part.image.replaceAll("+", "-").replaceAll("/", "_")) - 1 : keyToQuery(part[part.kind]);
    put("p", `${part.kind[0]}${part.weight}:${value}`);
  }
  for (const text of state.without) put("not", text);
  put("where", state.where);
  for (const { column, value, where } of state.narrowed) put("f", JSON.stringify([column, value, where]));
  put("least", state.least);
  put("sort", state.sort);
  if (state.fold) put("fold", "1");
  if (state.keywords !== "auto") put("keywords", state.keywords);
  for (const key of state.like) put("like", keyToQuery(key));
  for (const key of state.liked) put("up", keyToQuery(key));
  for (const key of state.disliked) put("down", keyToQuery(key));
  put("open", keyToQuery(state.open));
  const search = written.toString();
  const hash = images.map((image) => `i=${image}`).join("&");
  return `${search ? `?${search}` : location.pathname}${hash ? `#${hash}` : ""}`;
}

// The condition of the chosen values and the written one: values of one column widen each other, columns narrow.
export function conditionOf(state) {
  const columns = new Map();
  for (const { column, where } of state.narrowed) columns.set(column, [...(columns.get(column) ?? []), where]);
  const chosen = [...columns.values()].map((wheres) => (wheres.length === 1 ? wheres[0] : `(${wheres.map((one) => `(${one})`).join(" or ")})`));
  const written = state.where.trim();
  if (!chosen.length) return written;
  return [...(written ? [`(${written})`] : []), ...chosen].join(" and ");
}

export const hasQuestion = (state) =>
  Boolean(state.words.trim() || state.parts.length || state.like.length || state.liked.length);

// The body that searches, facets, explanations and exports share.
export function queryOf(state) {
  const body = {};
  const words = state.words.trim();
  const parts = state.parts.filter((part) => part.weight > 0).map(({ kind, weight, ...value }) => ({ ...value, weight }));
  if (words && (!parts.length || state.weight > 0)) {
    if (parts.length) parts.unshift({ text: words, weight: state.weight });
    else body.query = words;
  }
  if (parts.length) body.parts = parts;
  const where = conditionOf(state);
  if (where) body.where = where;
  // images that are the query move it, once words are there too
  const named = Boolean(body.query || body.parts);
  const liked = named ? [...state.like, ...state.liked] : state.liked;
  if (!named && state.like.length) body.like = state.like;
  if (liked.length) body.liked = liked;
  if (named || state.like.length || liked.length) {
    if (state.without.length) body.without = state.without;
    if (state.disliked.length) body.disliked = state.disliked;
  }
  if (state.sort) body.sort = state.sort;
  if (state.fold) body.fold = true;
  if (state.keywords !== "auto") body.keywords = state.keywords;
  return body;
}

// What facets are counted for: the query, and the least probability where one was chosen.
export function countedOf(state) {
  const body = queryOf(state);
  if (state.least !== null && hasQuestion(state)) body.min_match = state.least;
  return body;
}

// What is searched for; less likely images come behind the others, unless they are sorted.
export function searchOf(state) {
  return hasQuestion(state) && !state.sort ? { ...countedOf(state), rest: true } : countedOf(state);
}

// The state of the page: `set` changes it, writes the address and says so; going back and forward does too.
export class Store extends EventTarget {
  #typed = 0;
  home = "";

  constructor() {
    super();
    this.state = fromAddress(location.search, location.hash);
    history.scrollRestoration = "manual";
    addEventListener("popstate", () => {
      this.#typed = 0;
      this.#become(fromAddress(location.search, location.hash), "back");
    });
  }

  // The library that is searched: that of the address, else the first that is served (`home`).
  get library() {
    return this.state.library || this.home;
  }

  // `how`: "step" makes an entry of the history; "typing" one for all letters typed in a row; "quiet" none.
  set(changes, how = "step") {
    const before = toAddress(this.state);
    const state = { ...this.state, ...changes };
    const address = toAddress(state);
    if (address !== before) {
      const now = Date.now();
      const replaces = how === "quiet" || (how === "typing" && now - this.#typed < 3000);
      this.#typed = how === "typing" ? now : 0;
      if (replaces) history.replaceState(null, "", address);
      else history.pushState(null, "", address);
    }
    this.#become(state, how);
  }

  #become(state, how) {
    const before = this.state;
    this.state = state;
    this.dispatchEvent(new CustomEvent("change", { detail: { before, state, how } }));
  }
}
