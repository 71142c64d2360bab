// Which library is searched, and how it does: a selector where there are several, its state, and bringing it up to date.

import { ask, listen } from "./api.js";
import { announce, button, count, element, iconButton, openDialog } from "./dom.js";

export function showLibrary(page) {
  const aside = document.getElementById("shell-aside");
  const { libraries } = page.status;
  const shown = [];
  if (libraries.length > 1) {
    const select = element("select", { id: "library", onchange: () => page.store.set({ ...page.store.state, library: select.value, narrowed: [], where: "", like: [], liked: [], disliked: [], sort: "", least: null, open: "" }) });
    select.append(...libraries.map(({ name }) => element("option", { value: name, selected: name === page.name }, name)));
    shown.push(element("label", { class: "unseen", for: "library" }, "Library"), select);
  }
  const notes = page.library.failed + page.library.absent;
  const state = iconButton("info", "About this library", () => openStatus(page), { class: notes ? "bare noted" : "bare" });
  aside.replaceChildren(...shown, state);
}

function openStatus(page) {
  const { library, status } = page;
  const rows = [
    ["Images", count(library.images)],
    ...(library.failed ? [["Broken", count(library.failed)]] : []),
    ...(library.absent ? [["Away", `${count(library.absent)}, not there when last looked`]] : []),
    ["Model", library.model],
    ["Probabilities", library.calibrated ? "known" : "not known: they come with more images"],
    ["Version", status.version],
  ];
  const progress = element("progress", { max: 1, hidden: true, "aria-label": "Progress" });
  const said = element("p", { class: "quiet", role: "status" });
  const failures = element("ul", { class: "failures" });
  const sync = button("Bring up to date", () => run(), { icon: "sync", class: "main" });
  const shown = openDialog(
    "About this library",
    { class: "small" },
    element("div", { class: "stack" }, element("h2", {}, page.name), element("dl", {}, ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]))),
    element(
      "div",
      { class: "stack" },
      progress,
      said,
      failures,
      element("p", { class: "cures" }, status.scopes?.includes("write") ? sync : null, button("Close", () => shown.close())),
    ),
  );

  async function run() {
    sync.disabled = true;
    progress.hidden = false;
    progress.removeAttribute("value");
    failures.replaceChildren();
    said.textContent = "Looking for what changed…";
    try {
      await listen(`/api/libraries/${encodeURIComponent(page.name)}/sync`, {}, (name, data) => {
        if (name === "progress") {
          if (data.total) progress.value = data.done / data.total;
          said.textContent = data.total ? `${data.stage || "images"}: ${count(data.done)} of ${count(data.total)}` : data.stage;
        } else if (name === "done") {
          said.textContent = doneOf(data);
          failures.replaceChildren(...(data.failures ?? []).map(([key, reason]) => element("li", {}, `${key}: ${reason}`)));
          announce(said.textContent);
        } else if (name === "error") {
          said.textContent = [data.problem, data.cure].filter(Boolean).join("; ");
        }
      });
      page.library = await ask(`/api/libraries/${encodeURIComponent(page.name)}`);
      page.refresh();
    } catch (error) {
      said.textContent = error.message;
    } finally {
      sync.disabled = false;
      progress.hidden = true;
    }
  }
}

function doneOf(data) {
  const parts = ["added", "changed", "moved", "removed", "failed", "absent", "returned"].filter((name) => data[name]).map((name) => `${count(data[name])} ${name}`);
  return parts.length ? `Done: ${parts.join(", ")}.` : "Done: nothing changed.";
}

