// Dialogs of all pages.

import { element } from "./dom.js";

// A dialog that is gone from the page once it is closed.
export function openDialog(label, properties, ...children) {
  const shown = element("dialog", { "aria-label": label, ...properties }, ...children);
  shown.addEventListener("close", () => shown.remove());
  shown.addEventListener("click", (event) => {
    if (event.target === shown) shown.close();
  });
  document.body.append(shown);
  shown.showModal();
  return shown;
}
