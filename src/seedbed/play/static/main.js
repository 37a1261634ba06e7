/** The page: its settings, what trains next, and which parts are notified. */

import { createChance } from "./chance.js";
import { createClassroom, readResult } from "./classroom.js";
import { createCompare, trainingState, verdictSentence } from "./compare.js";
import { choiceOf, createControls } from "./controls.js";
import { shortNumber } from "./export.js";
import { createCurves, placeUpTo, valuesAt } from "./curves.js";
import { createEngine } from "./engine.js";
import { parameterCount, widths } from "./kernel.js";
import { createNetwork } from "./network.js";
import { TOY_NAMES, acceptDrops, askTarget, createOpening } from "./opening.js";
import { repaintAll } from "./paint.js";
import { TOY, TUTORIAL, fromFragment, lightened, namesBeside, pinnedOf, requestFor, seedNetworks, settingsName, splitNetworks, toFragment, withRecipe } from "./settings.js";
import { createSurface } from "./surface.js";
import { createFoldsScene, createPatientsScene, createRareScene } from "./scenes.js";
import { quantile } from "./survey.js";
import { createTakeaway, readSettings } from "./takeaway.js";
import { classShares, exampleTable } from "./table.js";
import { count, quantity, element, gainText, lossText, rangeText, scoreName, scoreText, sentence, shortened } from "./words.js";

const WAIT = 120; // milliseconds after the last change
const BATCH = 8; // splits that are trained together
const MOST_KNOWN = 12; // runs that are kept
const MOST_BYTES = 30e6; // of a dropped file
const MOST_TEXT = 1e6; // bytes of a file of settings or results

const by = (id) => document.getElementById(id);
const page = {
  table: null, isToy: false, settings: null, pinned: null, current: { settings: null, seeds: null, splits: null }, rival: null,
  at: null, highlight: 0, turn: 0, running: new Set(), known: new Map(), timer: 0, began: 0, isFresh: false, tables: 0, choices: 0, fewer: [], measure: "score",
};

/** Write a problem above everything, in one sentence; null clears it. */
function complain(problem) {
  by("problem").hidden = !problem;
  by("problem").textContent = problem ?? "";
}

// What is trained ----------------------------------------------------------------------------------------------------

/** Settings of the pinned network with the seeds and splits of now, so that both are trained alike. */
function pinnedSettings() {
  return page.pinned && { ...page.pinned, seeds: page.settings.seeds, splits: page.settings.splits };
}

const keyOf = (request) => JSON.stringify([page.tables, request]);

/** Keep a run, so that the same settings needn't be trained again; the oldest one is forgotten. */
function remember(request, run) {
  if (run.table !== page.table) return; // the table was changed just after the training had ended
  page.known.set(keyOf(request), run);
  if (page.known.size > MOST_KNOWN) page.known.delete(page.known.keys().next().value);
}

/** Train a request. `onStart` is given the run at once; resolves to it when it has ended. */
function train(request, onStart = () => {}, onGrow = () => {}) {
  page.isFresh = true;
  return new Promise((resolve) => {
    const run = page.engine.train(page.table, request, (now) => {
      onGrow();
      if (now.status === "running") return;
      page.running.delete(now);
      resolve(now);
    });
    page.running.add(run);
    onStart(run);
  });
}

/** Train the seeds of settings on the first split, unless they are known. */
async function trainSeeds(slots, onGrow = () => {}) {
  const request = requestFor(slots.settings, seedNetworks(slots.settings));
  slots.seeds = page.known.get(keyOf(request)) ?? null;
  if (slots.seeds) return slots.seeds;
  const run = await train(request, (started) => { slots.seeds = started; }, onGrow);
  if (run.status === "done") remember(request, run);
  return run;
}

