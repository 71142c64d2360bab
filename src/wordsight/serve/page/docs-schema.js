// Schemas of the OpenAPI document as people read them: types in words, tables of fields.

import { element } from "./dom.js";

const NAME = "#/components/schemas/";
const DEEPEST = 4; // of tables inside tables
const FILES = ["image", "images"];

let schemas = {};
export const useSchemas = (given) => (schemas = given ?? {});

export const refName = (schema) => (schema.$ref?.startsWith(NAME) ? schema.$ref.slice(NAME.length) : "");
export const resolved = (schema) => (refName(schema) ? (schemas[refName(schema)] ?? {}) : schema);

// The type of a schema in words.
export function typeText(schema) {
  if (refName(schema)) return refName(schema);
  const parts = schema.anyOf ?? schema.oneOf;
  if (parts) return parts.map(typeText).join(" or ");
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `list of ${schema.prefixItems ? `(${schema.prefixItems.map(typeText).join(", ")})` : Object.keys(schema.items ?? {}).length ? typeText(schema.items) : "any"}`;
  if (schema.type === "object" && schema.additionalProperties && typeof schema.additionalProperties === "object") return `object of ${typeText(schema.additionalProperties)}`;
  if (schema.contentEncoding) return `${schema.type} (${schema.contentEncoding})`;
  if (schema.format === "binary") return "file";
  return Array.isArray(schema.type) ? schema.type.join(" or ") : (schema.type ?? "any");
}

// What limits a value: "1 to 1000", "at most 8 of them".
export function limitsText(schema) {
  if (schema.anyOf) return schema.anyOf.map(limitsText).filter(Boolean).join("; ");
  const limits = [];
  const [low, high] = [schema.minimum ?? schema.exclusiveMinimum, schema.maximum ?? schema.exclusiveMaximum];
  const more = schema.exclusiveMinimum !== undefined ? "more than" : "at least";
  const less = schema.exclusiveMaximum !== undefined ? "less than" : "at most";
  if (low !== undefined && high !== undefined && more === "at least" && less === "at most") limits.push(`${low} to ${high}`);
  else {
    if (low !== undefined) limits.push(`${more} ${low}`);
    if (high !== undefined) limits.push(`${less} ${high}`);
  }
  for (const [kind, unit] of [["Length", "letters"], ["Items", "of them"], ["Properties", "of them"]]) {
    if (schema[`min${kind}`] !== undefined) limits.push(`at least ${schema[`min${kind}`]} ${unit}`);
    if (schema[`max${kind}`] !== undefined) limits.push(`at most ${schema[`max${kind}`]} ${unit}`);
  }
  if (schema.pattern) limits.push(`fits ${schema.pattern}`);
  return limits.join(", ");
}

// Text whose `code` is set as code.
export function prose(text) {
  return text.split(/(`[^`]+`)/).map((part) => (/^`.+`$/.test(part) ? element("code", {}, part.slice(1, -1)) : part));
}

export function paragraphs(text, properties = {}) {
  return text
    .split(/\n\s*\n/)
    .filter((part) => part.trim())
    .map((part) => element("p", properties, ...prose(part.replace(/\s+/g, " ").trim())));
}

// The table of the fields of a schema, with those of the schemas inside it.
export function fieldTable(schema, caption, { asked = true, inside = [] } = {}) {
  const whole = resolved(schema);
  const properties = Object.entries(whole.properties ?? {});
  if (!properties.length) {
    const item = whole.type === "array" && whole.items ? nested(whole.items, inside, asked) : null;
    return element("div", {}, element("p", {}, element("span", { class: "type" }, typeText(schema))), item);
  }
  const required = new Set(whole.required ?? []);
  const rows = properties.map(([name, one]) => {
    const more = [asked && one.default !== undefined ? `default ${JSON.stringify(one.default)}` : "", limitsText(one)].filter(Boolean);
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, element("code", {}, name), asked && required.has(name) ? element("span", { class: "must" }, "needed") : null),
      element("td", {}, element("span", { class: "type" }, typeText(one)), ...more.map((text) => element("span", { class: "quiet small block" }, text))),
      element("td", {}, ...prose(one.description ?? ""), nested(one, inside, asked)),
    );
  });
  const head = element("tr", {}, ...["Field", "Type", "Meaning"].map((text) => element("th", { scope: "col" }, text)));
  return element("div", { class: "table-frame", tabIndex: 0, role: "group", "aria-label": caption }, element("table", { class: "fields" }, element("thead", {}, head), element("tbody", {}, ...rows)));
}

// The table of what a field refers to, closed; null where there is nothing more to know.
function nested(schema, inside, asked) {
  const name = reached(schema);
  if (!name || inside.includes(name) || inside.length >= DEEPEST || !schemas[name]?.properties) return null;
  const shown = element("details", { class: "inner" }, element("summary", {}, name));
  shown.addEventListener("toggle", () => {
    if (shown.children.length > 1) return;
    shown.append(fieldTable(schemas[name], `Fields of ${name}`, { asked, inside: [...inside, name] }));
  });
  return shown;
}

function reached(schema) {
  if (refName(schema)) return refName(schema);
  const parts = [...(schema.anyOf ?? schema.oneOf ?? []), schema.items, schema.additionalProperties].filter((one) => one && typeof one === "object");
  return parts.map(reached).find(Boolean) ?? "";
}

// The field of a body that takes an image as a file in base64, if it has one: [name, whether it is a list].
export function imageField(schema) {
  const properties = resolved(schema).properties ?? {};
  const name = FILES.find((one) => one in properties && typeText(properties[one]).includes("string"));
  return name ? [name, typeText(properties[name]).startsWith("list")] : null;
}
