/** Two networks on the same splits: the verdict, how it grows with the splits, and why a network may be worse. */

import { bandOf } from "./curves.js";
import { candidateWord } from "./export.js";
import { canvasIn, colours, label, oncePerFrame, ticks } from "./paint.js";
import { PRESETS, namesBeside, settingsName } from "./settings.js";
import { classShares } from "./table.js";
import { hasFewGroups, isLikely, judge, useText } from "./verdict.js";
import { count, quantity, element, gainText, pointMeaning, signedText } from "./words.js";

const BY_HEART = 0.5; // of the test loss: below it, the training rows are learnt by heart
const MANY_SPLITS = 20; // from which on a hundred narrow the interval by less than a tenth
const MOST_ROWS = 1e7; // that are named as needed, as in seedbed compare
const HARDLY = 0.85; // of the loss without inputs: above it, hardly anything is learnt of the training rows

/** Return a run with its first splits only; all its networks must be trained. */
function firstSplits(run, splits) {
  const seeds = run.request.networks.findIndex((network) => network.split !== run.request.networks[0].split);
  const networks = run.request.networks.slice(0, splits * (seeds < 0 ? run.request.networks.length : seeds));
  const length = networks.length * run.epochs.length;
  const curves = Object.fromEntries(Object.entries(run.curves).map(([name, values]) => [name, values.subarray(0, length)]));
  return { ...run, request: { ...run.request, networks }, curves, trained: networks.length, status: "done" };
}

/** Return the number of splits from the first on of which both runs have trained all networks. */
function commonSplits(a, b) {
  const done = (run) => {
    const last = run.epochs.length - 1;
    const open = run.request.networks.findIndex((_, i) => !Number.isFinite(run.curves.testScore[i * run.epochs.length + last]));
    return open < 0 ? run.request.networks.at(-1).split + 1 : run.request.networks[open].split;
  };
  return Math.min(done(a), done(b));
}

/** Return the verdict in a sentence: what the comparison shows, "so far" unless all splits are trained. */
export function verdictSentence(found, name, rival, isDone) {
  if (!isDone) return `So far: ${verdictSentence(found, name, rival, true)}`;
  if (found.rule === "cannot_tell") return `Can't tell whether ${name} or ${rival} is better.`;
  if (found.rule === "no_practical_difference") return `No difference that matters between ${name} and ${rival}.`;
  return `${name} is ${found.words} than ${rival}.`;
}

/** Return the loss of predicting the class frequencies, or the mean of standardised numbers. */
function priorLoss(table) {
  if (table.task === "regression") return 1;
  return classShares(table).reduce((sum, share) => sum - share * Math.log(share), 0);
}

/** Return why networks may not be at their best, by seedbed's limits, from the medians of their losses: "learning" if the
 * test loss still falls in the last tenth of the epochs, else null if it has not risen while the training loss fell. If it
 * has: "by heart" if the training loss ends below half of the test loss, "hardly" if it ends above 85 % of the loss without
 * inputs, "rising" in between. */
export function trainingState(run) {
  const [test, train] = ["testLoss", "trainLoss"].map((curve) => bandOf(run, curve).middle);
  const last = test.length - 1;
  const matters = 0.01 * priorLoss(run.table);
  if (last < 10 || !Number.isFinite(test[last])) return null;
  const low = test.reduce((best, loss, i) => (loss < test[best] ? i : best), last);
  if (test[last] - test[low] > matters && train[last] < train[low]) {
    if (train[last] < BY_HEART * test[last]) return "by heart";
    return train[last] > HARDLY * priorLoss(run.table) ? "hardly" : "rising";
  }
  return test[last - Math.round(last / 10)] - test[last] > matters ? "learning" : null;
}