/** Train the splits a few at a time, so that what is known grows with them; the parts are one run to all who read it. */
async function trainSplits(slots, onGrow, isOld) {
  const networks = splitNetworks(slots.settings);
  const request = requestFor(slots.settings, networks);
  slots.splits = page.known.get(keyOf(request)) ?? null;
  if (slots.splits) return slots.splits;
  const size = BATCH * networks.filter(({ split }) => split === 0).length;
  for (let first = 0; first < networks.length; first += size) {
    const part = await train({ ...request, networks: networks.slice(first, first + size) });
    if (isOld() || part.status !== "done") return part;
    const { epochs } = part;
    slots.splits ??= {
      table: page.table, request: part.request, epochs, trained: 0, status: "running",
      curves: Object.fromEntries(Object.keys(part.curves).map((name) => [name, new Float32Array(networks.length * epochs.length).fill(NaN)])),
    };
    const whole = slots.splits;
    whole.request = { ...part.request, networks };
    for (const [name, values] of Object.entries(part.curves)) whole.curves[name].set(values, first * epochs.length);
    whole.trained += part.trained;
    onGrow();
  }
  slots.splits.status = "done";
  remember(request, slots.splits);
  return slots.splits;
}

/** Train everything that the page shows: the seeds first, then the pinned network, then the splits. */
async function trainAll() {
  interrupt();
  const turn = page.turn;
  const isOld = () => turn !== page.turn;
  const current = { settings: page.settings, seeds: null, splits: null };
  const rival = page.pinned && { settings: pinnedSettings(), seeds: null, splits: null };
  Object.assign(page, { current, rival, at: null, began: performance.now(), isFresh: false });
  page.highlight = Math.min(page.highlight, page.settings.seeds - 1);
  correctSeed();
  document.body.dataset.state = "training";
  complain(null);
  takeaway.show();
  const ended = trainSeeds(current, () => { if (!isOld()) growSeeds(); });
  if (rival) rival.seeds = page.known.get(keyOf(requestFor(rival.settings, seedNetworks(rival.settings)))) ?? null;
  showRuns();
  const run = await ended;
  if (isOld()) return;
  if (run.status === "failed") return fail(run.message);
  growSeeds();
  surface.show(run, page.table);
  const onGrow = () => { if (!isOld()) growSplits(); };
  if (rival) {
    const others = await trainSeeds(rival);
    if (isOld()) return;
    if (others.status === "failed") return fail(others.message);
    showRuns();
    await trainSplits(rival, onGrow, isOld);
    if (isOld()) return;
  }
  const splits = await trainSplits(current, onGrow, isOld);
  if (isOld()) return;
  if (splits.status === "failed") return fail(splits.message);
  document.body.dataset.state = "done";
  growSplits();
  takeaway.show();
}

/** End what trains and what is about to train. */
function interrupt() {
  clearTimeout(page.timer);
  page.turn++;
  for (const run of page.running) run.cancel();
  page.running.clear();
}

/** Stop the training; what is trained so far stays on the page. */
function stop() {
  interrupt();
  document.body.dataset.state = "done";
  by("again").textContent = "Train again";
  by("status").textContent = "Stopped.";
  readOut();
}

function fail(message) {
  document.body.dataset.state = "done";
  complain(`The training stopped: ${message}`);
  by("status").textContent = "";
}

/** Train again soon; changes in quick succession count as one. */
function trainSoon() {
  interrupt();
  document.body.dataset.state = "training";
  page.timer = setTimeout(trainAll, WAIT);
}

/** Change settings: everything that shows them follows at once, and training soon. */
function change(changes) {
  page.settings = Object.freeze({ ...page.settings, ...changes });
  showSettings();
  chance.reset();
  trainSoon();
}

// What is shown ------------------------------------------------------------------------------------------------------

function showSettings() {
  const { settings, table } = page;
  controls.show(settings);
  network.show(settings.hidden, table);
  by("word").textContent = settingsName(settings);
  by("size").textContent = `${count(parameterCount(widths(table, settings.hidden)))} weights`;
  by("pin").textContent = page.pinned ? "Stop comparing" : "Compare with\u2026";
  by("pin").title = page.pinned ? `Forget ${settingsName(page.pinned)}` : "Keep this network, change it, and compare the two";
  by("pinned").hidden = !page.pinned;
  by("pinned").firstChild.data = page.pinned && settingsName(settings) === settingsName(page.pinned) ? "Now change it. Compared with " : "compared with ";
  by("pinned-word").textContent = page.pinned ? namesBeside(settings, page.pinned)[1] : "";
  by("notice").hidden = true;
  seed.max = settings.seeds - 1;
  const fragment = linkFragment();
  try {
    history.replaceState(null, "", fragment);
  } catch {
    // A page opened from the disk may not change its address; the link under "Export" still holds everything.
  }
}

