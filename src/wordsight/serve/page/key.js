// The question for an API key, once the server has answered that it needs one.

import { ask } from "./api.js";
import { element } from "./dom.js";

// Resolves when the server has taken a key; it keeps it in a cookie that no script can read.
export function askForKey() {
  return new Promise((resolve) => {
    const key = element("input", { type: "password", id: "key", required: true, autocomplete: "current-password" });
    const problem = element("p", { class: "problem", role: "alert" });
    const form = element(
      "form",
      { class: "stack", method: "dialog" },
      element("h2", {}, "An API key is needed"),
      element("p", { class: "quiet" }, "This server answers those who have a key. It is kept in a cookie of this browser."),
      element("label", { for: "key" }, "Key"),
      key,
      problem,
      element("button", { class: "main", type: "submit" }, "Continue"),
    );
    const shown = element("dialog", { class: "small", "aria-label": "An API key is needed" }, form);
    shown.addEventListener("cancel", (event) => event.preventDefault());
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      problem.textContent = "";
      try {
        await ask("/api/session", { key: key.value }, { quiet: true });
      } catch (error) {
        problem.textContent = error.message;
        key.select();
        return;
      }
      shown.close();
      shown.remove();
      resolve();
    });
    document.body.append(shown);
    shown.showModal();
  });
}
