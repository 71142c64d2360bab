// What the figures share: the model, the temperature, and cosines that were asked for once.

import { ask } from "/page/api.js";
import { T_LEAST, T_MOST, temperatureText } from "/page/bench-math.js";
import { byId, make } from "/page/bench-dom.js";

const heard = new Set();
export const state = { model: "", name: "", scale: null, bias: null, learnedWith: "softmax", temperature: null };
export const onChange = (work) => heard.add(work);
const changed = () => heard.forEach((work) => work());

export const ownTemperature = () => (state.scale === null ? null : 1 / state.scale);

export function setTemperature(value) {
  state.temperature = Math.min(T_MOST, Math.max(T_LEAST, value));
  changed();
}

export function setModel(name) {
  Object.assign(state, { model: name, scale: null, temperature: null });
  known.clear();
}

function learnt(answer) {
  if (state.scale !== null && state.name === answer.model) return;
  Object.assign(state, { name: answer.model, scale: answer.scale, bias: answer.bias, learnedWith: answer.learned_with });
  if (state.temperature === null) state.temperature = 1 / answer.scale;
  changed();
}

const known = new Map(); // picture, prompt, text -> {cosine, match, inLibrary, prompts}
const cellKey = (picture, prompt, text) => `${picture.id}\n${prompt}\n${text}`;

// Return a cell for each picture and text: asked of the server where it is not known yet.
export async function cells(pictures, texts, prompt = "", { signal } = {}) {
  const model = state.model;
  const missing = [...new Set(texts)].filter((text) => pictures.some((one) => !known.has(cellKey(one, prompt, text))));
  if (missing.length) {
    const keyed = pictures.filter((one) => one.key !== undefined && model === "");
    const sent = pictures.filter((one) => !keyed.includes(one));
    for (const library of new Set(keyed.map((one) => one.library))) {
      const inside = keyed.filter((one) => one.library === library);
      const body = { texts: missing, prompt, library, keys: inside.map((one) => one.key) };
      keep(await ask("/api/bench/matrix", body, { signal }), inside, missing, prompt);
    }
    if (sent.length) {
      const embeddings = await Promise.all(sent.map((one) => one.embedding(model)));
      keep(await ask("/api/bench/matrix", { texts: missing, prompt, embeddings, model }, { signal }), sent, missing, prompt);
    }
  }
  return pictures.map((picture) => texts.map((text) => known.get(cellKey(picture, prompt, text))));
}

function keep(answer, pictures, texts, prompt) {
  if (known.size > 20000) known.clear();
  pictures.forEach((picture, i) =>
    texts.forEach((text, j) =>
      known.set(cellKey(picture, prompt, text), {
        cosine: answer.cosines[i][j],
        match: answer.learned_with === "sigmoid" ? answer.matches[i][j] : null,
        inLibrary: answer.in_library?.[i][j] ?? null,
        prompts: answer.prompts[j],
      }),
    ),
  );
  learnt(answer);
}

// The slider of the temperature, as often as the page has it; all move together.
export function temperatureSlider(box, number) {
  const id = `tau-${number}`;
  const slider = make("input", { type: "range", id, min: "-3", max: "0", step: "0.01" });
  const output = make("output", { for: id, className: "tau" });
  const mark = make("span", { className: "mark", "aria-hidden": "true" });
  const own = make("button", { type: "button", textContent: "The model's own" });
  own.addEventListener("click", () => setTemperature(ownTemperature() ?? T_MOST));
  slider.addEventListener("input", () => {
    const value = 10 ** Number(slider.value);
    const exact = ownTemperature();
    setTemperature(exact && Math.abs(Math.log10(exact) - Number(slider.value)) < 0.0075 ? exact : value);
  });
  box.append(
    make("label", { for: id, className: "over" }, "Temperature τ"),
    make("div", { className: "track" }, slider, mark),
    make("span", { className: "ends small quiet", "aria-hidden": "true" }, make("span", {}, "sharp: the winner takes all"), make("span", {}, "flat: all the same")),
    make("p", { className: "choices" }, output, own),
  );
  const follow = () => {
    if (state.temperature === null) return;
    const exact = ownTemperature();
    const isOwn = Math.abs(state.temperature - exact) < 1e-9;
    slider.value = String(Math.log10(state.temperature));
    const text = `τ = ${temperatureText(state.temperature)}, scale 1/τ = ${(1 / state.temperature).toFixed(1)}`;
    output.textContent = isOwn ? `${text}: what the model learned` : text;
    slider.setAttribute("aria-valuetext", output.textContent);
    own.disabled = isOwn;
    const place = (Math.log10(exact) + 3) / 3;
    mark.hidden = place < 0 || place > 1;
    mark.style.setProperty("--place", String(place));
    mark.dataset.value = `own ${temperatureText(exact)}`;
  };
  onChange(follow);
  follow();
}

// The models that the server has, to choose from where there are several.
export async function modelChoice(chosen) {
  let status;
  try {
    status = await ask("/api/status");
  } catch {
    return null; // the default model it is
  }
  const models = status.models ?? [];
  if (models.length > 1) {
    const select = byId("model");
    models.forEach((one, number) => select.append(make("option", { value: number ? one.name : "", textContent: one.name })));
    select.addEventListener("change", () => chosen(select.value));
    byId("model-choice").hidden = false;
  }
  return status;
}