function linkFragment() {
  const shape = page.isToy ? { table: page.table.name, ...opening.shape() } : {};
  return toFragment(page.settings, shape, page.pinned);
}

function showRuns() {
  curves.show(page.current.seeds, page.rival?.seeds?.status === "done" ? page.rival.seeds : null, page.table);
  curves.set({ at: page.at, highlight: page.highlight });
  chance.show({ current: page.current, pinned: page.rival, task: page.table.task, at: page.at });
  compare.show({ current: page.current, pinned: page.rival, task: page.table.task, table: page.table });
  growSeeds();
}

function growSeeds() {
  const run = page.current.seeds;
  if (!run) return;
  curves.grow();
  chance.show({ at: page.at });
  network.weigh(run.weights(page.highlight));
  const slider = scrub.slider;
  slider.max = run.epochs.length - 1;
  if (page.at === null) slider.value = slider.max;
  by("remark").textContent = run.status === "done" ? remarkOn(run) : "";
  by("remark").hidden = !by("remark").textContent;
  if (run.status === "done") compare.grow();
  showProgress();
  readOut();
}

/** Return what the curves of a run show beside its scores; an empty text if nothing stands out. */
function remarkOn(run) {
  const networks = run.request.networks.length;
  const lost = networks - valuesAt(run, "testLoss", run.epochs.length - 1).length;
  if (lost) return `The numbers in ${lost} of ${quantity(networks, "network")} became too large, so they have no score. Lower the learning rate.`;
  const cause = trainingState(run);
  if (cause === "learning") return "The test loss still falls at the last epoch: these networks are still learning.";
  if (cause === "by heart") return "The test loss was lower before and has risen, and the training loss is less than half of it: these networks learn the training rows by heart.";
  if (cause === "hardly") return "The test loss was lower before and has risen: these networks have hardly learnt the training rows.";
  return cause ? "The test loss was lower before and has risen." : "";
}

function growSplits() {
  chance.show({});
  compare.grow();
  headline();
  showProgress();
}

function showProgress() {
  const runs = [page.current, page.rival].filter(Boolean);
  const all = runs.length * (page.settings.seeds + splitNetworks(page.settings).length);
  const done = runs.reduce((sum, slots) => sum + (slots.seeds?.trained ?? 0) + (slots.splits?.trained ?? 0), 0);
  const ended = document.body.dataset.state === "done";
  by("progress").value = ended ? 1 : done / all;
  by("progress").classList.toggle("ended", ended);
  const seconds = ((performance.now() - page.began) / 1000).toFixed(1);
  const text = ended ? `${quantity(done, "network")}${page.isFresh ? ` in ${seconds} s` : ""}` : `Training ${quantity(all, "network")}\u2026`;
  if (ended && by("status").dataset.turn === String(page.turn)) return;
  by("status").dataset.turn = ended ? String(page.turn) : "";
  by("again").textContent = ended ? "Train again" : "Stop";
  by("status").textContent = text;
}

/** Say in words what the curves show at the chosen epoch. */
function readOut() {
  const run = page.current.seeds;
  if (!run) return;
  const { task } = run.table;
  const index = Math.min(page.at ?? Infinity, run.epochs.length - 1);
  const measure = page.measure === "loss" ? "testLoss" : "testScore";
  const sorted = valuesAt(run, measure, index);
  const text = page.measure === "loss" ? lossText : (value) => scoreText(value, task);
  const name = page.measure === "loss" ? "loss" : scoreName(task);
  scrub.output.textContent = count(run.epochs[index]);
  scrub.slider.setAttribute("aria-valuetext", `epoch ${run.epochs[index]}`);
  if (sorted.length) {
    const highlighted = run.curves[measure][page.highlight * run.epochs.length + index];
    if (sorted.length === 1) by("readout").textContent = `Epoch ${count(run.epochs[index])}: test ${name} ${text(sorted[0])}. One network says nothing about chance: set Seeds higher.`;
    else by("readout").replaceChildren(
      `Epoch ${count(run.epochs[index])}: the middle half of the ${quantity(sorted.length, "network")} has test ${name} `, element("b", {}, rangeText(text(quantile(sorted, 0.25)), text(quantile(sorted, 0.75)))),
      `. The highlighted network, seed ${page.highlight}: ${text(highlighted)}.${readPinned(measure, text)}`);
  }
  if (!sorted.length && run.status !== "running") by("readout").textContent = "";
  headline();
}

