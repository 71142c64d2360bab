// Figure 2: several pictures against several sentences, the losses of that batch, and pairs that can be moved.

import { byId, drawn, later, make, shortened, show } from "/page/bench-dom.js";
import { T_LEAST, T_MOST, batch, bestBias, fixed, percent, sigmoidChance, temperatureText } from "/page/bench-math.js";
import { pictureOfFile } from "/page/bench-pictures.js";
import { cells, onChange, ownTemperature, state, temperatureSlider } from "/page/bench-state.js";

const [LEAST, MOST] = [2, 8]; // pairs
const CURVE = { left: 44, right: 408, top: 14, bottom: 196, points: 91 };
const SAID = {
  cosines: "Each cell is the cosine of a picture (row) and a sentence (column). The framed diagonal are the pairs.",
  logits: "Cosines divided by the temperature, so that differences weigh what the model gives them.",
  rows: "Softmax along each row: which sentence a picture picks. Every row adds up to 100 %.",
  columns: "Softmax down each column: which picture a sentence picks. Every column adds up to 100 %.",
};

let start = [];
let pairs = []; // {picture, text}: text i is that of picture i
let cosines = null; // (N, N)
let bias = null; // null until a batch is there
let waiting = new AbortController();

export async function startBatch(scenes) {
  start = scenes;
  temperatureSlider(byId("temperature-batch"), 2);
  byId("again").addEventListener("click", first);
  byId("more").addEventListener("change", add);
  document.querySelectorAll("input[name=view]").forEach((one) => one.addEventListener("change", draw));
  byId("bias").addEventListener("input", () => setBias(Number(byId("bias").value)));
  byId("bias-best").addEventListener("click", () => setBias(bestBias(measured().logits)));
  byId("bias-own").addEventListener("click", () => setBias(state.bias));
  onChange(draw);
  await first();
}

export const refreshBatch = () => {
  bias = null;
  return update();
};

function first() {
  pairs = start.map((picture) => ({ picture, text: picture.name }));
  bias = null;
  list();
  return update();
}

async function add() {
  const files = [...byId("more").files].slice(0, MOST - pairs.length);
  byId("more").value = "";
  try {
    for (const file of files) {
      const picture = await pictureOfFile(file);
      pairs.push({ picture, text: picture.name.replace(/\.\w+$/, "").replace(/[_-]+/g, " ") });
    }
  } catch (error) {
    show(byId("batch-problem"), error.message);
  }
  list();
  await update();
}

function setBias(value) {
  bias = value;
  draw();
}

const measured = () => batch(cosines, state.temperature, bias ?? 0);
const typing = later(200, () => update());

async function update() {
  waiting.abort();
  waiting = new AbortController();
  const { signal } = waiting;
  show(byId("batch-problem"), "");
  const texts = pairs.map((one) => one.text.trim() || "…");
  try {
    const found = await cells(pairs.map((one) => one.picture), texts, "", { signal });
    if (signal.aborted) return;
    cosines = found.map((row) => row.map((one) => one.cosine));
    if (bias === null) bias = state.bias ?? bestBias(batch(cosines, state.temperature, 0).logits);
    draw();
  } catch (error) {
    if (error.name !== "AbortError") show(byId("batch-problem"), `${error.message[0].toUpperCase()}${error.message.slice(1)}.`);
  }
}

// The pairs, whose sentences can be written, dragged, and moved by buttons.

function list(focus) {
  byId("pairs").replaceChildren(...pairs.map(pairRow));
  byId("more").disabled = pairs.length >= MOST;
  if (focus) byId("pairs").children[focus.row]?.querySelector(focus.what)?.focus();
}

function pairRow(pair, row) {
  const input = make("input", { value: pair.text, "aria-label": `Sentence ${row + 1}`, spellcheck: false, autocomplete: "off", maxLength: 300 });
  input.addEventListener("input", () => {
    pair.text = input.value;
    typing();
  });
  const grip = make("span", { className: "grip", draggable: true, title: "Drag to another picture", "aria-hidden": "true", textContent: "⠿ drag" });
  const item = make("li", { className: "pair" });
  grip.addEventListener("dragstart", (event) => {
    event.dataTransfer.setData("application/x-sentence", String(row));
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setDragImage(item.querySelector(".sentence"), 10, 10);
  });
  for (const name of ["dragenter", "dragover"])
    item.addEventListener(name, (event) => {
      if (!event.dataTransfer.types.includes("application/x-sentence")) return;
      event.preventDefault();
      item.classList.add("over-it");
    });
  item.addEventListener("dragleave", (event) => {
    if (!item.contains(event.relatedTarget)) item.classList.remove("over-it");
  });
  item.addEventListener("drop", (event) => {
    const from = event.dataTransfer.getData("application/x-sentence");
    if (from === "") return;
    event.preventDefault();
    item.classList.remove("over-it");
    swap(Number(from), row);
  });
  const button = (className, text, name, work, disabled) => {
    const made = make("button", { type: "button", className, textContent: text, "aria-label": name, disabled });
    made.addEventListener("click", work);
    return made;
  };
  item.append(
    make("span", { className: "tag", textContent: `x${sub(row)}`, "aria-hidden": "true" }),
    make("img", { src: pair.picture.address, alt: pair.picture.name, title: pair.picture.name, draggable: false }),
    make(
      "span",
      { className: "sentence" },
      make("span", { className: "tag", textContent: `t${sub(row)}`, "aria-hidden": "true" }),
      input,
      grip,
      button("small up", "↑", `Move sentence ${row + 1} to the picture above`, () => swap(row, row - 1, ".up"), row === 0),
      button("small down", "↓", `Move sentence ${row + 1} to the picture below`, () => swap(row, row + 1, ".down"), row === pairs.length - 1),
      button("small away", "×", `Remove pair ${row + 1}`, () => remove(row), pairs.length <= LEAST),
    ),
  );
  return item;
}

