// The first answers: written into the page by the server, or asked for before the rest of the page has come.

import { ask, imageAddress } from "./api.js";
import { CHUNK, fromAddress, searchOf } from "./search-state.js";

const AHEAD = 12; // images that are fetched before the grid says where they stand
const written = document.getElementById("first-results");
const given = written && JSON.parse(written.textContent);
const state = fromAddress(location.search, location.hash);
written?.remove();

export const status = given ? Promise.resolve(given.status) : ask("/api/status", undefined, { quiet: true });
status.catch(() => null); // the page says what is wrong, once it is there
// Resolves to {library, search, answer}, or null where the page has to ask by itself.
export const first = given ? Promise.resolve(given) : begin();

async function begin() {
  try {
    const library = state.library || (await status).libraries[0]?.name;
    if (!library) return null;
    const search = searchOf(state);
    const answer = await ask(`/api/libraries/${encodeURIComponent(library)}/search`, { ...search, k: CHUNK, offset: 0 }, { quiet: true });
    for (const hit of answer.hits.slice(0, AHEAD)) new Image().src = imageAddress(library, hit.key, "thumbnails", 256);
    return { library, search, answer };
  } catch {
    return null; // asked again by the page, which says what is wrong
  }
}
