/** Three scenes of the lesson: folds that turn, the same patient twice, and a rare class. */

import { verdictSentence } from "./compare.js";
import { choiceOf } from "./controls.js";
import { foldsOf, groupsOf, patientsTable, rareTable, ratesOf, withFolds } from "./folds.js";
import { canvasIn, colours, isStill, label, oncePerFrame, ticks } from "./paint.js";
import { PRESETS, namesBeside, requestFor, withRecipe } from "./settings.js";
import { judge } from "./verdict.js";
import { count, element, fillTable, gainText, minus, pointMeaning, quantity, scoreName, scoreText, shortened, signedText, tickText } from "./words.js";

const FOLDS = 10; // as seedbed compare has them
const FIFTHS = 5;
const SEEDS = 3; // of each network on each fold
const LIT = 350; // milliseconds for which a fold is lit at least
const FALL = 300; // milliseconds in which a result falls into the picture
const NEW_PATIENTS = 400;
const MOST_GROUPS = 60; // that are drawn
const MOST_ROWS_DRAWN = 2000;
const LEAST = 0.002; // the left end of the axis of probabilities
const THRESHOLDS = [0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/** A network that can learn rows by heart, and logistic regression. */
const WIDE = { hidden: [{ units: 40, activation: "relu" }], optimizer: "adamw", lr: 0.03, epochs: 200 };
const LOGISTIC = { hidden: [], optimizer: "adamw", lr: 0.1, epochs: 200 };

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const percent = (share) => scoreText(share, "binary");

/** Return the networks of some seeds on each of some folds. */
function networksOn(folds, seeds, first) {
  return folds.flatMap((split) => Array.from({ length: seeds }, (_, i) => ({ split, seed: first + split * seeds + i })));
}

/** Return the test score of each network at its last epoch. */
function lastScores({ epochs, curves, request }) {
  return request.networks.map((_, network) => curves.testScore[(network + 1) * epochs.length - 1]);
}

/** Put into a place what all scenes have. `start` resolves to what is shown: a sentence, and the head and the rows of a table; a
 * sentence alone says why there is no result. */
function frame(container, { says, starts, start, paint, controls = [] }) {
  const button = element("button", { type: "button", class: "main", onclick: run }, starts);
  const said = element("p", { role: "status" });
  const figure = element("figure", { class: "panel scene", role: "img", hidden: true });
  const table = element("table");
  container.append(element("p", {}, says), element("div", { class: "buttons" }, ...controls, button), said, figure, table);
  const surface = canvasIn(figure, () => paint(surface));
  const repaint = oncePerFrame(() => surface.width && paint(surface));
  let turn = 0;

  function show({ said: text = "", head = [], rows = [], isEmpty = !head.length }) {
    said.textContent = text;
    figure.hidden = isEmpty;
    fillTable(table, head, rows);
    repaint();
  }

  /** Start, and end what was started before. */
  async function run() {
    const own = ++turn;
    container.dataset.state = "training";
    const found = await start(() => own !== turn).catch((error) => ({ said: `The training stopped: ${error.message}` }));
    if (own !== turn) return;
    show(found);
    container.dataset.state = "done";
  }

  function forget() {
    turn += 1;
    delete container.dataset.state;
    show({});
  }
  return { button, figure, show, repaint, run, forget };
}

/** Build the scene of two networks on ten folds. `train(table, request)` resolves to a run. */
export function createFoldsScene(container, { train, read, seed }) {
  const state = { table: null, folds: null, lit: -1, means: [[], []], names: ["", ""], rounds: [], fell: 0 };
  const parts = frame(container, {
    says: "Each row is tested once: the rows are divided at random into ten folds, and each fold is tested by networks that learn from the nine others. A thin line in a block is a row in the colour of its class. A dot is the result on one fold; a line joins the results of both networks on the same fold; the upright bars are the means.",
    starts: "Turn the folds", start, paint,
  });

  async function start(isOld) {
    const { table, settings, pinned } = read();
    const rival = pinned ?? withRecipe(settings, { ...settings, hidden: settings.hidden.length ? [] : PRESETS[0].hidden });
    const names = namesBeside(settings, rival);
    if (names[0] === names[1]) return { said: "Both networks are the same. Change the network first." };
    if (table.row_groups && new Set(table.row_groups).size < FOLDS) return { said: "Ten folds need at least ten groups of rows." };
    if (String(state.names) !== String(names)) state.rounds = [];
    const first = seed() + FOLDS * SEEDS * state.rounds.length;
    const folds = foldsOf(table, FOLDS, seed() + state.rounds.length, table.row_groups);
    const own = withFolds(table, folds, FOLDS);
    Object.assign(state, { table, names, folds, means: [[], []] });
    const scores = [[], []];
    for (let fold = 0; fold < FOLDS; fold++) {
      state.lit = fold;
      parts.show({ ...history(), said: `Fold ${fold + 1} of ${FOLDS} is tested.` });
      const networks = networksOn([fold], SEEDS, first);
      const runs = await Promise.all([settings, rival].map((one) => train(own, requestFor(one, networks))));
      await new Promise((resolve) => { setTimeout(resolve, isStill() ? 0 : LIT); });
      if (isOld()) return {};
      runs.map(lastScores).forEach((ones, i) => {
        scores[i].push(...ones);
        state.means[i].push(mean(ones));
      });
      state.fell = performance.now();
    }
    const request = { networks: networksOn([...Array(FOLDS).keys()], SEEDS, first) };
    const [current, reference] = scores.map((testScore) => ({ table: own, epochs: [1], request, curves: { testScore } }));
    state.lit = -1;
    state.rounds.push(judge(reference, current));
    parts.button.textContent = "Now with other folds";
    return history();
  }

  /** Return what is shown of all rounds so far. */
  function history() {
    const { rounds, names } = state;
    const rows = rounds.map((found, i) => [`choice ${i + 1}`, found.verdict ? gainText(found, "") : "\u2013", found.words || "no verdict"]);
    const last = rounds.at(-1);
    const gains = rounds.map(({ difference }) => difference);
    const range = `With ${gains.length} choices of folds the gain was ${signedText(Math.min(...gains))} to ${signedText(Math.max(...gains))} points. `;
    const rule = `${gains.length < 2 ? "" : range}Report the first result: of many, one could choose the nicest.`;
    const said = !last?.verdict ? "No verdict: some folds have no score, or the rows form fewer than 20 groups."
      : `${verdictSentence(last, ...names, true)} Gain over ${gainText(last, names[1])}; ${pointMeaning(state.table.task)}. ${rule}`;
    return { said, head: ["", `${names[0]} against ${names[1]}`, "verdict"], rows };
  }

  function paint({ pen, width, height, clear }) {
    if (!state.folds) return;
    const { table: { task, rows, y, classes }, means, names, lit } = state;
    const paints = colours();
    clear();
    // The strip: a block for each fold, a thin line for each row in the colour of its class.
    const wide = (width - 20) / FOLDS;
    const placed = Array(FOLDS).fill(0);
    const most = Math.ceil(rows / FOLDS);
    const step = Math.ceil(rows / MOST_ROWS_DRAWN);
    state.folds.forEach((fold, row) => {
      const at = 10 + fold * wide + Math.min(1, placed[fold]++ / most) * (wide - 5);
      if (row % step) return;
      pen.fillStyle = classes ? paints.classes[y[row] % paints.classes.length] : paints.faint;
      pen.globalAlpha = lit < 0 || fold === lit ? 1 : 0.25;
      pen.fillRect(at, 18, Math.max(0.6, (step * (wide - 6)) / most), 22);
    });
    pen.globalAlpha = 1;
    placed.forEach((_, fold) => label(pen, String(fold + 1), 8 + (fold + 0.5) * wide, 8, { colour: fold === lit ? paints.ink : paints.faint, align: "center", weight: fold === lit ? "bold" : "normal" }));
    const all = means.flat().filter(Number.isFinite);
    if (!all.length) return;
    const edge = Math.max(0.01, (Math.max(...all) - Math.min(...all)) * 0.08);
    const [low, high] = [Math.min(...all) - edge, Math.max(...all) + edge];
    const x = (value) => 14 + ((value - low) / (high - low)) * (width - 28);
    for (const tick of ticks(low, high, width > 420 ? 6 : 4)) label(pen, tickText(tick, task), x(tick), height - 10, { colour: paints.faint, align: "center" });
    label(pen, `test ${scoreName(task)} on a fold`, 10, height - 26, { colour: paints.faint });
    // The latest results fall out of the strip; equal ones don't cover each other.
    const lanes = [height * 0.42, height * 0.68];
    const fallen = isStill() ? 1 : Math.min(1, (performance.now() - state.fell) / FALL) ** 2;
    const heightOf = (lane, fold) => {
      const equal = means[lane].slice(0, fold).filter((value) => value === means[lane][fold]).length;
      const at = lanes[lane] + (lane ? 6 : -6) * equal;
      return fold === means[0].length - 1 ? 40 + (at - 40) * fallen : at;
    };
    pen.strokeStyle = paints.faint;
    pen.lineWidth = 1;
    means[0].forEach((value, fold) => {
      pen.beginPath();
      pen.moveTo(x(value), heightOf(0, fold));
      pen.lineTo(x(means[1][fold]), heightOf(1, fold));
      pen.stroke();
    });
    [paints.current, paints.pinned].forEach((colour, lane) => {
      pen.fillStyle = colour;
      means[lane].forEach((value, fold) => {
        pen.beginPath();
        pen.arc(x(value), heightOf(lane, fold), 5, 0, 7);
        pen.fill();
      });
      label(pen, `${shortened(names[lane], 30)}: mean ${scoreText(mean(means[lane]), task)}`, 10, lanes[lane] + (lane ? 26 : -26), { colour: paints.ink });
      pen.fillRect(x(mean(means[lane])) - 1.5, lanes[lane] - 10, 3, 20);
    });
    parts.figure.setAttribute("aria-label", `Test ${scoreName(task)} of each fold. ${names.map((name, i) => `${name}: ${means[i].map((value) => scoreText(value, task)).join(", ")}`).join(". ")}.`);
    if (fallen < 1) parts.repaint();
  }

  function forget() {
    Object.assign(state, { rounds: [], folds: null });
    parts.button.textContent = "Turn the folds";
    parts.forget();
  }
  return { start: parts.run, forget };
}

/** Build the scene of one patient's rows in training and test rows. */
export function createPatientsScene(container, { train, read, seed }) {
  const names = { rows: "random rows", groups: "whole patients" };
  const state = { kind: "rows", groups: null, folds: null, results: {} };
  const choose = element("select", { "aria-label": "Table and column of the patient" });
  const kinds = element("div", { class: "choice", role: "radiogroup", "aria-label": "What is divided into training and test rows" });
  const parts = frame(container, {
    says: "A made-up table: 100 patients with five visits each, one row a visit. A patient has six values, from a normal distribution; a visit measures them with an error of 0.2. The patient is ill, at all five visits, if the first value plus 0.7 times another one, which isn\u2019t in the table, is above 0. A network with 40 units learns from four fifths of the rows. Choose your own table if one of its columns names the patient.",
    starts: "Train", start, paint, controls: [choose, kinds],
  });
  choiceOf(kinds, "patients-kind", names, "rows", (kind) => {
    state.kind = kind;
    parts.run();
  });
  choose.addEventListener("change", () => {
    state.results = {};
    parts.run();
  });

  function chosen() {
    const { table } = read();
    const made = patientsTable();
    if (choose.value === "made") return { table: made, groups: made.row_groups, fresh: patientsTable(1, NEW_PATIENTS) };
    if (choose.value === "groups") return { table, groups: table.row_groups };
    return { table, groups: groupsOf(table, Number(choose.value)), place: Number(choose.value) };
  }

  async function start(isOld) {
    const { table, groups, fresh, place } = chosen();
    const name = choose.selectedOptions[0].textContent;
    const patients = new Set(groups).size;
    if (patients === table.rows) return { said: `${name}: no two rows are alike in it, so random rows and whole patients are the same.` };
    if (patients < FIFTHS) return { said: `${name}: it has ${quantity(patients, "value")}, and five parts need at least five.` };
    const { kind, results } = state;
    Object.assign(state, { groups, folds: foldsOf(table, FIFTHS, seed(), kind === "rows" ? null : groups) });
    const networks = networksOn([...Array(FIFTHS).keys()], SEEDS, seed());
    const run = await train(withFolds(table, state.folds, FIFTHS, place), requestFor(WIDE, networks), fresh?.x);
    if (isOld()) return {};
    const score = scoreText(mean(lastScores(run)), table.task);
    results[kind] = [names[kind], score];
    if (fresh) results[kind].push(percent(mean(Array.from(run.predicted, (p, i) => Number(p > 0.5 === (fresh.y[i % fresh.rows] === 1))))));
    const promise = kind === "rows" ? `Random rows promise ${score}: the networks know other rows of the same patients.` : `Whole patients promise ${score}: no patient of the test rows is in the training rows.`;
    const truth = fresh ? ` On ${NEW_PATIENTS} new patients the same networks reach ${results[kind][2]}.` : "";
    const head = ["", `${scoreName(table.task)}, test rows`, ...(fresh ? [`accuracy, ${NEW_PATIENTS} new patients`] : [])];
    return { said: promise + truth, head, rows: Object.values(results) };
  }

  /** Draw a column for each patient and a square for each of the patient's rows, blue where the row is tested. */
  function paint({ pen, width, height, clear }) {
    if (!state.folds) return;
    const paints = colours();
    clear();
    const members = new Map();
    state.groups.forEach((group, row) => {
      if (!members.has(group) && members.size < MOST_GROUPS) members.set(group, []);
      members.get(group)?.push(row);
    });
    const shown = [...members.values()];
    const step = (width - 20) / shown.length;
    const tall = Math.max(...shown.map((rows) => rows.length));
    const high = Math.min(24, (height - 40) / tall);
    shown.forEach((rows, place) => rows.forEach((row, i) => {
      pen.fillStyle = state.folds[row] ? paints.rule : paints.better;
      pen.fillRect(10 + place * step, 30 + i * high, Math.max(1, step - 2), Math.max(1, high - 2));
    }));
    label(pen, `A stack is a patient (${shown.length} of ${new Set(state.groups).size}). Blue: tested. Grey: learnt from.`, 10, 12, { colour: paints.ink });
    const divided = shown.filter((rows) => new Set(rows.map((row) => state.folds[row] === 0)).size > 1).length;
    parts.figure.setAttribute("aria-label", `Of ${shown.length} patients, ${divided} have rows among both the training and the test rows.`);
  }

  function forget() {
    const { table } = read();
    const option = (value, text) => element("option", { value }, text);
    const columns = table.columns.map((column, place) => option(place, `${shortened(table.name, 20)}: by ${shortened(column.name)}`));
    choose.replaceChildren(option("made", "100 made-up patients"), ...(table.row_groups ? [option("groups", `${shortened(table.name, 20)}: its groups`)] : []), ...columns);
    state.results = {};
    parts.forget();
  }
  return { start: parts.run, forget };
}

/** Build the scene of a rare class and a threshold. */
export function createRareScene(container, { train, read, seed }) {
  const state = { y: null, rare: "", models: null };
  const choose = element("select", { "aria-label": "Table with a rare class" });
  const threshold = element("input", { type: "range", id: "rare-threshold", min: 0, max: THRESHOLDS.length - 1, step: 1, value: THRESHOLDS.indexOf(0.5) });
  const output = element("output", { for: "rare-threshold" });
  const parts = frame(container, {
    says: "A made-up table: 2,000 rows of four values from a normal distribution. 40 are of ill people, 2\u202f%: those with the largest sum of the first value, 1.5 times the second without its sign, and an error of 0.6. Each row is predicted by networks that haven\u2019t learnt from it. A row is called ill if its probability is above the threshold. The score is 0 for predicting 2\u202f% for all rows, and 100 for perfect predictions. The net benefit is what is found, less a part of each false alarm: the odds of the threshold, a nineteenth at 5\u202f%. At best it is 20 in 1,000 rows.",
    starts: "Train", start, paint, controls: [choose],
  });
  parts.figure.before(element("label", { class: "threshold" }, "Threshold ", threshold, output));
  threshold.addEventListener("input", () => {
    const found = result();
    if (state.models) parts.show(found);
  });
  choose.addEventListener("change", parts.run);

  async function start(isOld) {
    state.models = null;
    const table = choose.value === "made" ? rareTable() : read().table;
    if (!table.classes) return { said: `${table.target} is a number. This scene needs a table with classes.` };
    const sizes = table.classes.map((_, k) => table.y.filter((one) => one === k).length);
    const rare = sizes.indexOf(Math.min(...sizes));
    const folds = foldsOf(table, FIFTHS, seed(), table.row_groups);
    const divided = withFolds(table, folds, FIFTHS);
    const networks = networksOn([...Array(FIFTHS).keys()], SEEDS, seed());
    const models = {};
    for (const [name, recipe] of Object.entries({ network: WIDE, logistic: LOGISTIC })) {
      const { predicted } = await train(divided, requestFor(recipe, networks), null);
      if (isOld()) return {};
      models[name] = unseen(predicted, table, folds, rare);
    }
    Object.assign(state, { models, rare: table.classes[rare], y: Float64Array.from(table.y, (one) => Number(one === rare)) });
    return result();
  }

  /** Return each row's probability of a class by the networks that haven't learnt from it [row]. */
  function unseen(predicted, { rows, nOutputs }, folds, rare) {
    return Float64Array.from(folds, (fold, row) => mean(Array.from({ length: SEEDS }, (_, i) => {
      const at = ((fold * SEEDS + i) * rows + row) * nOutputs;
      if (nOutputs > 1) return predicted[at + rare];
      return rare ? predicted[at] : 1 - predicted[at];
    })));
  }

  const limit = () => THRESHOLDS[Number(threshold.value)];

  function result() {
    output.textContent = tickText(limit(), "binary");
    threshold.setAttribute("aria-valuetext", output.textContent);
    if (!state.models) return {};
    const { y, models: { network, logistic } } = state;
    const never = { ...ratesOf(y, new Float64Array(y.length), limit()), score: 0 };
    const columns = [never, ratesOf(y, network, limit()), ratesOf(y, logistic, limit())];
    const { rare } = never;
    const { accuracy, found, alarms } = columns[1];
    const lines = {
      right: (one) => percent(one.accuracy),
      [`found, of ${count(rare)}`]: (one) => count(one.found),
      [`false alarms, of ${count(y.length - rare)}`]: (one) => count(one.alarms),
      "score, 0 to 100": (one) => minus(one.score.toFixed(1)),
      "net benefit, 1,000 rows": (one) => minus((1000 * one.benefit).toFixed(1)),
    };
    const few = rare < 10 ? ` ${quantity(rare, "row")} of this class can\u2019t show much.` : "";
    return {
      said: `Always saying no is right for ${percent(never.accuracy)} and finds no one. The network is right for ${percent(accuracy)}: it finds ${count(found)} of the ${count(rare)} rows of class ${shortened(state.rare)}, with ${quantity(alarms, "false alarm")}.${few}`,
      head: ["", "always no", "network", "logistic"],
      rows: Object.entries(lines).map(([name, text]) => [name, ...columns.map(text)]),
    };
  }

  /** Draw each row at its probability: the rare class above, the others below, for both models. */
  function paint({ pen, width, height, clear }) {
    if (!state.models) return;
    const paints = colours();
    clear();
    const x = (p) => 12 + (width - 24) * (1 - Math.log(Math.min(1, Math.max(LEAST, p))) / Math.log(LEAST));
    const step = Math.ceil(state.y.length / MOST_ROWS_DRAWN);
    pen.fillStyle = paints.zone;
    pen.fillRect(x(limit()), 16, width - 12 - x(limit()), height - 40);
    label(pen, `called ${shortened(state.rare, 12)} \u2192`, x(limit()) + 4, 8, { colour: paints.faint });
    for (const tick of [LEAST, 0.01, 0.05, 0.2, 1]) label(pen, tickText(tick, "binary"), x(tick), height - 10, { colour: paints.faint, align: { [LEAST]: "left", 1: "right" }[tick] ?? "center" });
    label(pen, "probability", 12, height - 26, { colour: paints.faint });
    Object.entries(state.models).forEach(([name, p], lane) => {
      const middle = 12 + (height - 40) * (lane ? 0.78 : 0.3);
      label(pen, `${name}: ${shortened(state.rare, 12)} above, all others below`, 12, middle - 30, { colour: paints.ink });
      p.forEach((value, row) => {
        const isRare = state.y[row];
        if (!isRare && row % step) return;
        pen.globalAlpha = isRare ? 0.9 : 0.15;
        pen.fillStyle = isRare ? paints.worse : paints.current;
        if (isRare) pen.fillRect(x(value) - 1.5, middle - 20, 3, 18);
        else pen.fillRect(x(value) - 0.5, middle + 2, 1, 14);
      });
      pen.globalAlpha = 1;
    });
    parts.figure.setAttribute("aria-label", "Rows of the rare class and all others by their probability, for both models. The table has the numbers.");
  }

  function forget() {
    state.models = null;
    choose.replaceChildren(element("option", { value: "made" }, "2,000 made-up rows"), element("option", { value: "own" }, shortened(read().table.name)));
    result();
    parts.forget();
  }
  return { start: parts.run, forget };
}