/** Return what the dashed curve shows, at the last epoch or where the axis ends before; an empty text if none is pinned. */
function readPinned(measure, text) {
  const run = page.rival?.seeds;
  if (run?.status !== "done") return "";
  const end = page.current.seeds.epochs[Math.min(page.at ?? Infinity, page.current.seeds.epochs.length - 1)];
  const index = placeUpTo(run, end);
  const sorted = valuesAt(run, measure, index);
  const name = namesBeside(page.current.settings, page.rival.settings)[1];
  return sorted.length < 2 ? "" : ` Reference (dashed), ${name}, epoch ${count(run.epochs[index])}: ${rangeText(text(quantile(sorted, 0.25)), text(quantile(sorted, 0.75)))}.`;
}

/** Write what the score, the loss and the parts of the curves mean. */
function explainCurves() {
  const score = page.table.task === "regression" ? "Score: 0 is always predicting the mean, 100 is perfect (100 times R\u00b2)." :
    `Accuracy: the share of rows that are predicted right; always predicting the most common class gives ${scoreText(Math.max(...classShares(page.table)), page.table.task)}.`;
  const loss = "Loss: the error that training lowers; smaller is better.";
  key.textContent = `${page.measure === "loss" ? loss : score} Thick line: the median of the networks. Band: the middle half of them. Line with a dot: the highlighted network. Bars at the right edge: how many networks end at each value.`;
}

/** Return why a table trains slowly: more than 1,000 rows or 20 inputs are many. */
function sizeOf({ rows, nInputs }) {
  const many = [...(rows > 1000 ? ["rows"] : []), ...(nInputs > 20 ? ["columns"] : [])];
  return many.length ? `many ${many.join(" and ")}` : "a large network";
}

/** Say the main result above everything: the verdict, or how different the networks are at the chosen epoch. */
function headline() {
  const run = page.current.seeds;
  const verdict = page.rival ? compare.verdict() : null;
  const { settings } = page.current;
  const { table } = run;
  const shares = run.split(0);
  by("about").textContent = `${shortened(table.name, 40)}: predict ${shortened(table.target, 40)} from ${quantity(new Set(table.columns.map((column, i) => column.source ?? i)).size, "column")}, ${count(table.rows)} rows${table.groups ? ` in ${count(table.groups)} groups` : ""}${page.fewer.length ? `; ${sizeOf(table)}, so it begins with fewer ${page.fewer.join(", ").replace(/, (?=\w+$)/, " and ")}` : ""}`;
  if (verdict) {
    const isAll = [page.current, page.rival].every((slots) => slots.splits?.status === "done");
    by("headline").textContent = verdictSentence(verdict, ...namesBeside(settings, page.rival.settings), isAll);
    // At an epoch chosen by its test scores a network would look better than it is, so the verdict doesn't follow the slider.
    const epoch = page.at === null ? "" : " The verdict is on the last epoch, wherever the slider stands.";
    by("lead").textContent = `Gain over ${gainText(verdict, namesBeside(settings, page.rival.settings)[1])}, on ${quantity(verdict.splits, "split")} of the same rows.${epoch} ${compare.caution()}`.trim();
    return;
  }
  const index = Math.min(page.at ?? Infinity, run.epochs.length - 1);
  const at = page.at === null ? "" : `, epoch ${count(run.epochs[index])} of ${count(settings.epochs)}`;
  const sorted = valuesAt(run, "testScore", index);
  const isOne = settings.seeds === 1;
  const same = isOne ? `It learns from ${count(shares.train.length)} rows and is tested on ${count(shares.test.length)}. Would another random start say the same?` : `They differ only in their random start: each learns from the same ${count(shares.train.length)} rows and is tested on the same ${count(shares.test.length)}. Change anything, and all train again.`;
  by("lead").textContent = same;
  if (run.status !== "done" || sorted.length < 2) {
    if (isOne && sorted.length) by("headline").textContent = `One network, one number${at}: ${scoreText(sorted[0], table.task)}.`;
    else by("headline").textContent = `${quantity(settings.seeds, "network")}, one recipe: how different can they be?`;
    return;
  }
  const [low, high] = [sorted[0], sorted.at(-1)].map((value) => scoreText(value, table.task));
  const what = table.task === "regression" ? `score ${low} to ${high}` : `${low} to ${high} right`;
  by("headline").textContent = `${quantity(settings.seeds, "network")}, one recipe${at}: ${low === high ? `all reach ${low}` : `${what} on new rows`}.`;
}

