// Figure 3: the map of one picture under a true and under a misleading sentence, and whether it follows the sentence.

import { ask } from "/page/api.js";
import { byId, make, quoted, show } from "/page/bench-dom.js";
import { fixed, percent } from "/page/bench-math.js";
import { SCENES } from "/page/bench-pictures.js";
import { state } from "/page/bench-state.js";

const METHODS = ["occlusion", "rise", "grad-cam", "legrad", "grad-eclip", "chefer", "gem", "surgery", "rollout"];

let picture = null;
let waiting = new AbortController();
let isTyped = false;

export function startMaps(onPicture) {
  for (const name of METHODS) byId("method").append(make("option", { value: name, textContent: name }));
  for (const id of ["true-text", "false-text"]) byId(id).addEventListener("input", () => (isTyped = true));
  byId("ask-maps").addEventListener("submit", (event) => {
    event.preventDefault();
    look();
  });
  onPicture((one) => {
    picture = one;
    waiting.abort();
    blank();
    if (isTyped) return;
    const scene = SCENES.findIndex(({ text }) => text === one.name);
    byId("true-text").value = scene < 0 ? "" : SCENES[scene].text;
    byId("false-text").value = SCENES[scene < 0 ? 0 : (scene + 1) % SCENES.length].text;
  });
}

function blank() {
  show(byId("maps-problem"), "");
  show(byId("verdict"), "");
  show(byId("maps-state"), "");
  byId("pair-of-maps").replaceChildren();
}

async function look() {
  blank();
  const texts = [byId("true-text").value.trim(), byId("false-text").value.trim()];
  if (!picture || texts.includes("") || texts[0] === texts[1]) {
    show(byId("maps-problem"), picture ? "Write two different sentences." : "Choose a picture in figure 1.");
    return;
  }
  waiting.abort();
  waiting = new AbortController();
  const { signal } = waiting;
  byId("look").disabled = true;
  show(byId("maps-state"), "The model looks at the picture with parts of it hidden, or through its layers: some seconds.");
  try {
    const body = { ...picture.asked, texts, method: byId("method").value, words: true, model: state.model };
    const answer = await ask("/api/explain", body, { signal });
    if (signal.aborted) return;
    show(byId("maps-state"), [answer.answer, `Method: ${answer.method}.`].filter(Boolean).join(" "));
    draw(answer);
  } catch (error) {
    if (error.name === "AbortError") return;
    show(byId("maps-state"), "");
    show(byId("maps-problem"), `${error.message[0].toUpperCase()}${error.message.slice(1)}.`);
  } finally {
    byId("look").disabled = false;
  }
}

function draw(answer) {
  const { swap } = answer;
  const verdict = byId("verdict");
  verdict.className = `verdict ${swap ? (swap.passes ? "good" : "bad") : "even"}`;
  show(verdict, swapText(swap));
  const parts = answer.texts.map((one, i) => mapFigure(one, ["True", "Misleading"][i]));
  if (answer.shift) parts.push(shiftFigure(answer));
  byId("pair-of-maps").classList.toggle("three", Boolean(answer.shift));
  byId("pair-of-maps").replaceChildren(...parts);
}

function swapText(swap) {
  if (swap === null || swap === undefined) return "– One of the maps is even: nothing in the picture stands out for that sentence, and nothing is claimed.";
  const figure = `rank correlation ${fixed(swap.correlation, 2)}`;
  return swap.passes
    ? `✓ The two maps differ (${figure}): what lights up depends on the sentence. That alone does not make them right, but they do ask for the text.`
    : `✗ The two maps are nearly the same (${figure}): they show what is striking in the picture whatever is asked, and explain nothing of the sentence.`;
}

function mapFigure(one, kind) {
  const itself = one.probability === null || one.probability === undefined ? "" : `, ${percent(one.probability)} of the two`;
  const image = make("img", { src: one.map.overlay, alt: `${kind} sentence ${quoted(one.text)}: the picture under its map, warm where the sentence is seen` });
  return make("figure", {}, image, make("figcaption", {}, make("span", { className: "kind", textContent: kind }), ` ${quoted(one.text)}`, make("span", { className: "quiet small block", textContent: `cosine ${fixed(one.cosine)}${itself}` }), ...words(one.words ?? [])));
}

function shiftFigure(answer) {
  const image = make("img", { src: answer.shift, alt: "The difference of the two maps over the picture" });
  return make("figure", {}, image, make("figcaption", {}, make("span", { className: "kind", textContent: "Difference" }), make("span", { className: "quiet small block", textContent: "blue where the true sentence is stronger, orange where the misleading one is" })));
}

function words(list) {
  if (!list.length) return [];
  const most = Math.max(...list.map(({ relevance }) => Math.abs(relevance)), 1e-12);
  const marked = list.map(({ word, relevance }) => {
    const made = make("span", { className: relevance < 0 ? "word against" : "word", textContent: word, title: fixed(relevance, 4) });
    made.style.setProperty("--level", String(Math.abs(relevance) / most));
    return made;
  });
  return [make("p", { className: "words" }, make("span", { className: "quiet small", textContent: "words that speak for the picture: " }), ...marked.flatMap((one) => [one, " "]))];
}
