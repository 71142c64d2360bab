// The bench: three figures over one model.

import { byId, show } from "/page/bench-dom.js";
import { startBatch, refreshBatch } from "/page/bench-batch.js";
import { onPicture, refresh, startLabels, templateLists } from "/page/bench-labels.js";
import { startMaps } from "/page/bench-maps.js";
import { scenes } from "/page/bench-pictures.js";
import { modelChoice, onChange, setModel, state } from "/page/bench-state.js";

const NAMES = { softmax: "softmax loss", sigmoid: "sigmoid loss" };

onChange(() => {
  if (state.scale === null) return;
  const bias = state.bias === null ? "" : ` and the bias ${state.bias.toFixed(1)}`;
  show(byId("model-line"), `The model here is ${state.name}. It learned with the ${NAMES[state.learnedWith] ?? state.learnedWith}, and with it the scale ${state.scale.toFixed(1)}${bias}.`);
});

modelChoice((name) => {
  setModel(name);
  refresh();
  refreshBatch();
});
document.addEventListener("key-given", () => {
  refresh();
  refreshBatch();
});
const [drawings, lists] = await Promise.all([scenes(), templateLists()]);
startMaps(onPicture);
await startLabels(drawings, lists);
await startBatch(drawings);
