/** What can be set: a network, its recipe, and how often it is trained. Settings are plain frozen values. */

import { candidateWord } from "./export.js";
import { count } from "./words.js";

export const ACTIVATION_NAMES = { linear: "linear", relu: "ReLU", tanh: "Tanh", sigmoid: "Sigmoid", elu: "ELU", gelu: "GELU", silu: "SiLU", leaky_relu: "Leaky ReLU" };
export const OPTIMIZER_NAMES = { sgd: "SGD", adamw: "AdamW" };
export const LEARNING_RATES = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1];
export const EPOCH_STEPS = [50, 100, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 5000];
export const MOST_LAYERS = 4;
export const MOST_UNITS = 64;
export const MOST_SEEDS = 200;
export const MOST_SPLITS = 100;

/** Seeds that are trained on each split, at most: enough to average over the start. */
const SEEDS_PER_SPLIT = 3;

const layers = (...units) => units.map((number) => ({ units: number, activation: "linear" }));

/** The recipe of the tutorial and its first network. */
export const TUTORIAL = Object.freeze({ hidden: layers(5), optimizer: "sgd", lr: 0.01, epochs: 1000, seeds: 100, splits: 50 });

/** How toy tables begin: with a network that can bend its line far enough for the spiral. */
export const TOY = Object.freeze({ ...TUTORIAL, hidden: [8, 8].map((units) => ({ units, activation: "relu" })), optimizer: "adamw", epochs: 500 });

/** The three networks of the tutorial. */
export const PRESETS = [
  { hidden: layers(5), says: "One hidden layer" },
  { hidden: layers(20, 20), says: "Deeper" },
  { hidden: [{ units: 5, activation: "relu" }], says: "With ReLU" },
];

/** Return the name of a network with what its recipe changes: "relu:5, AdamW". */
export function settingsName(settings) {
  const parts = [candidateWord(settings.hidden)];
  if (settings.optimizer !== TUTORIAL.optimizer) parts.push(OPTIMIZER_NAMES[settings.optimizer]);
  if (settings.lr !== TUTORIAL.lr) parts.push(`rate ${settings.lr}`);
  if (settings.epochs !== TUTORIAL.epochs) parts.push(`${count(settings.epochs)} epochs`);
  return parts.join(", ");
}

/** Return the names of two networks side by side, with what differs in their recipes: "relu:5 (AdamW)", "linear:5 (SGD)". */
export function namesBeside(first, second) {
  const texts = { optimizer: (value) => OPTIMIZER_NAMES[value], lr: (value) => `rate ${value}`, epochs: (value) => `${count(value)} epochs` };
  const differing = Object.keys(texts).filter((name) => first[name] !== second[name]);
  return [first, second].map((settings) => {
    const recipe = differing.map((name) => texts[name](settings[name])).join(", ");
    return candidateWord(settings.hidden) + (recipe && ` (${recipe})`);
  });
}

/** Return settings with the network and the recipe of others. */
export function withRecipe(settings, { hidden, optimizer, lr, epochs }) {
  return Object.freeze({ ...settings, hidden, optimizer, lr, epochs });
}

/** Return a request to the engine for networks of a split and a seed each. */
export function requestFor(settings, networks) {
  const { hidden, optimizer, lr, epochs } = settings;
  return { hidden, optimizer, lr, epochs, weightDecay: optimizer === "adamw" ? 0.01 : 0, networks };
}

const MUCH_WORK = 2e10; // rows times weights times epochs of all networks: some ten seconds on two cores

/** Return settings with which a large table trains in seconds: fewer seeds and splits first, then fewer epochs. */
export function lightened(settings, rows, weights) {
  const work = ({ epochs, seeds, splits }) => rows * weights * epochs * (seeds + splits * Math.min(SEEDS_PER_SPLIT, seeds));
  if (work(settings) <= MUCH_WORK) return settings;
  const few = { ...settings, seeds: Math.min(20, settings.seeds), splits: Math.min(10, settings.splits) };
  const epochs = EPOCH_STEPS.toReversed().find((step) => step <= settings.epochs && work({ ...few, epochs: step }) <= MUCH_WORK);
  return { ...few, epochs: epochs ?? Math.min(EPOCH_STEPS[0], settings.epochs) };
}

/** Return the networks of many seeds on the first split. */
export function seedNetworks(settings) {
  return Array.from({ length: settings.seeds }, (_, seed) => ({ split: 0, seed }));
}

/** Return the networks of a few seeds on each of many splits, split by split. */
export function splitNetworks(settings) {
  const seeds = Math.min(SEEDS_PER_SPLIT, settings.seeds);
  return Array.from({ length: settings.splits * seeds }, (_, i) => ({ split: Math.floor(i / seeds), seed: i % seeds }));
}

/** Return settings as the fragment of an address, with the table and the recipe of the pinned network, if any. */
export function toFragment(settings, table, pinned = null) {
  const { hidden, optimizer, lr, epochs, seeds, splits } = settings;
  const fields = { network: candidateWord(hidden), optimizer, lr, epochs, seeds, splits, ...table };
  if (pinned) fields.pinned = [candidateWord(pinned.hidden), pinned.optimizer, pinned.lr, pinned.epochs].join(" ");
  return `#${new URLSearchParams(Object.entries(fields).map(([name, value]) => [name, String(value)]))}`;
}

const within = (text, low, high, usual) => {
  const number = Number(text);
  return text !== null && text !== "" && Number.isFinite(number) ? Math.min(high, Math.max(low, number)) : usual;
};

/** Return the settings of a fragment. What is missing or unreadable is as usual. */
export function fromFragment(fragment, usual = TUTORIAL) {
  const fields = new URLSearchParams(fragment.replace(/^#/, ""));
  return {
    hidden: hiddenOf(fields.get("network")) ?? usual.hidden,
    optimizer: Object.hasOwn(OPTIMIZER_NAMES, fields.get("optimizer")) ? fields.get("optimizer") : usual.optimizer,
    lr: within(fields.get("lr"), 1e-6, 10, usual.lr),
    epochs: Math.round(within(fields.get("epochs"), 1, 5000, usual.epochs)),
    seeds: Math.round(within(fields.get("seeds"), 1, MOST_SEEDS, usual.seeds)),
    splits: Math.round(within(fields.get("splits"), 1, MOST_SPLITS, usual.splits)),
  };
}

/** Return the settings of the pinned network of a fragment, or null if it names none. */
export function pinnedOf(fragment) {
  const [network, optimizer, lr, epochs] = (new URLSearchParams(fragment.replace(/^#/, "")).get("pinned") ?? "").split(" ");
  return hiddenOf(network) && Object.freeze(fromFragment(new URLSearchParams({ network, optimizer, lr, epochs }).toString()));
}

/** Return hidden layers from seedbed's word, or null where it can't be shown here. */
export function hiddenOf(word) {
  if (word === "logistic") return [];
  const hidden = [];
  for (const part of (word ?? "").split("+")) {
    const found = /^([a-z_]+):(\d+(?:,\d+)*)$/.exec(part);
    if (!found || !Object.hasOwn(ACTIVATION_NAMES, found[1])) return null;
    for (const units of found[2].split(",")) hidden.push({ units: Math.min(MOST_UNITS, Math.max(1, Number(units))), activation: found[1] });
  }
  return hidden.length <= MOST_LAYERS ? hidden : null;
}