function swap(from, to, what) {
  if (from === to || !pairs[to]) return;
  [pairs[from].text, pairs[to].text] = [pairs[to].text, pairs[from].text];
  list(what && { row: to, what: to === 0 ? ".down" : to === pairs.length - 1 ? ".up" : what });
  const before = cosines && measured().loss.mean;
  update().then(() => {
    const after = measured().loss.mean;
    byId("moved").textContent = `Sentences ${from + 1} and ${to + 1} changed places: the loss went from ${fixed(before, 2)} to ${fixed(after, 2)}`;
  });
}

function remove(row) {
  pairs.splice(row, 1);
  list();
  cosines = null;
  update();
}

const sub = (number) => [...String(number + 1)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("");

// The grid, the steps, the curve.

function draw() {
  if (!cosines || cosines.length !== pairs.length || state.temperature === null) return;
  const all = measured();
  drawGrid(all);
  drawSteps(all);
  drawCurve(all);
  drawSigmoid(all);
}

function drawGrid(all) {
  const view = document.querySelector("input[name=view]:checked").value;
  const values = view === "cosines" ? cosines : all[view];
  const flat = values.flat();
  const isShare = view === "rows" || view === "columns";
  const [low, high] = isShare ? [0, 1] : [Math.min(0, ...flat), Math.max(...flat)];
  const write = isShare ? percent : (value) => fixed(value, view === "logits" ? 1 : 3);
  const head = make(
    "tr",
    {},
    make("td", { className: "corner" }),
    ...pairs.map((one, j) => make("th", { scope: "col", title: one.text }, make("span", { className: "tag", textContent: `t${sub(j)}` }), make("span", { className: "short", textContent: shortened(one.text, 24) }))),
    ...(view === "rows" ? [make("th", { scope: "col", className: "sum", textContent: "sum" })] : []),
  );
  const body = values.map((row, i) => {
    const best = Math.max(...row);
    const cellsOf = row.map((value, j) => {
      const cell = make("td", { textContent: write(value), className: i === j ? "pair-cell" : "" });
      cell.style.setProperty("--level", String(high > low ? Math.max(0, (value - low) / (high - low)) : 0));
      if (i === j) cell.append(make("span", { className: "unseen", textContent: " pair" }));
      const isPicked = view === "columns" ? value === Math.max(...values.map((one) => one[j])) : value === best;
      cell.classList.toggle("picked", isPicked);
      return cell;
    });
    const { picture } = pairs[i];
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, make("img", { src: picture.address, alt: shortened(picture.name, 40) }), make("span", { className: "tag", textContent: `x${sub(i)}` })),
      ...cellsOf,
      ...(view === "rows" ? [make("td", { className: "sum", textContent: "100 %" })] : []),
    );
  });
  const foot = view === "columns" ? [make("tr", {}, make("th", { scope: "row", className: "sum", textContent: "sum" }), ...pairs.map(() => make("td", { className: "sum", textContent: "100 %" })))] : [];
  byId("grid").replaceChildren(make("caption", { className: "unseen", textContent: SAID[view] }), make("thead", {}, head), make("tbody", {}, ...body, ...foot));
  byId("view-says").textContent = SAID[view];
}

