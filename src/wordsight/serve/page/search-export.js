// Taking results away: a list of them, or the files themselves.

import { download } from "./api.js";
import { openDialog } from "./dialog.js";
import { button, count, element } from "./dom.js";

const FORMS = [
  ["zip", "Images", "the files in one archive (.zip), 1,000 at most"],
  ["csv", "Table", "one row an image, for spreadsheets (.csv)"],
  ["json", "Data", "everything that is known, for programs (.json)"],
  ["paths", "Names", "one a line (.txt)"],
];
const FILES = 1000; // of one archive, at most
const ENDINGS = { zip: "zip", csv: "csv", json: "json", paths: "txt" };

export function openExport(page) {
  const { results, chosen } = page;
  if (!results?.total) return;
  const matching = results.cut ?? results.total;
  const sets = [
    ...(chosen.size ? [["chosen", `${count(chosen.size)} chosen`]] : []),
    ...(matching && matching < results.total ? [["matching", `${count(matching)} that match`]] : []),
    ["all", `all ${count(results.total)}`],
  ];
  const radios = (name, choices) =>
    choices.map(([value, label, hint], number) => {
      const input = element("input", { type: "radio", name, value, id: `${name}-${value}`, checked: number === 0 });
      return element("label", { class: "tick", for: input.id }, input, element("span", {}, label, hint ? element("span", { class: "quiet" }, `: ${hint}`) : null));
    });
  const said = element("p", { class: "problem", role: "status" });
  const form = element(
    "form",
    { class: "stack", method: "dialog" },
    element("h2", {}, "Export"),
    element("fieldset", {}, element("legend", {}, "Which"), ...radios("set", sets)),
    element("fieldset", {}, element("legend", {}, "As"), ...radios("form", FORMS)),
    said,
    element("p", { class: "cures" }, element("button", { class: "main", type: "submit" }, "Export"), button("Cancel", () => shown.close())),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { set, form: kind } = Object.fromEntries(new FormData(form));
    said.textContent = "Preparing…";
    try {
      const body = { form: kind, ...asked(set) };
      if (kind === "zip" && body.k > FILES) body.k = FILES;
      save(await download(`/api/libraries/${encodeURIComponent(results.library)}/export`, body), `${results.library}.${ENDINGS[kind]}`);
      shown.close();
    } catch (error) {
      said.textContent = error.message;
    }
  });
  const shown = openDialog("Export", { class: "small" }, form);

  function asked(set) {
    if (set === "chosen") return { keys: [...chosen.keys()] };
    return { ...results.query, k: set === "matching" ? matching : results.total };
  }
}

function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = element("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 30_000);
}
