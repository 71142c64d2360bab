// The frame of every page: links to the others, and the choice of light or dark.  A page has <header id="shell"></header>.

const PAGES = [
  ["/", "Search"],
  ["/map", "Map"],
  ["/duplicates", "Duplicates"],
  ["/bench", "Bench"],
  ["/docs", "API"],
];
const THEMES = ["auto", "light", "dark"];

function themed(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const header = document.getElementById("shell");
themed(localStorage.getItem("theme") ?? "auto");
if (header) {
  const links = PAGES.map(([address, name]) => {
    const link = element("a", { href: address, textContent: name });
    if (location.pathname === address) link.setAttribute("aria-current", "page");
    return link;
  });
  const theme = element("button", { type: "button", className: "theme" });
  const show = () => {
    theme.textContent = localStorage.getItem("theme") ?? "auto";
    theme.setAttribute("aria-label", `Colours: ${theme.textContent}`);
  };
  theme.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(localStorage.getItem("theme") ?? "auto") + 1) % THEMES.length];
    localStorage.setItem("theme", next);
    themed(next);
    show();
  });
  show();
  header.append(element("nav", { ariaLabel: "Pages" }, ...links), theme);
}
