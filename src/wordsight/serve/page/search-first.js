// The first answer is asked for before the rest of the page has come: the status of the server, and the results.

import { ask, imageAddress } from "./api.js";
import { CHUNK, fromAddress, searchOf } from "./search-state.js";

const AHEAD = 12; // images that are fetched before the grid says where they stand
const state = fromAddress(location.search, location.hash);

export const status = ask("/api/status", undefined, { quiet: true });
status.catch(() => null); // the page says what is wrong, once it is there
// Resolves to {library, search, answer}, or null where the page has to ask by itself.
export const first = begin();

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