function drawSteps(all) {
  const { loss } = all;
  const ways = [make("td"), ...["picture → sentence", "sentence → picture"].map((text) => make("th", { scope: "colgroup", colSpan: 2, textContent: text }))];
  const head = [make("td"), ...["p(tᵢ | xᵢ)", "−ln p", "p(xᵢ | tᵢ)", "−ln p"].map((text) => make("th", { scope: "col", textContent: text }))];
  const rows = pairs.map((one, i) => {
    const numbers = [percent(all.rows[i][i]), fixed(all.ofImages[i]), percent(all.columns[i][i]), fixed(all.ofTexts[i])];
    return make("tr", {}, make("th", { scope: "row", title: one.text, textContent: `pair ${i + 1}` }), ...numbers.map((text) => make("td", { textContent: text })));
  });
  const both = make("td", { colSpan: 4, className: "result" }, make("b", { id: "loss-mean", textContent: fixed(loss.mean) }), ` = ½ (${fixed(loss.image)} + ${fixed(loss.text)})`);
  const chance = make("td", { colSpan: 4, textContent: `ln ${pairs.length} = ${fixed(loss.chance)}${loss.mean > loss.chance ? ": this batch is worse than guessing" : ""}` });
  const foot = [
    make("tr", { className: "means" }, make("th", { scope: "row", textContent: "mean" }), make("td"), make("td", { id: "loss-image", textContent: fixed(loss.image) }), make("td"), make("td", { id: "loss-text", textContent: fixed(loss.text) })),
    make("tr", { className: "total" }, make("th", { scope: "row", textContent: "loss L" }), both),
    make("tr", {}, make("th", { scope: "row", textContent: "guessing" }), chance),
  ];
  byId("steps").replaceChildren(make("caption", { className: "unseen", textContent: "The softmax loss of the batch, step by step" }), make("thead", {}, make("tr", { className: "ways" }, ...ways), make("tr", {}, ...head)), make("tbody", {}, ...rows), make("tfoot", {}, ...foot));
}

function drawCurve(all) {
  const { left, right, top, bottom, points } = CURVE;
  const [low, high] = [Math.log10(T_LEAST), Math.log10(T_MOST)];
  const across = (temperature) => left + ((right - left) * (Math.log10(temperature) - low)) / (high - low);
  const along = Array.from({ length: points }, (_, i) => 10 ** (low + ((high - low) * i) / (points - 1)));
  const values = along.map((temperature) => batch(cosines, temperature, 0).loss.mean);
  const most = Math.min(Math.max(...values, all.loss.chance * 1.15), Math.max(3 * all.loss.chance, 1.1 * all.loss.mean));
  const down = (value) => bottom - ((bottom - top) * Math.min(value, most)) / most;
  const text = (x, y, content, anchor = "middle", className = "") => drawn("text", { x, y, "text-anchor": anchor, class: className }, content);
  const chance = down(all.loss.chance);
  const own = ownTemperature();
  const svg = [
    drawn("line", { x1: left, y1: bottom, x2: right, y2: bottom, class: "axis" }),
    drawn("line", { x1: left, y1: top, x2: left, y2: bottom, class: "axis" }),
    ...[0.001, 0.01, 0.1, 1].flatMap((value) => [drawn("line", { x1: across(value), y1: bottom, x2: across(value), y2: bottom + 5, class: "axis" }), text(across(value), bottom + 20, String(value))]),
    text((left + right) / 2, bottom + 38, "temperature τ"),
    text(left - 6, bottom + 4, "0", "end"),
    text(left - 6, top + 6, fixed(most, 1), "end"),
    drawn("line", { x1: left, y1: chance, x2: right, y2: chance, class: "chance" }),
    text(left + 6, chance - 5, `guessing: ln ${pairs.length} = ${fixed(all.loss.chance, 2)}`, "start"),
    drawn("line", { x1: across(own), y1: top, x2: across(own), y2: bottom, class: "own" }),
    text(across(own) - 5, (top + bottom) / 2, "the model's own", "end"),
    drawn("polyline", { class: "loss", points: along.flatMap((value, i) => (values[i] > most ? [] : [`${across(value).toFixed(1)},${down(values[i]).toFixed(1)}`])).join(" ") }),
    drawn("circle", { cx: across(state.temperature), cy: down(all.loss.mean), r: 6, class: "here" }),
  ];
  byId("curve").replaceChildren(...svg);
  const least = along[values.indexOf(Math.min(...values))];
  byId("curve-says").textContent = `The loss of this batch at every temperature: ${fixed(all.loss.mean)} at τ = ${temperatureText(state.temperature)} (the dot), lowest at τ = ${temperatureText(least)}. Where τ is large all answers are the same, and the loss is that of guessing; where it is small, a single wrong pick costs a lot.`;
}

function drawSigmoid(all) {
  const { loss } = all;
  const slider = byId("bias");
  slider.min = String(Math.min(-40, Math.floor(bias)));
  slider.max = String(Math.max(10, Math.ceil(bias)));
  slider.value = String(bias);
  byId("bias-is").textContent = `b = ${fixed(bias, 1)}`;
  slider.setAttribute("aria-valuetext", fixed(bias, 1));
  byId("bias-own").hidden = state.bias === null;
  const count = pairs.length;
  const chance = sigmoidChance(count);
  const model = state.bias === null ? "This model learned no bias: SigLIP begins with τ = 0.1 and b = −10, and learns both." : `This model learned b = ${fixed(state.bias, 1)}.`;
  byId("sigmoid-says").replaceChildren(
    "The pairs cost ",
    make("span", { textContent: fixed(loss.pairs) }),
    `, the other ${count * (count - 1)} cells ${fixed(loss.others)}: together `,
    make("b", { id: "loss-sigmoid", textContent: fixed(loss.sigmoid) }),
    `. The same answer for every cell, 1 in ${count}, would cost ${fixed(chance)}. ${model}`,
  );
}