// Tables and files ---------------------------------------------------------------------------------------------------

function useTable(table, isToy, name = table.name) {
  if (isToy !== page.isToy) placeMap(isToy);
  if (!isToy && settingsName(page.settings) === settingsName(TOY)) page.settings = withRecipe(page.settings, TUTORIAL);
  const before = page.settings;
  const lost = page.pinned;
  const pinned = isToy && page.isToy && page.table.name === table.name ? page.pinned : null; // a toy of another shape
  if (!isToy) page.settings = Object.freeze(lightened(before, table.rows, parameterCount(widths(table, before.hidden))));
  const fewer = ["seeds", "splits", "epochs"].filter((setting) => page.settings[setting] < before[setting]);
  page.choices++; // a table that is still being read isn't wanted any more
  by("reading").hidden = true;
  Object.assign(page, { table, isToy, fewer, tables: page.tables + 1, pinned, at: null });
  page.known.clear();
  opening.mark(name, isToy);
  by("target").hidden = true;
  complain(null);
  document.title = `${shortened(table.name, 40)} \u00b7 seedbed play`;
  by("warnings").hidden = !table.warnings.length;
  by("warnings").textContent = table.warnings.join("\n");
  by("notes").hidden = !table.notes.length;
  by("notes").lastElementChild.textContent = table.notes.map(sentence).join(" ");
  choiceOf(by("measure"), "measure", { score: scoreName(table.task), loss: "loss" }, page.measure, (measure) => {
    page.measure = measure;
    curves.set({ measure });
    explainCurves();
    readOut();
  });
  explainCurves();
  showSettings();
  surface.show(null, table);
  by("notice").hidden = !lost || Boolean(pinned);
  by("notice").textContent = lost ? `${settingsName(lost)} is no longer the reference, because the table has changed. Press \u201cCompare with\u2026\u201d to compare on this table.` : "";
  chance.reset();
  for (const scene of Object.values(scenes)) scene.forget();
  trainSoon();
}

/** Put the map of a toy, which shows all of the toy's columns, before the curves; other maps after the comparison. */
function placeMap(isToy) {
  const next = isToy ? "train" : "take";
  by(next).before(by("surface"));
  document.querySelector(`nav [href="#${next}"]`).before(document.querySelector("nav [href='#surface']"));
}

/** Read a table in a worker. Resolves to null if another table has been chosen meanwhile. */
async function readTable(given, name) {
  const choice = ++page.choices;
  by("reading").textContent = `Reading ${name}\u2026`;
  by("reading").hidden = false;
  const found = await page.engine.read(given).catch((error) => ({ error: `${name} can't be read: ${sentence(error.message)}` }));
  if (choice !== page.choices) return null;
  by("reading").hidden = true;
  return found;
}

