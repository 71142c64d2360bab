// What the results can be narrowed to: values of the library's own columns with their counts, "without", a condition.

import { button, bytes, count, element, icon } from "./dom.js";

const SHOWN = 6; // values of a column before "more"
const NAMES = { mtime: "file date", taken: "date", size: "file size", hand_tags: "tags by hand" };
const ORDER = ["hand_tags", "tags", "", "mtime", "width", "height", "size"]; // what is known of every file narrows least

// The columns in the order in which they help; one that says the same as another is left out.
function arranged(columns) {
  const seen = new Set();
  const differing = columns.filter(({ values }) => {
    const same = JSON.stringify(values.map(({ value, count: number }) => [value, number]));
    const isNew = values.length > 0 && !seen.has(same);
    seen.add(same);
    return isNew;
  });
  return differing.sort((one, other) => placeOf(one.name) - placeOf(other.name));
}

// People's tags first, then the model's, what is known of every file last.
const placeOf = (name) => ORDER.indexOf(ORDER.includes(name) ? name : "");

// A range or a date, for people.
export function labelOfValue(column, value) {
  if (column === "size") return value.replace(/\d[\d,]*/g, (number) => bytes(Number(number.replaceAll(",", ""))));
  if (column === "width" || column === "height") return `${value} px`;
  const [, year, month, day] = /^(\d{4})-(\d\d)(?:-(\d\d))?$/.exec(value) ?? [];
  if (!year) return value;
  return new Date(Date.UTC(year, month - 1, day ?? 1)).toLocaleDateString("en", { timeZone: "UTC", year: "numeric", month: "short", day: day && "numeric" });
}

export const nameOfColumn = (column) => NAMES[column] ?? column.replaceAll("_", " ").replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();

export class Facets {
  #more = new Set(); // columns of which all values are shown
  #folded = new Set(); // columns that were folded up

  constructor(root, store) {
    this.root = root;
    this.store = store;
    this.columns = element("div", { class: "columns" });
    this.without = this.#field("without", "Without", "what should not be there", (text) =>
      store.set({ without: [...new Set([...store.state.without, text])] }),
    );
    this.where = this.#field("where", "Condition", "width > 800 and year = 2021", (text) => store.set({ where: text }));
    this.problem = element("p", { class: "problem", role: "alert" });
    this.known = element("p", { class: "quiet hint" });
    this.fold = element("input", { type: "checkbox", id: "fold", onchange: () => store.set({ fold: this.fold.checked }) });
    const close = element("button", { type: "button", class: "plain close", onclick: () => this.toggle(false) }, icon("close"), "Done");
    root.append(
      close,
      this.columns,
      this.without,
      element("details", { class: "condition" }, element("summary", {}, "Write a condition"), this.where, this.problem, this.known),
      element("label", { class: "tick", for: "fold" }, this.fold, element("span", {}, "Fold near-duplicates")),
    );
  }

  // On narrow windows the side is opened and closed.
  toggle(open = !this.root.classList.contains("open")) {
    this.root.classList.toggle("open", open);
    document.getElementById("narrow").setAttribute("aria-expanded", String(open));
    if (open) this.root.querySelector(".close").focus();
    else document.getElementById("narrow").focus();
  }

  describe(library) {
    const columns = library.columns ?? [];
    this.known.textContent = columns.length ? `Columns: ${columns.map((column) => column.name).join(", ")}` : "";
    const example = columns.find((column) => column.holds === "text" && column.examples?.length);
    const input = this.where.querySelector("input");
    if (example) input.placeholder = `${example.name} = '${example.examples[0]}'`;
  }

  // A mistake in the condition is said where it was written.
  fail(problem) {
    this.problem.textContent = problem;
    if (problem) this.root.querySelector("details").open = true;
  }

  show(columns) {
    const { state } = this.store;
    const active = this.root.contains(document.activeElement) ? document.activeElement.id : "";
    const typed = this.where.querySelector("input");
    if (typed !== document.activeElement) typed.value = state.where;
    this.fold.checked = state.fold;
    this.columns.replaceChildren(...arranged(columns).map((column) => this.#column(column)));
    if (active) document.getElementById(active)?.focus();
  }

  #column({ name, values }) {
    const { state } = this.store;
    const isChosen = (value) => value.chosen || state.narrowed.some((one) => one.column === name && one.where === value.where);
    const all = this.#more.has(name);
    const shown = values.filter((value, number) => all || number < SHOWN || isChosen(value));
    const rows = shown.map((value) => this.#value(name, value, isChosen(value)));
    const rest = values.length - shown.length;
    const more = () => {
      if (all) this.#more.delete(name);
      else this.#more.add(name);
      this.show(this.last);
    };
    const set = element("fieldset", {}, element("legend", {}, nameOfColumn(name)), ...rows);
    if (rest > 0 || all) set.append(button(all ? "Fewer" : `${rest} more`, more, { class: "plain more", id: `more-${name}` }));
    return set;
  }

  #value(column, { value, count: number, where }, chosen) {
    const change = (event) => {
      const { narrowed } = this.store.state;
      const others = narrowed.filter((one) => one.column !== column || one.where !== where);
      this.store.set({ narrowed: event.target.checked ? [...others, { column, value, where }] : others });
    };
    const id = `facet-${column}-${value}`.replace(/\s/g, "_");
    const box = element("input", { type: "checkbox", checked: chosen, onchange: change, id });
    return element("label", { class: "tick", for: id }, box, element("span", { class: "value", title: value }, labelOfValue(column, value)), element("span", { class: "number" }, count(number)));
  }

  #field(name, label, placeholder, enter) {
    const input = element("input", { id: `field-${name}`, placeholder, autocomplete: "off", spellcheck: false });
    const form = element("form", { class: "field" }, element("label", { for: input.id }, label), input);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = input.value.trim();
      if (!text && name === "without") return;
      this.problem.textContent = "";
      if (name === "without") input.value = "";
      enter(text);
    });
    return form;
  }

  // What was counted for another question is faint until the new counts are here.
  wait() {
    this.root.setAttribute("aria-busy", "true");
  }

  update(columns) {
    this.last = columns;
    this.show(columns);
    this.root.removeAttribute("aria-busy");
  }
}
