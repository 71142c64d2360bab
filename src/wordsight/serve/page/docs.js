// The documentation of the API, made of the OpenAPI document that the server gives to programs.

import { ask } from "./api.js";
import { button, element, many } from "./dom.js";
import { fieldTable, paragraphs, prose, refName, typeText, useSchemas } from "./docs-schema.js";
import { addressOf, curlOf, exampleBody, isJson, tryForm } from "./docs-try.js";

const METHODS = ["get", "post", "put", "delete"];
const byId = (id) => document.getElementById(id);
const defaults = { id: "default", x: "0", y: "0" }; // of what an address has to have
let entries = []; // {section, link, text, group}

async function start() {
  let whole;
  try {
    whole = await ask("/openapi.json");
  } catch (error) {
    byId("docs-problem").textContent = `The documentation cannot be made: ${error.message}.`;
    byId("docs-problem").hidden = false;
    return;
  }
  await firstLibrary();
  useSchemas(whole.components?.schemas);
  draw(whole);
  byId("find").addEventListener("input", filter);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest("input, textarea, select")) return;
    event.preventDefault();
    byId("find").focus();
  });
  filter();
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

async function firstLibrary() {
  try {
    const { libraries } = await ask("/api/status", undefined, { quiet: true });
    defaults.library = libraries?.[0]?.name ?? "";
    const { hits } = await ask(`/api/libraries/${encodeURIComponent(defaults.library)}/search`, { k: 2 }, { quiet: true });
    defaults.keys = hits.map((hit) => hit.key);
    defaults.key = defaults.keys[0] ?? "";
  } catch {
    // the form stays empty there
  }
}

function draw(whole) {
  const keyed = Object.values(whole.paths).some((path) => Object.values(path).some((one) => one.security && !one.security.some((each) => !Object.keys(each).length)));
  byId("keys").textContent = keyed ? "This server wants a key: Authorization: Bearer KEY, or X-API-Key." : "This server asks for no key.";
  const operations = Object.entries(whole.paths).flatMap(([path, methods]) => METHODS.filter((method) => methods[method]).map((method) => ({ path, method, operation: methods[method] })));
  const tags = whole.tags ?? [];
  for (const { name, description } of [...tags.filter((one) => one.name !== "page"), ...tags.filter((one) => one.name === "page")]) {
    const mine = operations.filter(({ operation }) => operation.tags?.includes(name));
    if (!mine.length) continue;
    const group = element("section", { class: "group", id: `group-${name}`, "aria-label": name }, element("h2", {}, name), element("p", { class: "quiet" }, ...prose(description ?? "")));
    const links = element("ul", {});
    const listed = element("div", {}, element("h3", {}, element("a", { href: `#group-${name}` }, name)), links);
    for (const one of mine) {
      const section = operationSection(one);
      const link = element("li", {}, element("a", { href: `#${one.operation.operationId}`, title: one.operation.summary ?? "" }, badge(one.method), element("span", {}, one.path)));
      group.append(section);
      links.append(link);
      entries.push({ section, link, group, listed, text: searched(one, whole.components?.schemas ?? {}) });
    }
    byId("groups").append(group);
    byId("contents").append(listed);
  }
}

const badge = (method) => element("span", { class: `method ${method}` }, method.toUpperCase());

function operationSection({ path, method, operation }) {
  const id = operation.operationId;
  const body = exampleBody(operation, defaults.keys);
  const section = element("section", { class: "operation", id, "aria-labelledby": `${id}-title` });
  section.append(
    element("h3", { id: `${id}-title` }, badge(method), element("code", {}, path), element("a", { class: "anchor", href: `#${id}`, "aria-label": `Link to ${method.toUpperCase()} ${path}` }, "#")),
    element("p", { class: "summary" }, ...prose(operation.summary ?? "")),
  );
  const about = operation.description ?? "";
  if (about && about.replace(/^Return /, "").toLowerCase() !== (operation.summary ?? "").toLowerCase()) section.append(...paragraphs(about, { class: "quiet" }));
  section.append(...parameters(operation), ...asks(operation), ...answers(operation), ...statuses(operation));
  const line = curlOf(addressOf(path, defaults), method, operation, body);
  section.append(element("h4", {}, "Example"), codeBlock(line));
  if (isJson(operation) && operation.tags?.[0] !== "page") section.append(tried(path, method, operation));
  return section;
}

