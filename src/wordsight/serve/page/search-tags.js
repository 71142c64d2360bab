// Tags: those of one image, which people may change, and the same tags for chosen images or all that match.

import { ask } from "./api.js";
import { openDialog } from "./dialog.js";
import { button, count, element, iconButton, many, toast } from "./dom.js";
import { hasQuestion } from "./search-state.js";

const HAND = "hand_tags"; // people's column; the model's is `tags`
const linesOf = (value) => (typeof value === "string" ? value.split("\n").filter(Boolean) : []);
const listed = (text) => [...new Set(text.split(",").map((one) => one.trim()).filter(Boolean))];
const addressOf = (page) => `/api/libraries/${encodeURIComponent(page.name)}/tags`;

// The tags of an image, each of which narrows the results; with a way to add and remove for those who may.
export function tagsOf(page, hit) {
  const { meta } = hit;
  const own = linesOf(meta[HAND]);
  const narrow = (column, tag) => () => {
    const { narrowed } = page.store.state;
    const where = `${column} has '${tag.replaceAll("'", "''")}'`;
    const others = narrowed.filter((one) => one.where !== where);
    page.store.set({ narrowed: [...others, { column, value: tag, where }], open: "" });
  };
  const remove = (tag) => iconButton("close", `Remove the tag ${tag}`, () => change({ remove: [tag] }));
  const input = element("input", { "aria-label": "Add tags", placeholder: "Add tags, with commas between", autocomplete: "off", maxLength: 400 });
  const known = suggestions(page);
  input.setAttribute("list", known.id);
  const form = element("form", {}, input, known);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (listed(input.value).length) change({ add: listed(input.value) });
  });
  const shown = element(
    "div",
    { class: "tags", role: "group", "aria-label": "Tags" },
    ...own.map((tag) => element("span", { class: "tag own" }, button(tag, narrow(HAND, tag), { class: "plain" }), page.mayWrite ? remove(tag) : null)),
    ...linesOf(meta.tags).map((tag) => button(tag, narrow("tags", tag), { class: "tag", title: "Narrow to this tag" })),
    page.mayWrite ? form : null,
  );
  shown.hidden = !shown.children.length;
  return shown;

  async function change(body) {
    const done = await send(page, { keys: [hit.key], ...body });
    if (!done) return;
    const gone = new Set((body.remove ?? []).map((tag) => tag.toLowerCase()));
    const left = own.filter((tag) => !gone.has(tag.toLowerCase()));
    const there = new Set(left.map((tag) => tag.toLowerCase()));
    hit.meta[HAND] = [...left, ...(body.add ?? []).filter((tag) => !there.has(tag.toLowerCase()))].join("\n");
    const fresh = tagsOf(page, hit);
    shown.replaceWith(fresh);
    fresh.querySelector("input")?.focus();
    page.recount();
  }
}

// Send a change, and say what was done, with a way back; null where it failed, which is said too.
async function send(page, body) {
  const address = addressOf(page);
  try {
    const done = await ask(address, body);
    const undo = button("Undo", async () => {
      undo.disabled = true;
      try {
        const undone = await ask(`${address}/undo`, { run: done.run });
        page.opening = null;
        page.refresh();
        toast(undone.left.length ? `Taken back but for ${many(undone.left.length, "image")}` : "Taken back");
      } catch (error) {
        toast(error.message);
      }
    }, { class: "plain" });
    const tags = [...(body.add ?? []).map((tag) => `“${tag}”`), ...(body.remove ?? []).map((tag) => `without “${tag}”`)].join(", ");
    toast(done.changed ? `${many(done.changed, "image")}: ${tags} ` : `Nothing to change: ${tags}`, done.changed ? undo : "");
    return done;
  } catch (error) {
    toast(error.message);
    return null;
  }
}

function suggestions(page) {
  const values = (page.facets.last ?? []).filter(({ name }) => name === HAND || name === "tags").flatMap((column) => column.values);
  const names = [...new Set(values.map(({ value }) => value))];
  return element("datalist", { id: `tags-${Math.random().toString(36).slice(2)}` }, ...names.map((value) => element("option", { value })));
}

// Tag the chosen images, or all that match.
export function openTags(page) {
  const { results, chosen } = page;
  const { state } = page.store;
  if (!results?.total) return;
  const matching = !hasQuestion(state) || state.sort ? results.total : results.cut;
  const sets = [
    ...(chosen.size ? [["chosen", `${count(chosen.size)} chosen`]] : []),
    ...(matching ? [["matching", hasQuestion(state) ? `all ${count(matching)} that match` : `all ${many(matching, "image")}`]] : []),
  ];
  if (!sets.length) {
    toast("First choose images: this search has no line between match and no match");
    return;
  }
  const radios = (name, choices) =>
    choices.map(([value, label], number) => {
      const input = element("input", { type: "radio", name, value, id: `${name}-${value}`, checked: number === 0 });
      return element("label", { class: "tick", for: input.id }, input, element("span", {}, label));
    });
  const known = suggestions(page);
  const input = element("input", { id: "tag-names", placeholder: "holiday, to print", autocomplete: "off", maxLength: 400, required: true });
  input.setAttribute("list", known.id);
  const submit = element("button", { class: "main", type: "submit" }, "Tag");
  const form = element(
    "form",
    { class: "stack", method: "dialog" },
    element("h2", {}, "Tag"),
    element("div", { class: "field" }, element("label", { for: "tag-names" }, "Tags, with commas between"), input, known),
    element("fieldset", {}, element("legend", {}, "What"), ...radios("do", [["add", "Add"], ["remove", "Remove"]])),
    element("fieldset", {}, element("legend", {}, "Which"), ...radios("set", sets)),
    element("p", { class: "cures" }, submit, button("Cancel", () => shown.close())),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(form));
    const tags = listed(input.value);
    if (!tags.length) return;
    submit.disabled = true;
    const { rest, ...query } = results.query;
    const which = given.set === "chosen" ? { keys: [...chosen.keys()] } : query;
    shown.close();
    if (await send(page, { ...which, [given.do]: tags })) page.refresh();
  });
  const shown = openDialog("Tag", { class: "small" }, form);
  input.focus();
}
