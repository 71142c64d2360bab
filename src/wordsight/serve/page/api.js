// Requests to the server, for all pages: JSON in and out, errors as sentences, events as they come.

export class ApiError extends Error {
  constructor(status, problem, cure) {
    super(cure ? `${problem}; ${cure}` : problem);
    this.status = status;
  }
}

// Fetch; a server that cannot be reached is an ApiError of status 0.
async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "the server cannot be reached", "see whether it runs and the network is there");
  }
}

async function failed(response, quiet = false) {
  let error = {};
  try {
    error = (await response.json()).error ?? {};
  } catch {
    error = { problem: `the server answered ${response.status}` };
  }
  if (response.status === 401 && !quiet) {
    document.dispatchEvent(new CustomEvent("key-needed"));
  }
  return new ApiError(response.status, error.problem ?? "the request failed", error.cure ?? "");
}

// Ask with a JSON body (POST), or without one (GET); returns the answer.  `quiet`: a missing key is the asker's affair.
export async function ask(path, body, { signal, method, quiet } = {}) {
  const response = await reach(path, {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal,
  });
  if (!response.ok) throw await failed(response, quiet);
  return response.status === 204 ? null : response.json();
}

// Ask with a JSON body for a file; returns it as a Blob.
export async function download(path, body) {
  const response = await reach(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw await failed(response);
  return response.blob();
}

// Ask, and call `heard(name, data)` for every server-sent event until the answer ends.
export async function listen(path, body, heard, { signal } = {}) {
  const response = await reach(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body ?? {}),
    signal,
  });
  if (!response.ok) throw await failed(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    rest += value ?? "";
    const blocks = rest.split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n");
      const field = (name) => lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));
      const data = field("data").join("\n");
      if (data) heard(field("event")[0] ?? "message", JSON.parse(data));
    }
    if (done) return;
  }
}

// Bytes of a file's name that are no UTF-8 are lone surrogates in keys, U+DC80 to U+DCFF.  An address has the bytes
// in its path, and letters of a private plane in its query, which would lose them.
const BYTES = /[\udc80-\udcff]/gu;
const PRIVATE = /[\u{10dc80}-\u{10dcff}]/gu;
export const encodedKey = (key) =>
  key
    .split(/([\udc80-\udcff])/u)
    .map((part) => (/^[\udc80-\udcff]$/u.test(part) ? `%${(part.charCodeAt(0) & 0xff).toString(16).toUpperCase()}` : encodeURIComponent(part)))
    .join("")
    .replaceAll("%2F", "/");
export const keyToQuery = (key) => key.replace(BYTES, (half) => String.fromCodePoint(0x100000 + half.charCodeAt(0)));
export const keyFromQuery = (text) => text.replace(PRIVATE, (letter) => String.fromCharCode(letter.codePointAt(0) - 0x100000));

// The address of an image of a library; every part of a key is a part of the path.
export function imageAddress(library, key, kind = "thumbnails", side = 256) {
  const query = kind === "thumbnails" ? `?side=${side}` : "";
  return `/api/libraries/${encodeURIComponent(library)}/${kind}/${encodedKey(key)}${query}`;
}
