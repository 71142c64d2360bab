// The numbers of the bench: softmax and losses from the cosines that the server gave, and how numbers are written.

export const T_LEAST = 1e-3;
export const T_MOST = 1;

const logSumExp = (values) => {
  const most = Math.max(...values);
  return most + Math.log(values.reduce((sum, value) => sum + Math.exp(value - most), 0));
};

export function logSoftmax(values) {
  const total = logSumExp(values);
  return values.map((value) => value - total);
}

// Probabilities of cosines at a temperature; for a sigmoid model its independent ones, divided by their sum.
export function shares(cosines, temperature, bias = null) {
  const logits = cosines.map((cosine) => cosine / temperature);
  const used = bias === null ? logits : logits.map((logit) => -softplus(-(logit + bias)));
  return logSoftmax(used).map(Math.exp);
}

export const transposed = (matrix) => matrix[0].map((_, column) => matrix.map((row) => row[column]));

const softplus = (value) => Math.max(value, 0) + Math.log1p(Math.exp(-Math.abs(value)));
export const sigmoid = (value) => Math.exp(-softplus(-value));
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// All of a worked batch, image i and text i being a pair: logits, both softmaxes, and the losses with their summands.
export function batch(cosines, temperature, bias) {
  const logits = cosines.map((row) => row.map((cosine) => cosine / temperature));
  const byRows = logits.map(logSoftmax);
  const byColumns = transposed(transposed(logits).map(logSoftmax));
  const ofImages = byRows.map((row, i) => -row[i]);
  const ofTexts = byColumns.map((row, i) => -row[i]);
  const [image, text] = [mean(ofImages), mean(ofTexts)];
  return {
    logits,
    rows: byRows.map((row) => row.map(Math.exp)),
    columns: byColumns.map((row) => row.map(Math.exp)),
    ofImages,
    ofTexts,
    loss: { image, text, mean: (image + text) / 2, chance: Math.log(cosines.length), ...sigmoidLoss(logits, bias) },
  };
}

// The sigmoid loss of logits (N, N), in its two parts: what pairs cost, and what all others do.
export function sigmoidLoss(logits, bias) {
  let [pairs, others] = [0, 0];
  logits.forEach((row, i) =>
    row.forEach((logit, j) => {
      if (i === j) pairs += softplus(-(logit + bias));
      else others += softplus(logit + bias);
    }),
  );
  const count = logits.length;
  return { pairs: pairs / count, others: others / count, sigmoid: (pairs + others) / count };
}

// What the sigmoid loss is when every cell gets the same answer, the best one: 1/N.
export const sigmoidChance = (count) => (count < 2 ? 0 : Math.log(count) + (count - 1) * Math.log(count / (count - 1)));

// The bias with the lowest sigmoid loss; it is convex in the bias.
export function bestBias(logits) {
  let [low, high] = [-200, 200];
  for (let step = 0; step < 100; step += 1) {
    const [left, right] = [low + (high - low) / 3, high - (high - low) / 3];
    if (sigmoidLoss(logits, left).sigmoid < sigmoidLoss(logits, right).sigmoid) high = right;
    else low = left;
  }
  return (low + high) / 2;
}

// Spearman's rank correlation of two maps, as `wordsight.explain.sanity` has it; above SWAP_LIMIT they count as the same.
export const SWAP_LIMIT = 0.8;

export function rankCorrelation(first, second) {
  const centred = [first, second].map((values) => {
    const ranks = meanRanks(values.flat());
    const middle = mean(ranks);
    return ranks.map((rank) => rank - middle);
  });
  const product = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const lengths = centred.map((one) => Math.sqrt(product(one, one)));
  if (lengths.includes(0)) return Number(lengths[0] === lengths[1]);
  return Math.min(1, Math.max(-1, product(...centred) / (lengths[0] * lengths[1])));
}

function meanRanks(values) {
  const order = values.map((value, i) => [value, i]).sort((a, b) => a[0] - b[0]);
  const ranks = new Array(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end < order.length && order[end][0] === order[start][0]) end += 1;
    for (let i = start; i < end; i += 1) ranks[order[i][1]] = (start + end - 1) / 2;
    start = end;
  }
  return ranks;
}

const minus = (text) => text.replace("-", "−");
export const fixed = (value, digits = 3) => minus((Object.is(value, -0) ? 0 : value).toFixed(digits)).replace(/^−(0\.?0*)$/, "$1");

export function percent(share) {
  const value = 100 * share;
  if (value > 0 && value < 0.05) return "<0.1 %";
  if (value < 100 && value >= 99.95) return ">99.9 %";
  return `${value.toFixed(1)} %`;
}

export const temperatureText = (temperature) =>
  temperature < 0.01 ? temperature.toFixed(4) : temperature < 0.1 ? temperature.toFixed(3) : temperature.toFixed(2);
