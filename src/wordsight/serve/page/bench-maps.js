// Figure 3: the map of one picture under a true and under a misleading sentence, and whether it follows the sentence.

import { ask } from "/page/api.js";
import { byId, make, quoted, show } from "/page/bench-dom.js";
import { SWAP_LIMIT, fixed, percent, rankCorrelation } from "/page/bench-math.js";
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
    byId("false-text").value = scene < 0 ? "" : SCENES[(scene + 1) % SCENES.length].text;
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
    const body = { ...picture.asked, texts, method: byId("method").value, words: true, trust: byId("trust").checked, model: state.model };
    const answer = await patiently(() => ask("/api/explain", body, { signal }));
    if (signal.aborted) return;
    show(byId("maps-state"), `Made by ${answer.method}.`);
    draw(answer);
  } catch (error) {
    if (error.name === "AbortError") return;
    show(byId("maps-state"), "");
    show(byId("maps-problem"), `${error.message[0].toUpperCase()}${error.message.slice(1)}.`);
  } finally {
    byId("look").disabled = false;
  }
}

// The first maps of a model take longer than others, since its towers are opened for them: one that comes too late is
// asked for again.
async function patiently(asked) {
  for (let left = 3; ; left -= 1) {
    try {
      return await asked();
    } catch (error) {
      if (error.status !== 504 || left === 0) throw error;
      show(byId("maps-state"), "The model is opened to look into it; that happens once. Still waiting…");
    }
  }
}

function draw(answer) {
  const [first, second] = answer.texts;
  const isEven = answer.texts.some((one) => one.map.values.flat().every((value) => value === one.map.values[0][0]));
  const correlation = isEven ? null : rankCorrelation(first.map.values, second.map.values);
  const verdict = byId("verdict");
  verdict.className = `verdict ${isEven ? "even" : correlation <= SWAP_LIMIT ? "good" : "bad"}`;
  show(verdict, swapText(correlation));
  byId("pair-of-maps").replaceChildren(...answer.texts.map((one, i) => mapFigure(one, ["True", "Misleading"][i])));
}

function swapText(correlation) {
  if (correlation === null) return "– One of the maps is even: nothing in the picture stands out for that sentence, and nothing is claimed.";
  const figure = `rank correlation ${fixed(correlation, 2)}; up to ${fixed(SWAP_LIMIT, 1)} counts as different`;
  return correlation <= SWAP_LIMIT
    ? `✓ The two maps differ (${figure}): what lights up depends on the sentence. That alone does not make them right, but they do ask for the text.`
    : `✗ The two maps are nearly the same (${figure}): they show what is striking in the picture whatever is asked, and explain nothing of the sentence.`;
}

function mapFigure(one, kind) {
  const likely = one.probability === null ? "" : state.learnedWith === "sigmoid" ? `, ${percent(one.probability)} for itself` : `, ${percent(one.probability)} of the two`;
  const image = make("img", { src: one.map.overlay, alt: `${kind} sentence ${quoted(one.text)}: the picture under its map, warm where the sentence is seen` });
  return make("figure", {}, image, make("figcaption", {}, make("span", { className: "kind", textContent: kind }), ` ${quoted(one.text)}`, make("span", { className: "quiet small block", textContent: `cosine ${fixed(one.cosine)}${likely}` }), ...words(one.words), ...checks(one.map)));
}

// What testing a map found, where that was asked for.
function checks({ checks: found, passes }) {
  if (passes === null || !found.length) return [];
  const title = make("p", { className: passes ? "stands" : "problem", textContent: passes ? "✓ The map stands its checks." : "✗ The map fails a check: do not read it." });
  return [title, make("ul", { className: "quiet small" }, ...found.map((text) => make("li", { textContent: text })))];
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
