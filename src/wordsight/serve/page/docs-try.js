// A form for one route: its parameters and its body can be changed, and the answer is shown.

import { encodedKey } from "./api.js";
import { button, element } from "./dom.js";
import { imageField, typeText } from "./docs-schema.js";

const STANDS = { "a.jpg": 0, "b.jpg": 1 };
const MOST = 200_000; // letters of an answer that are shown

export const isJson = (operation) => !operation.requestBody || "application/json" in operation.requestBody.content;
const bodySchema = (operation) => operation.requestBody?.content["application/json"]?.schema;

export function addressOf(path, values, query = {}) {
  const filled = path.replace(/\{(\w+)\}/g, (whole, name) => (values[name] ? encodedKey(values[name]) : whole));
  const given = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== ""));
  return given.size ? `${filled}?${given}` : filled;
}

// The request as a line for a shell.
export function curlOf(path, method, operation, body) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const keyed = operation.security && !operation.security.some((one) => !Object.keys(one).length);
  const parts = ["curl -s", ...(method === "get" || method === "post" ? [] : [`-X ${method.toUpperCase()}`]), quoted(location.origin + path)];
  if (keyed) parts.push(`-H ${quoted("Authorization: Bearer KEY")}`);
  const [kind] = Object.keys(operation.requestBody?.content ?? {});
  if (kind === "application/json") parts.push(`-H ${quoted("Content-Type: application/json")}`, `-d ${quoted(JSON.stringify(body ?? {}))}`);
  else if (kind === "multipart/form-data") parts.push(...Object.entries(body ?? {}).map(([name, value]) => `-F ${quoted(`${name}=${value}`)}`));
  else if (kind) parts.push(`-H ${quoted(`Content-Type: ${kind}`)}`, "--data-binary @FILE");
  return parts.join(" \\\n  ");
}

// The example of a body; `a.jpg` and `b.jpg` in it stand for keys of a library.
export function exampleBody(operation, keys = []) {
  const [shown] = Object.values(operation.requestBody?.content ?? {});
  if (!shown?.schema) return undefined;
  const filled = (_, value) => (typeof value === "string" && value in STANDS ? (keys[STANDS[value]] ?? value) : value);
  return JSON.parse(JSON.stringify(shown.example ?? {}), filled);
}

export function tryForm(path, method, operation, defaults) {
  const id = (name) => `${operation.operationId}-${name}`;
  const fields = (operation.parameters ?? []).map((one) => {
    const value = one.in === "path" || one.required ? (defaults[one.name] ?? "") : "";
    const input = element("input", { id: id(one.name), value, placeholder: one.schema?.default === undefined ? typeText(one.schema ?? {}) : String(one.schema.default), autocomplete: "off", spellcheck: false, required: one.required });
    return { ...one, input };
  });
  const hasBody = Boolean(bodySchema(operation));
  const text = element("textarea", { id: id("body"), rows: 8, spellcheck: false, value: hasBody ? JSON.stringify(exampleBody(operation, defaults.keys), null, 2) : "" });
  const answer = element("div", { class: "answer", role: "status" });
  const send = element("button", { class: "main", type: "submit" }, "Send");
  const form = element(
    "form",
    { class: "try-form" },
    ...fields.map((one) => element("div", {}, element("label", { for: one.input.id }, element("code", {}, one.name), one.in === "path" ? "" : " (query)"), one.input)),
    hasBody ? element("div", { class: "whole" }, element("label", { for: text.id }, "Body"), text) : null,
    element("div", { class: "whole row" }, send, hasBody ? imageButton(operation, text, id) : null),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = (where) => Object.fromEntries(fields.filter((one) => one.in === where).map((one) => [one.name, one.input.value.trim()]));
    send.disabled = true;
    answer.replaceChildren(element("p", { class: "quiet" }, "Waiting for the answer…"));
    try {
      if (hasBody) JSON.parse(text.value);
      await shown(answer, addressOf(path, values("path"), values("query")), method, hasBody ? text.value : undefined);
    } catch (error) {
      const problem = error instanceof SyntaxError ? `The body is no JSON: ${error.message}` : `The server cannot be reached: ${error.message}`;
      answer.replaceChildren(element("p", { class: "problem" }, problem));
    } finally {
      send.disabled = false;
    }
  });
  return element("div", {}, form, answer);
}

function imageButton(operation, text, id) {
  const field = imageField(bodySchema(operation));
  if (!field) return null;
  const [name, isList] = field;
  const input = element("input", { type: "file", accept: "image/*", hidden: true, id: id("file"), "aria-label": `A picture for ${name}` });
  input.addEventListener("change", () => {
    const reader = new FileReader();
    reader.addEventListener("load", () => {
      let body = {};
      try {
        body = JSON.parse(text.value || "{}");
      } catch {
        // what is no JSON is replaced
      }
      text.value = JSON.stringify({ ...body, [name]: isList ? [reader.result] : reader.result }, null, 2);
    });
    if (input.files.length) reader.readAsDataURL(input.files[0]);
    input.value = "";
  });
  return element("span", {}, input, button(`Put a picture into ${name}`, () => input.click()));
}

// Ask, and show the answer as it comes: JSON in lines, events one by one, images as images.
async function shown(box, address, method, body) {
  const began = performance.now();
  const response = await fetch(address, { method: method.toUpperCase(), headers: body === undefined ? {} : { "content-type": "application/json" }, body });
  if (response.status === 401) document.dispatchEvent(new CustomEvent("key-needed"));
  const kind = (response.headers.get("content-type") ?? "").split(";")[0];
  const line = element("p", { class: response.ok ? "status good" : "status bad" });
  const say = () => (line.textContent = `${response.status} ${response.statusText}, ${kind || "no content"}, ${Math.round(performance.now() - began)} ms`);
  say();
  if (kind.startsWith("image/")) {
    const data = await dataOf(await response.blob());
    box.replaceChildren(line, element("img", { src: data, alt: "The image that was answered" }));
    return say();
  }
  const output = element("pre", { tabIndex: 0, role: "group", "aria-label": "The answer" });
  box.replaceChildren(line, output);
  if (kind === "text/event-stream") {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) output.append(part.value);
    return say();
  }
  const whole = await response.text();
  say();
  const text = kind.endsWith("json") ? pretty(whole) : whole;
  output.textContent = text.length > MOST ? `${text.slice(0, MOST)}\n… ${(text.length - MOST).toLocaleString("en")} letters more` : text;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), (_, value) => (typeof value === "string" && value.length > 2000 ? `${value.slice(0, 200)}… (${value.length.toLocaleString("en")} letters)` : value), 2);
  } catch {
    return text;
  }
}

function dataOf(blob) {
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.readAsDataURL(blob);
  });
}