/** Take files that are dropped or chosen, in this order. What is wrong with results of a class is said beside its picture. */
async function takeFiles(files, isForClass = false) {
  complain(null);
  by("target").hidden = true;
  const problems = [];
  const results = [];
  const tables = [];
  for (const file of files) {
    const text = file.size > MOST_TEXT ? "" : await file.text();
    const found = readResult(text, file.name);
    if (found) results.push({ ...found, where: file.name });
    else if (readSettings(text) !== null) openSettings(readSettings(text));
    else if (/\.json$/i.test(file.name)) problems.push(`${file.name} holds neither settings nor a result of this page.`);
    else if (file.size > MOST_BYTES) problems.push(`${file.name} is larger than 30 MB: use a part of its rows.`);
    else tables.push(file);
  }
  if (tables.length > 1) problems.push(`The page takes one table at a time, and reads ${tables.at(-1).name}.`);
  if (results.length || isForClass) classroom.add(results, problems);
  else if (problems.length) complain(problems.slice(0, 3).join(" "));
  if (tables.length) takeCsv(tables.at(-1));
}

/** Use the settings of a fragment, and its toy table if it names one. Returns whether it does. */
function openSettings(fragment) {
  const fields = new URLSearchParams(fragment.slice(1));
  const number = (name) => (fields.has(name) ? Number(fields.get(name)) : NaN);
  const toy = TOY_NAMES.find((name) => name === fields.get("table"));
  page.settings = Object.freeze(fromFragment(fragment, toy || (page.table ? page.isToy : ownName === null) ? TOY : TUTORIAL));
  opening.reshape({ rows: number("rows"), noise: number("noise") });
  if (toy) useTable(exampleTable(toy, opening.shape()), true);
  else if (page.table) change({});
  if (page.table) repin(fragment);
  return Boolean(toy);
}

/** Pin the network that a fragment names; none if it names none. */
function repin(fragment) {
  page.pinned = pinnedOf(fragment);
  showSettings();
}

/** Read the names of a file's columns, ask for the target, and read the table. */
async function takeCsv(file) {
  const name = shortened(file.name, 40);
  const read = await readTable({ file }, name);
  if (!read) return;
  if (!read.columns?.length) return complain(read.error);
  askTarget(by("target"), name, read.columns, async (target) => {
    complain(null);
    const found = await readTable({ file, target, name: file.name.replace(/\.[^.]*$/, "") }, name);
    if (found?.table) useTable(found.table, false);
    else if (found) complain(found.error);
  });
}

/** Use the table that Python has written into the page. */
async function useOwn() {
  const found = await readTable({ document: by("play-table").textContent }, ownName);
  if (found?.table) useTable(found.table, false, ownName);
  else if (found) complain(found.error);
}

// The parts ----------------------------------------------------------------------------------------------------------

function pin() {
  page.pinned = page.pinned ? null : page.settings;
  showSettings();
  chance.reset();
  trainAll();
}

const named = by("play-table").dataset.name;
const ownName = named === undefined ? null : shortened(named, 30);
by("tables").inert = by("bench").inert = true; // until there is a table
const opening = createOpening(by("tables"), {
  ownName,
  onOwn: useOwn,
  onToy: (name) => {
    if (!page.isToy) page.settings = withRecipe(page.settings, TOY);
    useTable(exampleTable(name, opening.shape()), true);
  },
  onFiles: takeInTurn,
});
const network = createNetwork(by("network"), { onChange: (hidden) => change({ hidden }) });
const controls = createControls(by("recipe"), by("presets"), { onChange: change });
const curves = createCurves(by("curves"), { onPick: (at) => moveTo(at) });
const chance = createChance(by("spread"), by("draw"));
const compare = createCompare(by("comparison"), {
  onPin: pin, onChange: change,
  onPinAndTry: (hidden) => { page.pinned = page.settings; change({ hidden }); },
});
await new Promise((resolve) => { setTimeout(resolve); }); // a long task would make the page stutter
const surface = createSurface(by("map"), (table) => page.engine.survey(table));
const takeaway = createTakeaway(by("takeaway"), () => page.table && {
  table: page.table,
  isToy: page.isToy,
  requests: document.body.dataset.state === "done" && page.current.splits?.status === "done" ? [page.rival, page.current].filter(Boolean).map((slots) => slots.splits) : null,
  link: `${location.href.split("#")[0]}${linkFragment()}`,
});
const classroom = createClassroom(by("classroom"), {
  read: () => page.table && { settings: page.settings, table: page.table },
  trainOne: async (seed) => {
    const run = await trainBeside(page.table, requestFor(page.settings, [{ split: 0, seed }]));
    return shortNumber(run.curves.testScore.at(-1));
  },
  onFiles: (files) => takeInTurn(files, true),
});
const given = {
  train: trainBeside,
  read: () => ({ table: page.table, settings: page.settings, pinned: page.pinned }),
  seed: () => classroom.seed(),
};
await new Promise((resolve) => { setTimeout(resolve); });
const scenes = {
  folds: createFoldsScene(by("folds-scene"), given),
  patients: createPatientsScene(by("patients-scene"), given),
  rare: createRareScene(by("rare-scene"), given),
};

