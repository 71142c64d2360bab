// Pictures of the bench: of this page, of the reader, of a library; each embedded once.

import { ask, imageAddress } from "/page/api.js";

export const SCENES = [
  { name: "apple", text: "a red apple on a table" },
  { name: "boat", text: "a sailing boat on the sea" },
  { name: "bus", text: "a bus on a street" },
  { name: "sunflower", text: "a yellow sunflower" },
];
const SIDE = 384; // of the drawn scenes, in pixels
let made = 0;

class Picture {
  constructor({ name, address, data = null, library, key }) {
    Object.assign(this, { id: (made += 1), name, address, data, library, key, made: new Map() });
  }

  // What names the picture in a request: its file, or its key in a library.
  get asked() {
    return this.key === undefined ? { image: this.data } : { library: this.library, key: this.key };
  }

  // The embedding in base64, asked for once a model.
  embedding(model) {
    if (!this.made.has(model)) {
      const answer = this.file().then((image) => ask("/api/embed", { images: [image], encoding: "base64", model }));
      const first = answer.then((one) => one.images[0]);
      first.catch(() => this.made.delete(model));
      this.made.set(model, first);
    }
    return this.made.get(model);
  }

  async file() {
    if (this.data === null) {
      const response = await fetch(imageAddress(this.library, this.key, "originals"));
      if (!response.ok) throw new Error(`${this.key} cannot be read: the server answered ${response.status}`);
      this.data = await dataOf(await response.blob());
    }
    return this.data;
  }
}

function dataOf(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(new Error("the file cannot be read")));
    reader.readAsDataURL(blob);
  });
}

export async function pictureOfFile(file) {
  const data = await dataOf(file);
  return new Picture({ name: file.name || "a pasted picture", address: data, data });
}

export const pictureOfLibrary = (library, key) => new Picture({ name: key, address: imageAddress(library, key, "thumbnails", 512), library, key });

// The pictures that the page brings, drawn into pixels here, since models read no drawings.
export function scenes() {
  return Promise.all(
    SCENES.map(async ({ name, text }) => {
      const image = new Image(SIDE, SIDE);
      image.src = `/page/bench-${name}.svg`;
      await image.decode();
      const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
      canvas.getContext("2d").drawImage(image, 0, 0, SIDE, SIDE);
      return new Picture({ name: text, address: image.src, data: canvas.toDataURL("image/png") });
    }),
  );
}

export const filesOf = (transfer) => [...(transfer?.files ?? [])].filter((file) => file.type.startsWith("image/") || file.type === "");