function codeBlock(text) {
  const copied = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(text);
      copied.textContent = "Copied";
    } catch {
      copied.textContent = "Select it and copy";
    }
    setTimeout(() => (copied.textContent = "Copy"), 2000);
  });
  copied.className = "copy";
  return element("div", { class: "code" }, element("pre", { tabIndex: 0, role: "group", "aria-label": "A line for a shell" }, text), copied);
}

function tried(path, method, operation) {
  const box = element("details", { class: "try" }, element("summary", {}, "Try it"));
  box.addEventListener("toggle", () => {
    if (box.open && box.children.length === 1) box.append(tryForm(path, method, operation, defaults));
  });
  return box;
}

function parameters(operation) {
  const given = operation.parameters ?? [];
  if (!given.length) return [];
  const properties = Object.fromEntries(given.map((one) => [one.name, { ...one.schema, description: one.description ?? one.schema?.description ?? `A part of the ${one.in}.` }]));
  const schema = { properties, required: given.filter((one) => one.required).map((one) => one.name) };
  return [element("h4", {}, "In the address"), fieldTable(schema, `Parameters of ${operation.operationId}`)];
}

function asks(operation) {
  const content = Object.entries(operation.requestBody?.content ?? {});
  return content.flatMap(([kind, { schema }]) => {
    const title = kind === "application/json" ? "Asks" : `Asks (${kind})`;
    if (!schema) return [element("h4", {}, title), element("p", {}, "The bytes of a file.")];
    return [element("h4", {}, title), fieldTable(schema, `Fields that ${operation.operationId} asks`)];
  });
}

function answers(operation) {
  const content = Object.entries(operation.responses?.["200"]?.content ?? {});
  return content.flatMap(([kind, { schema }]) => {
    const title = element("h4", {}, "Answers", kind === "application/json" ? "" : ` ${kind}`);
    if (kind !== "application/json" || !schema) return [title];
    const name = refName(schema);
    return [title, name ? null : element("p", { class: "type" }, typeText(schema)), fieldTable(schema, `Fields that ${operation.operationId} answers`, { asked: false })].filter(Boolean);
  });
}

function statuses(operation) {
  const others = Object.entries(operation.responses ?? {}).filter(([status]) => status !== "200" && status !== "default");
  if (!others.length) return [];
  const list = element("dl", { class: "statuses" }, ...others.flatMap(([status, { description }]) => [element("dt", {}, status), element("dd", {}, ...prose(description ?? ""))]));
  return [element("details", { class: "other" }, element("summary", {}, `${others.length} other statuses`), list)];
}

function searched({ path, method, operation }, schemas) {
  const names = new Set();
  const walk = (value, depth) => {
    if (!value || typeof value !== "object" || depth > 8) return;
    const name = refName(value);
    if (name && !names.has(name)) {
      names.add(name);
      walk(schemas[name], depth + 1);
    }
    Object.values(value).forEach((one) => walk(one, depth + 1));
  };
  walk({ ...operation, responses: operation.responses?.["200"] }, 0);
  const fields = [...names].flatMap((name) => [name, ...Object.entries(schemas[name]?.properties ?? {}).flatMap(([field, one]) => [field, one.description ?? ""])]);
  const own = (operation.parameters ?? []).flatMap((one) => [one.name, one.description ?? ""]);
  return [method, path, operation.summary, operation.description, ...own, ...fields].join(" ").toLowerCase();
}

function filter() {
  const terms = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const one of entries) {
    const fits = terms.every((term) => one.text.includes(term));
    one.section.hidden = !fits;
    one.link.hidden = !fits;
    shown += Number(fits);
  }
  for (const { group, listed } of entries) {
    const isEmpty = entries.every((one) => one.group !== group || one.section.hidden);
    group.hidden = isEmpty;
    listed.hidden = isEmpty;
  }
  byId("found").textContent = terms.length ? `${many(shown, "route")} of ${entries.length}` : many(entries.length, "route");
}

await start();
