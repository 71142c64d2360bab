// Figure 1: one picture, and how its probabilities fall on labels as they are typed.

import { ask } from "/page/api.js";
import { byId, later, make, quoted, shortened, show } from "/page/bench-dom.js";
import { fixed, percent, shares } from "/page/bench-math.js";
import { filesOf, pictureOfFile, pictureOfLibrary } from "/page/bench-pictures.js";
import { cells, onChange, state, temperatureSlider } from "/page/bench-state.js";

const MOST_LABELS = 60;
const FIRST = ["a red apple", "a sailing boat", "a bus", "a sunflower", "a dog"]; // that the drawn scenes call for
const ANY = ["a person", "a dog", "a cat", "a car", "a house", "food", "a landscape"];
const [BAND_LOW, BAND_HIGH] = [-0.1, 0.5]; // of cosines, as far as their bars go

let picture = null;
let typed = []; // labels
let now = null; // {labels, plain, prompted} of the last answer
let waiting = new AbortController();
const chosen = new Set();

export const onPicture = (work) => chosen.add(work);

export async function startLabels(scenes, lists) {
  temperatureSlider(byId("temperature-labels"), 1);
  for (const [number, scene] of scenes.entries()) {
    const button = make("button", { type: "button", className: "scene", "aria-label": `Take the picture of ${scene.name}` }, make("img", { src: scene.address, alt: "" }));
    button.addEventListener("click", () => take(scene));
    byId("scenes").append(button);
    chosen.add((one) => button.setAttribute("aria-pressed", String(one === scenes[number])));
  }
  prompts(lists);
  receive();
  const typing = later(150, update);
  byId("typed").addEventListener("input", typing);
  byId("own-prompt").addEventListener("input", later(250, update));
  byId("prompt").addEventListener("change", update);
  onChange(draw);
  const given = new URLSearchParams(location.search);
  const key = given.get("key");
  byId("typed").value = (key ? ANY : FIRST).join("\n");
  await take(key ? pictureOfLibrary(given.get("library") ?? "", key) : scenes[0]);
}

export const refresh = () => update();

function prompts(lists) {
  const select = byId("prompt");
  const first = ["photo", "clip-7", "clip", "product"];
  const rank = (name) => (first.includes(name) ? first.indexOf(name) : first.length);
  const shown = lists.filter((one) => one.name !== "none").sort((a, b) => rank(a.name) - rank(b.name) || a.name.localeCompare(b.name));
  select.append(make("option", { value: "{}", textContent: "your own…" }));
  for (const { name, templates } of shown) {
    const count = templates.length === 1 ? shortened(templates[0], 30) : `${templates.length} prompts`;
    select.append(make("option", { value: name, textContent: `${name} (${count})` }));
  }
}

const prompt = () => (byId("prompt").value === "{}" ? byId("own-prompt").value.trim() : byId("prompt").value);

// Pictures that are dropped anywhere on the figure, pasted anywhere on the page, or chosen.
function receive() {
  const figure = byId("labels");
  const [drop, file] = [byId("drop"), byId("file")];
  file.addEventListener("change", () => {
    if (file.files.length) takeFile(file.files[0]);
    file.value = "";
  });
  for (const name of ["dragenter", "dragover"])
    figure.addEventListener(name, (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      drop.classList.add("over-it");
    });
  figure.addEventListener("dragleave", (event) => {
    if (!figure.contains(event.relatedTarget)) drop.classList.remove("over-it");
  });
  figure.addEventListener("drop", (event) => {
    drop.classList.remove("over-it");
    const [first] = filesOf(event.dataTransfer);
    if (!first) return;
    event.preventDefault();
    takeFile(first);
  });
  document.addEventListener("paste", (event) => {
    const [first] = filesOf(event.clipboardData);
    if (first) takeFile(first);
  });
}

async function takeFile(file) {
  try {
    await take(await pictureOfFile(file));
  } catch (error) {
    problem(error.message);
  }
}

