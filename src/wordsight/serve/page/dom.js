// What all pages make their elements with: text is always text, never markup.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  search: "M11 4a7 7 0 1 0 0 14a7 7 0 0 0 0-14M16 16l4.5 4.5",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9h.01",
  close: "M6 6l12 12M18 6L6 18",
  plus: "M12 5v14M5 12h14",
  check: "M5 12.5l4.5 4.5L19 7.5",
  up: "M7 11v9H4v-9zM7 11l4-7c1.5 0 2.5 1 2.5 2.5V10H19c1 0 1.8.9 1.6 1.9l-1.2 6.5c-.2.9-.9 1.6-1.9 1.6H7",
  down: "M7 13V4H4v9zM7 13l4 7c1.5 0 2.5-1 2.5-2.5V14H19c1 0 1.8-.9 1.6-1.9l-1.2-6.5C19.2 4.7 18.5 4 17.5 4H7",
  like: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM16.5 13.5v6M13.5 16.5h6",
  auto: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  light: "M12 8a4 4 0 1 0 0 8a4 4 0 0 0 0-8M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  dark: "M20 14.5A8.5 8.5 0 0 1 9.5 4A8.5 8.5 0 1 0 20 14.5",
  download: "M12 4v11M7.5 10.5L12 15l4.5-4.5M4 19.5h16",
  link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7L12 7M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7L12 17",
  copy: "M8 8h12v12H8zM16 8V4H4v12h4",
  why: "M2.5 12C5 7.5 8 5.5 12 5.5s7 2 9.5 6.5c-2.5 4.5-5.5 6.5-9.5 6.5S5 16.5 2.5 12M12 9a3 3 0 1 0 0 6a3 3 0 0 0 0-6",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  narrow: "M4 6h16M7 12h10M10 18h4",
  info: "M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 0 0 0-17M12 11v5.5M12 7.5v.01",
  sync: "M4 12a8 8 0 0 1 14-5.3L20 9M20 4v5h-5M20 12a8 8 0 0 1-14 5.3L4 15M4 20v-5h5",
  choose: "M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 0 0 0-17M8 12.3l2.8 2.8L16 9.5",
  keys: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M7.5 14h9",
  tag: "M4 4h8l8 8-8 8-8-8zM8 8h.01",
  size: "M4 10V4h6M20 14v6h-6M4 4l6.5 6.5M20 20l-6.5-6.5",
};

// Make an element: `class`, `on…` listeners, names with a dash as attributes, all others as properties.
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role" || name === "for") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function icon(name) {
  const drawn = document.createElementNS(SVG, "svg");
  drawn.setAttribute("viewBox", "0 0 24 24");
  drawn.setAttribute("class", "icon");
  drawn.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  drawn.append(path);
  return drawn;
}

// A button of an icon alone; its name is for those who do not see it, and on hover.
export function iconButton(name, label, onclick, properties = {}) {
  return element("button", { type: "button", class: "bare", "aria-label": label, title: label, onclick, ...properties }, icon(name));
}

// A button of words, with an icon before them if wanted.
export function button(label, onclick, properties = {}) {
  const { icon: drawn, ...others } = properties;
  return element("button", { type: "button", onclick, ...others }, drawn ? icon(drawn) : null, label);
}

// Fetch a style that only some of a page needs; resolves when it holds.
const styles = new Map();
export function style(address) {
  if (!styles.has(address)) {
    styles.set(
      address,
      new Promise((resolve) => {
        const link = element("link", { rel: "stylesheet", href: address, onload: resolve, onerror: resolve });
        document.head.append(link);
      }),
    );
  }
  return styles.get(address);
}

// Say something to screen readers, once it has not changed for a moment.
let waiting;
export function announce(text) {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    const said = document.getElementById("said");
    if (said) said.textContent = text;
  }, 700);
}

// Say something that goes away by itself, to all; `act`: a button that belongs to it.
export function toast(text, act = "") {
  document.querySelector(".toast")?.remove();
  const shown = element("p", { class: "toast", role: "status" }, text, act);
  (document.querySelector("dialog[open]") ?? document.body).append(shown);
  setTimeout(() => shown.remove(), act ? 12000 : 4000);
}

export const count = (number) => number.toLocaleString("en");
export const many = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;
export const percent = (match) => (match < 0.005 ? "<1 %" : `${Math.round(match * 100)} %`);
export function bytes(size) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${size >= 10 || unit === 0 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}
