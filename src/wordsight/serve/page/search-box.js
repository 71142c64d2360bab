// The box of the query: words as they are typed, images that are dropped, pasted or chosen, and mixtures of them.

import { imageAddress } from "./api.js";
import { element, icon, iconButton, toast } from "./dom.js";

const SIDE = 384; // pixels of the shorter side of an image that is sent; models look at 224 to 384
const WAIT = 160; // milliseconds after a letter

const id = (name) => document.getElementById(name);

// Return an image file as base64 of a small JPEG, as the address and the requests carry it.
export async function smallImage(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new Error(`${file.name || "the file"} is no image that this browser can read`);
  }
  const scale = Math.min(1, SIDE / Math.min(bitmap.width, bitmap.height));
  const canvas = element("canvas", { width: Math.max(1, Math.round(bitmap.width * scale)), height: Math.max(1, Math.round(bitmap.height * scale)) });
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas.toDataURL("image/jpeg", 0.9).split(",")[1];
}

export class Box {
  #timer = 0;

  constructor(store) {
    this.store = store;
    this.input = id("query");
    id("add").append(icon("plus"));
    id("upload").append(icon("image"));
    this.input.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#typed(), WAIT);
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.shiftKey) {
        event.preventDefault();
        this.addWords();
      }
      if (event.key === "ArrowDown" && !event.altKey) {
        event.preventDefault();
        document.querySelector("#grid .hit[tabindex='0']")?.focus();
      }
    });
    id("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(this.#timer);
      this.#typed();
    });
    id("add").addEventListener("click", () => this.addWords());
    id("upload").addEventListener("click", () => id("files").click());
    id("files").addEventListener("change", (event) => {
      this.addFiles([...event.target.files]);
      event.target.value = "";
    });
    this.#listenForDrops();
    document.addEventListener("paste", (event) => {
      const files = imagesOf(event.clipboardData);
      if (!files.length) return;
      event.preventDefault();
      this.addFiles(files);
    });
  }

  #typed() {
    if (this.input.value !== this.store.state.words) this.store.set({ words: this.input.value, open: "" }, "typing");
  }

  // The typed words become a part of a mixture, and the box is free for others.
  addWords() {
    const text = this.input.value.trim();
    clearTimeout(this.#timer);
    this.input.focus();
    if (!text) {
      this.input.placeholder = "Type words, then add others to them";
      return;
    }
    const { parts, weight } = this.store.state;
    this.input.value = "";
    this.store.set({ words: "", weight: 1, parts: [...parts, { kind: "text", text, weight }], like: [] });
  }

  async addFiles(files) {
    try {
      const images = await Promise.all(files.map(smallImage));
      const { parts } = this.store.state;
      this.store.set({ parts: [...parts, ...images.map((image) => ({ kind: "image", image, weight: 1 }))], like: [], open: "", sort: "" });
    } catch (error) {
      toast(error.message);
    }
  }

  #listenForDrops() {
    const drop = id("drop");
    let inside = 0;
    const brings = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    const hide = () => {
      inside = 0;
      drop.hidden = true;
    };
    addEventListener("dragenter", (event) => {
      if (!brings(event)) return;
      inside += 1;
      drop.hidden = false;
    });
    addEventListener("dragleave", () => {
      inside -= 1;
      if (inside <= 0) hide();
    });
    addEventListener("dragover", (event) => brings(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      if (!brings(event)) return;
      event.preventDefault();
      hide();
      const files = imagesOf(event.dataTransfer);
      if (files.length) this.addFiles(files);
      else toast("That is no image");
    });
  }

  // Show the state: words, and the parts of a mixture with their weights.
  show() {
    const { state } = this.store;
    if (this.input.value !== state.words && !(document.activeElement === this.input && this.input.value.trim() === state.words.trim())) {
      this.input.value = state.words;
    }
    const mixture = id("mixture");
    const parts = [...state.parts];
    const mixed = parts.length + (state.words.trim() ? 1 : 0) > 1;
    mixture.hidden = !parts.length;
    mixture.classList.toggle("mixed", mixed);
    const made = parts.map((part, number) => this.#part(part, { mixed, name: nameOf(part), number }));
    if (mixed && state.words.trim()) made.push(this.#part({ kind: "text", text: state.words, weight: state.weight }, { mixed, name: state.words.trim(), number: -1 }));
    if (!same(mixture, made)) mixture.replaceChildren(...made);
  }

  #part(part, { mixed, name, number }) {
    const { store } = this;
    const change = (weight, how) => {
      if (number < 0) return store.set({ weight }, how);
      return store.set({ parts: store.state.parts.map((one, other) => (other === number ? { ...one, weight } : one)) }, how);
    };
    const remove = () => (number < 0 ? store.set({ words: "", weight: 1 }) : store.set({ parts: store.state.parts.filter((_, other) => other !== number) }));
    const shown = element("div", { class: "part" }, part.kind === "text" ? element("span", { class: "text" }, name) : thumbOf(part, store.library, name));
    shown.dataset.part = JSON.stringify([number, part, mixed]);
    if (mixed) {
      const output = element("output", {}, weightOf(part.weight));
      const slider = element("input", {
        type: "range",
        min: "0",
        max: "3",
        step: "0.1",
        value: String(part.weight),
        "aria-label": `Weight of ${name}`,
        oninput: (event) => {
          output.textContent = weightOf(Number(event.target.value));
          clearTimeout(this.#timer);
          this.#timer = setTimeout(() => change(Number(event.target.value), "typing"), WAIT);
        },
      });
      shown.append(slider, output);
    }
    shown.append(iconButton("close", `Remove ${name}`, remove));
    return shown;
  }
}

const weightOf = (weight) => `×${Number(weight).toFixed(1).replace(/\.0$/, "")}`;
const nameOf = (part) => (part.kind === "text" ? part.text : part.kind === "image" ? "your image" : part.key.split("/").pop());

export function thumbOf(part, library, name) {
  const address = part.kind === "image" ? `data:image/jpeg;base64,${part.image}` : imageAddress(library, part.key, "thumbnails", 128);
  return element("img", { src: address, alt: name, class: "thumb" });
}

// Whether the parts on the page are those wanted; then they stay, so that a slider that is held is not replaced.
function same(shown, made) {
  const parts = [...shown.children].map((one) => one.dataset.part.replace(/"weight":[\d.]+/, ""));
  const wanted = made.map((one) => one.dataset.part.replace(/"weight":[\d.]+/, ""));
  return shown.contains(document.activeElement) && parts.join() === wanted.join();
}

function imagesOf(transfer) {
  return [...(transfer?.files ?? [])].filter((file) => file.type.startsWith("image/") || /\.(jpe?g|png|webp|gif|bmp|avif|heic)$/i.test(file.name));
}