async function take(one) {
  picture = one;
  now = null;
  const shown = byId("shown");
  shown.src = one.address;
  shown.alt = one.name;
  shown.hidden = false;
  byId("drop-text").hidden = true;
  shown.onerror = () => {
    shown.hidden = true;
    show(byId("drop-text"), `${one.name}: this browser cannot show it; the model may read it all the same`);
  };
  chosen.forEach((work) => work(one));
  await update();
}

function problem(text) {
  show(byId("labels-problem"), text);
}

async function update() {
  typed = [...new Set(byId("typed").value.split("\n").map((line) => line.trim()).filter(Boolean))];
  byId("own-prompt-field").hidden = byId("prompt").value !== "{}";
  if (!picture) return;
  waiting.abort();
  waiting = new AbortController();
  const [asked, mine, around] = [typed.slice(0, MOST_LABELS), picture, prompt()];
  problem(typed.length > MOST_LABELS ? `The first ${MOST_LABELS} labels are shown.` : "");
  if (around.includes("{") ? !/\{(c|classname)?\}/.test(around) : byId("prompt").value === "{}") {
    problem("Write {} where the label goes.");
    return;
  }
  if (!asked.length) {
    now = { labels: [], plain: [], prompted: null };
    draw();
    return;
  }
  try {
    const { signal } = waiting;
    const [plain] = await cells([mine], asked, "", { signal });
    const prompted = around ? (await cells([mine], asked, around, { signal }))[0] : null;
    if (signal.aborted) return;
    now = { labels: asked, plain, prompted };
    draw();
    say();
  } catch (error) {
    if (error.name !== "AbortError") problem(`${error.message[0].toUpperCase()}${error.message.slice(1)}.`);
  }
}

const say = later(800, () => {
  const rows = computed();
  if (!rows?.length) return;
  const best = rows.reduce((a, b) => (b.share > a.share ? b : a));
  byId("heard").textContent = `Most probable of ${rows.length}: ${best.label}, ${percent(best.share)}`;
});

function computed() {
  if (!now || state.temperature === null) return null;
  const used = now.prompted ?? now.plain;
  const cosines = used.map((one) => one.cosine);
  const probable = cosines.length ? shares(cosines, state.temperature, state.bias) : [];
  const before = now.prompted ? shares(now.plain.map((one) => one.cosine), state.temperature, state.bias) : null;
  return now.labels.map((label, i) => ({
    label,
    cosine: cosines[i],
    share: probable[i],
    before: before?.[i] ?? null,
    cosineBefore: before ? now.plain[i].cosine : null,
    match: used[i].match,
    inLibrary: now.plain[i].inLibrary,
    prompts: used[i].prompts,
  }));
}

function draw() {
  const rows = computed();
  if (!rows) return;
  const absolute = rows.some((one) => one.match !== null || one.inLibrary !== null);
  const box = byId("bars");
  box.classList.toggle("has-absolute", absolute);
  box.hidden = !rows.length;
  const titles = ["Label", "Probability among these", "Cosine", ...(absolute ? ["For itself"] : [])];
  const head = make("div", { role: "row", className: "bar-row head" }, ...titles.map((text) => make("span", { role: "columnheader", textContent: text })));
  const most = Math.max(...rows.map((one) => one.share));
  box.replaceChildren(head, ...rows.map((one) => barRow(one, { absolute, isBest: one.share === most })));
  promptSaid(rows);
  explained(rows);
  byId("absolute").textContent = absoluteText(rows);
}

