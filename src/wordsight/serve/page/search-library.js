// How a library does, and bringing it up to date.

import { ask, listen } from "./api.js";
import { openDialog } from "./dialog.js";
import { announce, button, count, element } from "./dom.js";

export function openStatus(page) {
  const { library, status } = page;
  const rows = [
    ["Images", count(library.images)],
    ...(library.failed ? [["Broken", count(library.failed)]] : []),
    ...(library.absent ? [["Away", `${count(library.absent)}, not there when last looked`]] : []),
    ["Model", library.model],
    ["Probabilities", library.calibrated ? "calibrated" : "not calibrated: that takes more images"],
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

