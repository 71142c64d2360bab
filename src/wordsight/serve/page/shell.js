// The frame of every page: links to the others, and the choice of light or dark.  A page has <header id="shell"></header>.
// When the server asks for a key, it is asked for here; `key-given` says that requests may be tried again.

import { element, icon } from "./dom.js";

const PAGES = [
  ["/", "Search"],
  ["/map", "Map"],
  ["/duplicates", "Duplicates"],
  ["/bench", "Bench"],
  ["/docs", "API"],
];
const THEMES = ["auto", "light", "dark"];

const remembered = () => localStorage.getItem("theme") ?? "auto";

function themed(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
}

themed(remembered());
const header = document.getElementById("shell");
if (header) {
  const links = PAGES.map(([address, name]) => {
    const library = new URLSearchParams(location.search).get("in");
    const kept = library && !["/docs", "/bench"].includes(address) ? `?in=${encodeURIComponent(library)}` : "";
    const link = element("a", { href: address + kept, textContent: name });
    if (location.pathname === address) link.setAttribute("aria-current", "page");
    return link;
  });
  const theme = element("button", { type: "button", class: "bare theme" });
  const show = () => {
    const name = remembered();
    theme.replaceChildren(icon(name));
    theme.title = `Colours: ${name}`;
    theme.setAttribute("aria-label", theme.title);
  };
  theme.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(remembered()) + 1) % THEMES.length];
    localStorage.setItem("theme", next);
    themed(next);
    show();
  });
  show();
  const aside = element("div", { id: "shell-aside" });
  header.append(element("nav", { "aria-label": "Pages" }, ...links), aside, theme);
}

let asking = false;
document.addEventListener("key-needed", async () => {
  if (asking) return;
  asking = true;
  try {
    const { askForKey } = await import("./key.js");
    await askForKey();
    document.dispatchEvent(new CustomEvent("key-given"));
  } finally {
    asking = false;
  }
});