/** Build the comparison. The callbacks pin or unpin, and change settings. */
export function createCompare(container, { onPin, onChange, onPinAndTry }) {
  const state = { current: null, pinned: null, task: "binary", table: null, history: [], seen: new Map() };
  const finding = document.getElementById("compare-finding");
  const empty = element("div", { class: "unpinned" });
  const verdict = element("p", { class: "verdict", role: "status" });
  const numbers = element("p", {});
  const names = element("p", { class: "pair" });
  const caution = element("p", { class: "notice", role: "status", hidden: true });
  const figure = element("figure", { class: "panel funnel", role: "img" });
  const key = element("p", { class: "small" }, "");
  const why = element("div", { class: "why" });
  const full = element("div", {}, names, verdict, numbers, caution, figure, key, why);
  container.append(empty, full);
  const surface = canvasIn(figure, paint);

  const isDone = () => state.current?.splits?.status === "done" && state.pinned?.splits?.status === "done";

  function update() {
    const { current, pinned, task } = state;
    empty.hidden = Boolean(pinned);
    full.hidden = !pinned;
    if (!current) return;
    if (!pinned) {
      finding.textContent = "Is another network really better?";
      const word = candidateWord(current.settings.hidden);
      empty.replaceChildren(
        element("p", {}, `Keep ${settingsName(current.settings)} as the reference, and change the network: both train on the same splits. Then see whether the difference is real.`),
        element("div", { class: "buttons" },
          element("button", { type: "button", class: "main", onclick: onPin }, "Compare with another network\u2026"),
          ...PRESETS.filter(({ hidden }) => candidateWord(hidden) !== word).map(({ hidden }) =>
            element("button", { type: "button", onclick: () => onPinAndTry(hidden) }, `Compare with ${candidateWord(hidden)}`))));
      return;
    }
    const [name, rival] = namesBeside(current.settings, pinned.settings);
    caution.hidden = true;
    names.replaceChildren(
      element("span", { class: "swatch current" }), element("b", {}, name), " compared with ",
      element("span", { class: "swatch pinned" }), element("b", {}, rival), " (the reference) ",
      element("button", { type: "button", onclick: onPin }, "Stop comparing"));
    if (name === rival) {
      state.history = [];
      finding.textContent = "Now change the network.";
      verdict.textContent = "";
      numbers.textContent = `${rival} is the reference. Change layers, activation or recipe: both are then compared on the same splits.`;
      figure.hidden = key.hidden = true;
      why.replaceChildren();
      return;
    }
    figure.hidden = key.hidden = false;
    extend();
    const found = state.history.at(-1);
    if (!found) {
      finding.textContent = `Is ${name} better than ${rival}?`;
      verdict.textContent = "";
      if (current.settings.splits < 2) numbers.textContent = "A verdict needs at least two splits: set Splits higher.";
      else if (hasFewGroups(state.table)) numbers.textContent = `No verdict: it needs at least 20 groups of rows, and this table has ${state.table.groups}. Rows of one group are alike.`;
      else numbers.textContent = isDone() ? "No verdict: some networks have no score, or the difference is the same in all splits. Change the recipe or the network." : "Training both on the same splits\u2026";
      surface.clear();
      return;
    }
    finding.textContent = verdictSentence(found, name, rival, isDone());
    verdict.textContent = found.words;
    verdict.className = `verdict ${found.verdict}`;
    key.textContent = `\u00b1: give or take, in 95\u202f% of cases. A difference below ${marginText(found)} is too small to matter (the grey area); ${pointMeaning(task)}. ` +
      `Each line is the gain with its \u00b1 after that many splits; an arrow means that it goes on beyond the picture. More than ${MANY_SPLITS} splits hardly make it shorter, as all reuse the same rows.` +
      (isLikely(found.verdict) ? " Likely: on real tables such a verdict was right eight to nine times in ten." : "");
    numbers.textContent = `Gain over ${gainText(found, rival)}, after ${quantity(found.splits, "split")} with ${quantity(found.seeds, "seed")} each. ${advice(found, name, rival)}`;
    if (isDone()) warn(found);
    explain(name);
    repaint();
  }

  /** Say how many verdicts on these rows have been looked at: among many, one can be chosen that is chance alone. */
  function warn({ splits, seeds }) {
    const pair = [state.current.settings, state.pinned.settings].map(settingsName).sort().join(" / ");
    if (!state.seen.has(pair)) state.seen.set(pair, new Set());
    const looks = state.seen.get(pair).add(`${quantity(splits, "split")} with ${quantity(seeds, "seed")}`);
    const all = [...state.seen.values()].reduce((sum, settings) => sum + settings.size, 0), said = [];
    if (looks.size > 1) said.push(`You have now looked at the verdict on these two with ${looks.size} settings: ${[...looks].join(", ")}. A verdict chosen among several may be chance: decide on the number of splits before you look, and report that verdict.`);
    if (all > looks.size) said.push(`You have now looked at ${all} verdicts on these rows. Where nothing differs, about one in twenty says better or worse by chance, and one more in twenty says likely.`);
    caution.textContent = said.join(" ");
    caution.hidden = !said.length;
  }

  /** Return which network to use and how many rows would decide, in the words of seedbed compare. */
  function advice(found, name, rival) {
    if (!isDone()) return `${quantity(state.current.settings.splits, "split")} will be trained in all.`;
    const use = `Use ${useText(found, [name, rival])}`;
    if (!found.rows_needed) return use;
    const [few, many] = found.rows_needed.map((rows) => count(Number(Math.min(MOST_ROWS, Math.max(rows, state.table.rows)).toPrecision(2))));
    const rows = found.rows_needed[1] > MOST_ROWS ? `over ${many}` : few === many ? `about ${many}` : `${few} to ${many}`;
    return `${use} It takes ${rows} rows to tell which is better, if they differ by just ${marginText(found)}; this table has ${count(state.table.rows)}. More splits ${found.splits < MANY_SPLITS ? "may help, too" : "would hardly help"}.`;
  }

  const marginText = ({ rope }) => `${100 * rope} point`;

  function extend() {
    const { current, pinned } = state;
    if (!current.splits || !pinned.splits) return;
    const splits = commonSplits(current.splits, pinned.splits);
    for (let n = state.history.length ? state.history.at(-1).splits + 1 : 2; n <= splits; n++) {
      const found = judge(firstSplits(pinned.splits, n), firstSplits(current.splits, n));
      if (found.verdict) state.history.push(found);
    }
  }

  function explain(name) {
    const cause = state.current.seeds?.status === "done" ? trainingState(state.current.seeds) : null;
    const { epochs, optimizer } = state.current.settings;
    const offer = (text, changes) => element("button", { type: "button", onclick: () => onChange(changes) }, text);
    const train = (number) => offer(`Train ${count(number)} epochs`, { epochs: number });
    if (cause === "learning") {
      why.replaceChildren(
        element("p", {}, `${state.history.at(-1)?.verdict.endsWith("worse") ? "Why? " : ""}${name} was still learning at the end: look at the curves, its test loss still falls. Another recipe may help:`),
        element("div", { class: "buttons" }, epochs < 5000 ? train(Math.min(5000, epochs * 3)) : "", optimizer === "sgd" ? offer("Use AdamW", { optimizer: "adamw" }) : ""));
    } else if (cause === "hardly") {
      why.replaceChildren(element("p", {}, `${name} has hardly learnt the training rows: look at the curves, its training loss has hardly fallen, and its test loss was lower before the end. Another activation or more units may help.`));
    } else if (cause) {
      const fewer = [...new Set([3, 10].map((part) => Math.max(50, Math.round(epochs / part / 10) * 10)))].filter((number) => number < epochs);
      why.replaceChildren(
        element("p", {}, `${name} was trained for too long: look at the curves, its test loss was lower before the end and has risen since. ${cause === "by heart" ? "The training loss is less than half of it: the network learns the training rows by heart. " : ""}Fewer epochs may help:`),
        element("div", { class: "buttons" }, ...fewer.map(train)));
    } else why.replaceChildren();
  }

  function paint() {
    if (!state.pinned || !state.history.length || !surface.width) return;
    const { pen, width, height } = surface;
    const { history } = state;
    const paints = colours();
    surface.clear();
    const last = history.at(-1);
    const settled = history.filter(({ splits }) => splits >= Math.min(5, last.splits));
    const left = 44;
    const right = width - 12;
    let least = Math.min(-2.2 * last.rope, ...settled.map(({ low }) => low)) * 1.06;
    let greatest = Math.max(2.2 * last.rope, ...settled.map(({ high }) => high)) * 1.06;
    // Both sides of 0 have space for their label.
    const side = Math.min(0.4, 75 / (right - left));
    least = Math.min(least, (-greatest * side) / (1 - side));
    greatest = Math.max(greatest, (-least * side) / (1 - side));
    const top = 24;
    const bottom = height - 58;
    const x = (value) => left + ((value - least) / (greatest - least)) * (right - left);
    const inside = (value) => Math.min(right, Math.max(left, x(value)));
    const most = Math.max(last.splits, state.current.settings.splits);
    const y = (splits) => top + ((splits - 1) / Math.max(1, most - 1)) * (bottom - top);
    pen.fillStyle = paints.zone;
    pen.fillRect(x(-last.rope), top - 4, x(last.rope) - x(-last.rope), height - 22 - top);
    const { better, worse, ink, unsure } = paints;
    const tint = { better, worse, likely_better: better, likely_worse: worse, no_practical_difference: ink, undecided: unsure };
    label(pen, "\u2190 worse", x(0) - 14, 10, { colour: paints.faint, align: "right" });
    label(pen, "better \u2192", x(0) + 14, 10, { colour: paints.faint });
    pen.strokeStyle = paints.faint;
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.moveTo(x(0), top - 4);
    pen.lineTo(x(0), height - 24);
    pen.stroke();
    const thick = Math.min(4, Math.max(1, ((bottom - top) / most) * 0.6));
    const arrow = (tip, at, sign, size) => {
      pen.beginPath();
      pen.moveTo(tip + sign * 5, at);
      pen.lineTo(tip - sign * 2, at - size);
      pen.lineTo(tip - sign * 2, at + size);
      pen.fill();
    };
    for (const { verdict, low, high, difference, splits } of history) {
      pen.strokeStyle = tint[verdict];
      pen.globalAlpha = isLikely(verdict) ? 0.3 : 0.55;
      pen.lineWidth = thick;
      pen.beginPath();
      pen.moveTo(inside(low), y(splits));
      pen.lineTo(inside(high), y(splits));
      pen.stroke();
      pen.globalAlpha = 1;
      pen.fillStyle = tint[verdict];
      if (low < least) arrow(left, y(splits), -1, Math.max(3, thick));
      if (high > greatest) arrow(right, y(splits), 1, Math.max(3, thick));
      if (difference >= least && difference <= greatest) pen.fillRect(inside(difference) - 1.5, y(splits) - thick, 3, thick * 2);
    }
    for (const tick of ticks(1, most, 4).filter(Number.isInteger)) label(pen, String(tick), left - 8, y(tick), { colour: paints.faint, align: "right" });
    label(pen, "splits", left - 8, top - 14, { colour: paints.faint, align: "right" });
    const base = height - 38;
    pen.strokeStyle = tint[last.verdict];
    pen.lineWidth = 4;
    pen.beginPath();
    pen.moveTo(inside(last.low), base);
    pen.lineTo(inside(last.high), base);
    pen.stroke();
    pen.beginPath();
    pen.arc(inside(last.difference), base, 7, 0, 7);
    pen.fillStyle = last.verdict === "undecided" || isLikely(last.verdict) ? paints.background : tint[last.verdict];
    pen.fill();
    pen.lineWidth = 3;
    pen.stroke();
    label(pen, "now", left - 8, base, { colour: paints.faint, align: "right" });
    for (const tick of ticks(least, greatest, width > 420 ? 6 : 4)) label(pen, signedText(tick).replace(/\.0$/, ""), x(tick), height - 10, { colour: paints.faint, align: "center" });
    figure.setAttribute("aria-label", `${finding.textContent} Gain ${gainText(last, "")}; a difference below ${marginText(last)} is too small to matter.`);
  }

  const repaint = oncePerFrame(paint);
  return {
    show(changes) {
      const restarted = ["current", "pinned"].some((name) => name in changes && changes[name]?.splits !== state[name]?.splits);
      if (changes.table !== state.table) state.seen = new Map();
      Object.assign(state, changes);
      if (restarted) state.history = [];
      update();
    },
    grow: update,
    /** Return the verdict so far, or null. */
    verdict: () => (state.pinned ? (state.history.at(-1) ?? null) : null),
    /** Return what is to be said of the verdicts that have been looked at, or an empty text. */
    caution: () => (caution.hidden ? "" : caution.textContent),
  };
}
