// The results of one question: how many there are, and those that have come, a chunk at a time.

import { ask } from "./api.js";
import { CHUNK } from "./search-state.js";

export class Results {
  #asked = new Map(); // chunk -> AbortController of its request

  // `first`: the answer for the first chunk.
  constructor(library, query, first) {
    this.library = library;
    this.query = query;
    this.hits = new Map();
    this.total = first.total ?? first.hits.length;
    this.matching = first.matching ?? null;
    this.least = first.least ?? null;
    this.calibrated = first.calibrated ?? false;
    this.line = null; // probability that tells matches from others, where there is one
    this.cut = null; // position of the first that is less likely, where there is such a line
    this.unfolded = new Set(); // keys whose near-duplicates are shown
    this.hits.set(0, first.hits);
  }

  get chunks() {
    return Math.ceil(this.total / CHUNK);
  }

  size(chunk) {
    return Math.min(CHUNK, this.total - chunk * CHUNK);
  }

  // The items of a chunk: its hits, and behind them the near-duplicates that were unfolded; undefined until it came.
  items(chunk) {
    return this.hits.get(chunk)?.flatMap((hit) => {
      if (!this.unfolded.has(hit.key)) return [hit];
      const copies = hit.alike.map((key) => ({ key, name: key, meta: {}, of: hit.key, width: hit.width, height: hit.height }));
      return [hit, ...copies];
    });
  }

  hit(position) {
    return this.hits.get(Math.floor(position / CHUNK))?.[position % CHUNK];
  }

  position(key) {
    for (const [chunk, hits] of this.hits) {
      const inside = hits.findIndex((hit) => hit.key === key);
      if (inside >= 0) return chunk * CHUNK + inside;
    }
    return -1;
  }

  // Ask for a chunk unless it is here or on its way; resolves to whether it came now.
  async load(chunk) {
    if (chunk < 0 || chunk >= this.chunks || this.hits.has(chunk) || this.#asked.has(chunk)) return false;
    const controller = new AbortController();
    this.#asked.set(chunk, controller);
    try {
      const answer = await ask(
        `/api/libraries/${encodeURIComponent(this.library)}/search`,
        { ...this.query, k: CHUNK, offset: chunk * CHUNK },
        { signal: controller.signal },
      );
      this.hits.set(chunk, answer.hits);
      return true;
    } catch (error) {
      if (error.name === "AbortError") return false;
      throw error;
    } finally {
      this.#asked.delete(chunk);
    }
  }

  // Give up the requests for chunks that are not wanted any more.
  keepOnly(first, last) {
    for (const [chunk, controller] of this.#asked) if (chunk < first || chunk > last) controller.abort();
  }

  stop() {
    this.keepOnly(1, 0);
  }
}