function barRow(one, { absolute, isBest }) {
  const bar = make("span", { className: "bar", "aria-hidden": "true" });
  bar.style.setProperty("--share", String(one.share));
  if (one.before !== null) {
    const ghost = make("span", { className: "ghost" });
    ghost.style.setProperty("--share", String(one.before));
    bar.append(ghost);
  }
  const dot = make("span", { className: "dot", "aria-hidden": "true" });
  const place = (value) => String(Math.min(1, Math.max(0, (value - BAND_LOW) / (BAND_HIGH - BAND_LOW))));
  dot.style.setProperty("--zero", place(0));
  dot.style.setProperty("--value", place(one.cosine));
  const change = one.before === null ? null : one.share - one.before;
  const moved = change === null ? [] : [make("span", { className: "change quiet", textContent: `${change < 0 ? "−" : "+"}${(100 * Math.abs(change)).toFixed(1)}` })];
  const drift = one.cosineBefore === null ? [] : [make("span", { className: "change quiet", textContent: `${fixed(one.cosine - one.cosineBefore).replace(/^(?!−)/, "+")}` })];
  const itself = one.match ?? one.inLibrary;
  return make(
    "div",
    { role: "row", className: isBest ? "bar-row best" : "bar-row" },
    make("span", { role: "rowheader", className: "label", textContent: one.label }),
    make("span", { role: "cell", className: "shared" }, bar, make("span", { className: "value" }, percent(one.share), ...moved)),
    make("span", { role: "cell", className: "cosine" }, dot, make("span", { className: "value" }, fixed(one.cosine), ...drift)),
    ...(absolute ? [make("span", { role: "cell", className: "value", textContent: itself === null ? "cannot tell" : percent(itself) })] : []),
  );
}

function promptSaid(rows) {
  if (!now.prompted || !rows.length) {
    show(byId("prompt-said"), "");
    return;
  }
  const [{ prompts }] = rows;
  const more = prompts.length > 1 ? ` and ${prompts.length - 1} more, of which the mean is taken` : "";
  show(byId("prompt-said"), `The model reads ${quoted(prompts[0])}${more}. Marks and small numbers: the change against the labels as typed.`);
}

function absoluteText(rows) {
  if (!rows.length) return "Type a label.";
  const known = rows.filter((one) => (one.match ?? one.inLibrary) !== null);
  const source = rows.some((one) => one.match !== null) ? "The model answers for every label by itself" : "By the calibration of its library";
  if (!known.length)
    return "None of these? These probabilities cannot say so: they always add up to 100 %, even if no label fits. A model that learned with the sigmoid loss, or a picture of a library that has its calibration, gives each label a probability for itself.";
  const best = known.reduce((a, b) => ((b.match ?? b.inLibrary) > (a.match ?? a.inLibrary) ? b : a));
  const likely = best.match ?? best.inLibrary;
  const verdict = likely < 0.5 ? `probably none of these: the likeliest, ${quoted(best.label)}, has ${percent(likely)}` : `${quoted(best.label)} is there with ${percent(likely)}`;
  return `${source}: ${verdict}.`;
}

// The sentences under the figure, with the numbers that are shown now.
function explained(rows) {
  const ranked = [...rows].sort((a, b) => b.share - a.share);
  if (ranked.length < 2) {
    byId("worked").textContent = "";
    byId("lead-says").textContent = "";
    return;
  }
  const [first, second] = ranked;
  const scale = 1 / state.temperature;
  const logit = (one) => fixed(one.cosine * scale, 2);
  byId("worked").textContent =
    state.bias === null
      ? `Here: ${quoted(first.label)} has the cosine ${fixed(first.cosine)}, over τ that is ${logit(first)}; ${quoted(second.label)} ${fixed(second.cosine)}, that is ${logit(second)}. e to the power of the one over the sum of all is ${percent(first.share)}.`
      : "This model learned with the sigmoid loss: each label's own probability is divided by the sum of all.";
  const lead = first.cosine - second.cosine;
  byId("lead-says").textContent = `Here ${quoted(first.label)} leads ${quoted(second.label)} by ${fixed(lead)}. At the scale of ${scale.toFixed(1)} that is a factor of e^${fixed(lead * scale, 2)} = ${factor(Math.exp(lead * scale))} in favour of the first.`;
}

const factor = (value) => (value < 10 ? value.toFixed(2) : value < 1e6 ? Math.round(value).toLocaleString("en") : value.toExponential(1));

// The shipped lists; without them labels are used as typed, or with a prompt of one's own.
export async function templateLists() {
  try {
    return (await ask("/api/templates")).lists;
  } catch {
    return [];
  }
}