/** Train networks that a change of settings doesn't cancel. With rows [row, input], or null for those of the
 * table, the run has what the networks predict of them. */
async function trainBeside(table, request, rows) {
  const run = await new Promise((resolve, reject) => {
    page.engine.train(table, request, (now) => {
      if (now.status === "failed") reject(new Error(now.message));
      else if (now.status !== "running") resolve(now);
    });
  });
  if (rows !== undefined) run.predicted = await run.predict(request.networks.keys(), rows);
  return run;
}

/** Move the cursor over the epochs; the end follows the training. */
function moveTo(at) {
  if (!page.current.seeds) return;
  const last = page.current.seeds.epochs.length - 1;
  page.at = at >= last ? null : at;
  scrub.slider.value = at;
  curves.set({ at: page.at });
  chance.show({ at: page.at });
  readOut();
}

const scrub = {
  slider: element("input", { type: "range", min: 0, max: 199, value: 199, id: "epoch", "aria-label": "Epoch" }),
  output: element("output", { for: "epoch" }),
};
scrub.slider.addEventListener("input", () => moveTo(Number(scrub.slider.value)));
const seed = element("input", { type: "number", min: 0, max: 199, value: 0, id: "highlight" });
seed.addEventListener("input", () => {
  page.highlight = Math.min(page.settings.seeds - 1, Math.max(0, Math.round(Number(seed.value)) || 0));
  if (Number(seed.value) > page.highlight) correctSeed();
  curves.set({ highlight: page.highlight });
  if (page.current.seeds) network.weigh(page.current.seeds.weights(page.highlight));
  readOut();
});
const correctSeed = () => { seed.value = page.highlight; };
seed.addEventListener("change", correctSeed);
by("scrub").append(element("label", { for: "epoch" }, "Epoch"), scrub.slider, scrub.output, element("label", { for: "highlight" }, "Highlight seed ", seed));

by("again").addEventListener("click", () => {
  if (document.body.dataset.state === "training") return stop();
  page.known.clear();
  trainAll();
});
by("pin").addEventListener("click", pin);
by("theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  repaintAll();
});
const key = element("p", { class: "small" });
by("remark").after(key);
acceptDrops(by("drop"), takeInTurn);

/** Read the link that opened the page, and start. */
async function start() {
  try {
    page.engine = await createEngine();
  } catch (error) {
    complain(`This browser can't start the training (${error.message}). A current Firefox, Chrome, Edge or Safari can.`);
    return;
  }
  const { hash } = location;
  const fragment = hash.includes("=") ? hash : "#";
  if (!openSettings(fragment)) {
    if (ownName !== null) await useOwn();
    else useTable(exampleTable("moons", opening.shape()), true);
    if (page.table) repin(fragment);
  }
  by("tables").inert = by("bench").inert = false;
  document.body.dataset.ready = "yes";
  openScene(hash);
}

/** Show the scene that an address names, "#rare" or "#table=moons&scene=rare", and start it. */
function openScene(hash) {
  const name = new URLSearchParams(hash.slice(1)).get("scene") ?? hash.slice(1);
  if (!page.table || !Object.hasOwn(scenes, name) || by(`${name}-scene`).dataset.state) return;
  by(name).scrollIntoView();
  scenes[name].start();
}

addEventListener("hashchange", () => openScene(location.hash));
const started = start();
let taken = started;

/** Take files after those that were dropped before. */
function takeInTurn(files, isForClass = false) {
  taken = taken.then(() => takeFiles(files, isForClass));
}
