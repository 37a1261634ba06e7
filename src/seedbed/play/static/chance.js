/** Chance, seen: test scores over seeds and over splits side by side, and what one run alone would have shown. */

import { binWidth, pilesOf, placeUpTo, valuesAt } from "./curves.js";
import { canvasIn, colours, label, oncePerFrame, ticks } from "./paint.js";
import { namesBeside, settingsName } from "./settings.js";
import { count, quantity, element, pointMeaning, rangeText, scoreName, scoreText, sizeText, tickText } from "./words.js";

const BASE = 28;
const HEAD = 30;

/** Return the scores of single networks at a recorded epoch, one for each split, all with the first seed. */
function scoresOverSplits(run, at) {
  const found = [];
  run.request.networks.forEach(({ seed }, i) => {
    const value = run.curves.testScore[i * run.epochs.length + at];
    if (seed === 0 && Number.isFinite(value)) found.push(value);
  });
  return Float64Array.from(found).sort();
}

/** Draw both distributions and the one run. Returns what shows the runs of the current and the pinned network. */
export function createChance(container, drawContainer) {
  const state = { current: null, pinned: null, task: "binary", at: null, mark: null, tally: { better: 0, worse: 0, equal: 0, all: 0 }, seen: [] };
  const panels = ["seeds", "splits"].map((kind) => {
    const figure = element("figure", { class: "panel spread", role: "img" });
    const caption = element("p", { class: "small" });
    container.append(element("div", {}, figure, caption));
    const panel = { kind, figure, caption };
    panel.surface = canvasIn(figure, () => paint(panel));
    return panel;
  });
  const said = element("p", { class: "said", role: "status" });
  const button = element("button", { type: "button", class: "main", onclick: draw }, "Draw one run");
  drawContainer.append(button, said);
  say();

  /** Return the recorded epoch at which a run is shown: the chosen one, or the run's last where it ends before. */
  function placeIn(run) {
    const last = run.epochs.length - 1;
    if (state.at === null) return last;
    const { epochs } = state.current.seeds ?? state.current.splits;
    return placeUpTo(run, epochs[Math.min(state.at, epochs.length - 1)]);
  }

  function valuesOf(trained, kind) {
    const run = trained?.[kind];
    if (!run) return [];
    return kind === "seeds" ? valuesAt(run, "testScore", placeIn(run)) : scoresOverSplits(run, placeIn(run));
  }

  function domain() {
    const all = [state.current, state.pinned].flatMap((trained) => ["seeds", "splits"].flatMap((kind) => [...valuesOf(trained, kind)]));
    if (!all.length) return [0.5, 1];
    // A few networks that are far worse than the mean lie beyond the left edge, so that the others have the space.
    const usual = all.filter((value) => value > -1.5);
    const low = Math.min(...(usual.length < 0.9 * all.length ? all : usual));
    const high = Math.max(...all);
    const edge = Math.max(0.02, (high - low) * 0.08);
    return [low - edge, state.task === "regression" ? high + edge : Math.min(1.005, high + edge)];
  }

  function paint(panel) {
    const { pen, width, height } = panel.surface;
    if (!width || !state.current) return;
    panel.surface.clear();
    const paints = colours();
    const [low, high] = domain();
    const x = (value) => 12 + (width - 24) * ((value - low) / (high - low || 1));
    const values = valuesOf(state.current, panel.kind);
    if (!state.current.seeds && !state.current.splits) return;
    const others = valuesOf(state.pinned, panel.kind);
    const title = panel.kind === "seeds" ? `${quantity(values.length, "seed")}, one split` : `one seed, ${quantity(values.length, "split")}`;
    const { epochs } = state.current[panel.kind] ?? { epochs: [] };
    const epoch = state.at === null || state.at >= epochs.length - 1 ? "" : `, epoch ${count(epochs[state.at])}`;
    label(pen, title + epoch, 12, 12, { colour: paints.ink, size: 13, weight: "bold" });
    const pixels = x(1) - x(0);
    const unit = binWidth(state.current.seeds ?? state.current.splits, state.task, pixels, state.task === "regression" ? 8 : 3);
    const wide = Math.min(9, unit * pixels);
    const [mine, theirs] = [values, others].map((some) => new Map([...pilesOf(some, unit)].map(([value, size]) => [x(value), size])));
    // Both piles have one scale: the line between them lies where both fit.
    const [up, down] = [mine, theirs].map((piles) => Math.max(0, ...piles.values()));
    const space = height - BASE - HEAD;
    const step = Math.min(wide, space / Math.max(1, up + down));
    const floor = others.length ? HEAD + space * Math.min(0.9, Math.max(0.1, up / (up + down))) : height - BASE;
    pen.strokeStyle = paints.rule;
    pen.lineWidth = 1;
    for (const tick of ticks(low, high, width > 320 ? 6 : 4)) {
      pen.beginPath();
      pen.moveTo(Math.round(x(tick)) + 0.5, 24);
      pen.lineTo(Math.round(x(tick)) + 0.5, height - BASE + 4);
      pen.stroke();
      label(pen, tickText(tick, state.task), x(tick), height - 12, { colour: paints.faint, align: "center" });
    }
    pen.strokeStyle = paints.faint;
    pen.beginPath();
    pen.moveTo(8, Math.round(floor) + 0.5);
    pen.lineTo(width - 8, Math.round(floor) + 0.5);
    pen.stroke();
    stack(pen, mine, floor, { wide, step }, paints.current, -1);
    stack(pen, theirs, floor, { wide, step }, paints.pinned, 1);
    for (const [score, sign] of [[state.mark?.current, -1], [state.mark?.pinned, 1]]) {
      if (!Number.isFinite(score) || (sign > 0 && !others.length) || state.mark.kind !== panel.kind) continue;
      pen.strokeStyle = paints.ink;
      pen.lineWidth = 2.5;
      pen.beginPath();
      pen.moveTo(x(score), floor);
      pen.lineTo(x(score), floor + sign * (sign > 0 ? height - BASE - floor : floor - 26));
      pen.stroke();
    }
    describe(panel, values, others, [...values, ...others].filter((value) => value < low).length);
  }

  /** Draw one dot for each network, upwards or downwards; bars where the dots would be too small. Piles: middle to size. */
  function stack(pen, piles, floor, { wide, step }, colour, sign) {
    pen.fillStyle = colour;
    for (const [middle, size] of piles) {
      if (step < 0.7 * wide) {
        pen.fillRect(middle - (wide - 1) / 2, sign < 0 ? floor - size * step : floor, wide - 1, size * step);
        continue;
      }
      for (let i = 0; i < size; i++) {
        pen.beginPath();
        pen.arc(middle, floor + sign * (i + 0.5) * step + sign, Math.min(wide, step) / 2 - 0.4, 0, 7);
        pen.fill();
      }
    }
  }

  function describe(panel, values, others, beyond) {
    const text = (value) => scoreText(value, state.task);
    const span = (sorted) => rangeText(text(sorted[0]), text(sorted.at(-1)));
    const name = scoreName(state.task);
    if (!values.length) {
      panel.caption.textContent = panel.kind === "splits" ? "The splits are trained after the seeds." : "";
    } else {
      panel.caption.textContent = panel.kind === "seeds"
        ? `Same rows, same recipe. Only the random start differs: test ${name} ${span(values)}.`
        : `Same recipe, same seed. Only the test rows differ: ${span(values)}.`;
    }
    if (panel.kind === "splits" && values.length) panel.caption.textContent += " A split chooses the test rows at random.";
    if (others.length) panel.caption.textContent += ` Reference, ${namesBeside(state.current.settings, state.pinned.settings)[1]}: ${span(others)}.`;
    if (beyond) panel.caption.textContent += ` Beyond the left edge: ${quantity(beyond, "network")}.`;
    panel.figure.setAttribute("aria-label", panel.caption.textContent);
  }

  /** Say in the heading how far scores spread over seeds and over splits. */
  function headline() {
    const [seeds, splits] = ["seeds", "splits"].map((kind) => valuesOf(state.current, kind));
    const reach = (sorted) => sizeText(sorted.at(-1) - sorted[0]);
    const heading = document.getElementById("chance-finding");
    heading.title = `A point: ${pointMeaning(state.task)}.`;
    if (seeds.length < 2 || splits.length < 2) heading.textContent = "How much is chance?";
    else heading.textContent = `By chance alone: up to ${reach(seeds)} between seeds, up to ${reach(splits)} between splits.`;
  }

  function draw() {
    const { current, pinned, task } = state;
    const runs = current?.splits ?? current?.seeds;
    const done = runs ? runs.request.networks.map((network, i) => ({ ...network, i })).filter(({ i }) => Number.isFinite(scoreAt(runs, i))) : [];
    if (!done.length) return;
    const drawn = done[Math.floor(Math.random() * done.length)];
    const mine = scoreAt(runs, drawn.i);
    const otherRuns = runs === current.splits ? pinned?.splits : pinned?.seeds;
    const j = otherRuns?.request.networks.findIndex((network) => network.split === drawn.split && network.seed === drawn.seed) ?? -1;
    const other = j >= 0 ? scoreAt(otherRuns, j) : NaN;
    state.mark = { kind: runs === current.splits ? "splits" : "seeds", current: mine, pinned: other };
    state.tally.all++;
    const [name, rival] = pinned ? namesBeside(current.settings, pinned.settings) : [settingsName(current.settings), ""];
    const start = `Split ${drawn.split + 1}, seed ${drawn.seed}: `;
    if (Number.isFinite(other)) {
      const gain = mine - other;
      const verdict = Math.abs(gain) < 1e-9 ? "equal" : gain > 0 ? "better" : "worse";
      state.tally[verdict]++;
      const claim = verdict === "equal" ? `\u201c${name} and ${rival} are equally good.\u201d` : `\u201c${verdict === "better" ? name : rival} is better, by ${sizeText(gain)}.\u201d`;
      say(`${start}${name} ${scoreText(mine, task)}, ${rival} ${scoreText(other, task)}. A tutorial would write: `, claim,
        ` ${quantity(state.tally.all, "single run")} so far: ${state.tally.better} better, ${state.tally.worse} worse, ${state.tally.equal} equal.`);
    } else {
      state.seen.push(mine);
      const tail = state.seen.length > 1 ? ` Your ${state.seen.length} runs so far: ${state.seen.slice(-8).map((value) => scoreText(value, task)).join(", ")}.` : " Draw again.";
      say(`${start}${scoreText(mine, task)}. A tutorial would write: `, `\u201c${name} reaches ${scoreText(mine, task)}.\u201d`, tail);
    }
    panels.forEach(paint);
  }

  const scoreAt = (run, i) => run.curves.testScore[i * run.epochs.length + placeIn(run)];

  function say(start, claim, tail) {
    if (!start) said.replaceChildren("Train once, as most tutorials do: one split, one seed. What would you conclude?");
    else said.replaceChildren(start, element("b", {}, claim), tail);
  }

  const repaint = oncePerFrame(() => { panels.forEach(paint); headline(); });

  /** Forget the runs that were drawn: another network or epoch is looked at. */
  function reset() {
    Object.assign(state, { mark: null, seen: [], tally: { better: 0, worse: 0, equal: 0, all: 0 } });
    say();
    repaint();
  }

  return {
    show(changes) {
      const isOther = "at" in changes && changes.at !== state.at;
      Object.assign(state, changes);
      if (isOther) reset();
      repaint();
    },
    reset,
  };
}
