/** The curves of all seeds, live: training rows left, test rows right, with the middle half as a band and one seed in ink. */

import { canvasIn, colours, label, oncePerFrame, ticks } from "./paint.js";
import { testSize } from "./splits.js";
import { quantile } from "./survey.js";
import { count, element, lossText, quantity, scoreName, scoreText, tickText } from "./words.js";

const LEFT = 44;
const TOP = 26;
const BOTTOM = 26;
const STRIP = 46;
const BUDGET = 6; // milliseconds of drawing in a frame

/** Return the values of all trained networks at one recorded epoch, sorted. */
export function valuesAt(run, curve, at) {
  const length = run.epochs.length;
  const values = run.curves[curve];
  const found = [];
  for (let i = at; i < values.length; i += length) if (Number.isFinite(values[i])) found.push(values[i]);
  return Float64Array.from(found).sort();
}

/** Return the place of the last recorded epoch of a run that isn't after an epoch; the first if all are. */
export function placeUpTo(run, epoch) {
  return Math.max(0, run.epochs.findLastIndex((recorded) => recorded <= epoch));
}

/** Return the width of bins of scores on an axis of so many pixels per 1, at least `least` pixels. An accuracy is a multiple
 * of 1 / test rows: a bin holds one such value where there is space, else an odd number of them, so that none is left out. */
export function binWidth(run, task, pixels, least) {
  if (task === "regression") return least / pixels;
  const rows = testSize(run.table, 0);
  const values = Math.ceil((least * rows) / pixels);
  return (values + 1 - (values % 2)) / rows;
}

/** Return how many values lie in each bin: Map from the bin's middle to their number. */
export function pilesOf(values, width) {
  const piles = new Map();
  for (const value of values) {
    const middle = Math.round(value / width) * width;
    piles.set(middle, (piles.get(middle) ?? 0) + 1);
  }
  return piles;
}

const bands = new WeakMap();

/** Return quartiles and median at each recorded epoch, NaN where fewer than two networks are. A growing run's are renewed
 * every 120 ms. */
export function bandOf(run, curve) {
  if (!bands.has(run)) bands.set(run, {});
  const kept = bands.get(run)[curve];
  const now = performance.now();
  if (kept && (kept.isDone || (run.status === "running" && now - kept.time < 120))) return kept.band;
  const band = computeBand(run, curve);
  bands.get(run)[curve] = { band, time: now, isDone: run.status !== "running" };
  return band;
}

function computeBand(run, curve) {
  const band = { low: [], middle: [], high: [] };
  for (let at = 0; at < run.epochs.length; at++) {
    const sorted = valuesAt(run, curve, at);
    band.low.push(sorted.length > 1 ? quantile(sorted, 0.25) : NaN);
    band.middle.push(sorted.length > 1 ? quantile(sorted, 0.5) : NaN);
    band.high.push(sorted.length > 1 ? quantile(sorted, 0.75) : NaN);
  }
  return band;
}

/** Draw the curves into a place of the page, and return what shows a run, and moves the cursor. */
export function createCurves(container, { onPick }) {
  const state = { run: null, pinned: null, task: "binary", measure: "score", at: null, highlight: 0 };
  const domain = { low: 0.5, high: 1 };
  const panels = ["train", "test"].map((part) => {
    const figure = element("figure", { class: `panel ${part}`, role: "img" });
    container.append(figure);
    const panel = { part, figure, drawn: [], waiting: false };
    panel.axes = canvasIn(figure, () => paintAxes(panel));
    panel.lines = canvasIn(figure, () => startLines(panel));
    panel.front = canvasIn(figure, () => paintFront(panel));
    figure.addEventListener("pointerdown", (event) => pick(panel, event));
    figure.addEventListener("pointermove", (event) => event.buttons && pick(panel, event));
    return panel;
  });

  const curveOf = (panel) => `${panel.part}${state.measure === "score" ? "Score" : "Loss"}`;
  const right = (panel) => panel.axes.width - (panel.part === "test" ? STRIP : 8);
  const x = (panel, epoch) => LEFT + (right(panel) - LEFT) * (epoch / Math.max(1, state.run.epochs.at(-1)));
  const y = (panel, value) => TOP + (panel.axes.height - TOP - BOTTOM) * (1 - (value - domain.low) / (domain.high - domain.low));
  const at = () => Math.min(state.at ?? Infinity, state.run.epochs.length - 1);

  function pick(panel, event) {
    if (!state.run) return;
    const box = panel.figure.getBoundingClientRect();
    const share = (event.clientX - box.left - LEFT) / (right(panel) - LEFT);
    const epoch = Math.min(1, Math.max(0, share)) * state.run.epochs.at(-1);
    let best = 0;
    state.run.epochs.forEach((recorded, i) => { if (Math.abs(recorded - epoch) < Math.abs(state.run.epochs[best] - epoch)) best = i; });
    onPick(best);
  }

  /** Return the lowest score on the axis. Some networks begin far below guessing; their first lines are cut off, so that the rest
   * has the space. For numbers they may end there, too. */
  function floorOf(run) {
    if (state.task !== "regression") return Math.max(0, Math.floor(10 / Math.max(2, state.nOutputs) - 2) / 10);
    const last = valuesAt(run, "testScore", run.epochs.length - 1);
    return last.length ? Math.min(-1, 1.1 * quantile(last, 0.25)) : -1;
  }

  /** Widen the axis to hold what has come. It grows in steps and never shrinks in a run, so that lines are rarely redrawn. */
  function widen() {
    let changed = false;
    const reach = (loss) => {
      if (loss <= domain.high) return;
      domain.high = loss > 2 ? Math.ceil(loss) : Math.ceil(loss * 5 + 1e-6) / 5;
      changed = true;
    };
    const runs = [state.run, state.pinned].filter(Boolean);
    for (const run of runs) {
      const length = run.epochs.length;
      const floor = floorOf(run);
      for (const part of ["train", "test"]) {
        const values = run.curves[`${part}${state.measure === "score" ? "Score" : "Loss"}`];
        for (let i = 0; i < values.length; i++) {
          const value = values[i];
          if (!Number.isFinite(value)) continue;
          if (state.measure === "score") {
            if (value < domain.low && domain.low > floor) { domain.low = Math.max(floor, Math.floor(value * 10 + 1e-6) / 10); changed = true; }
          } else if (i % length < 3 && value < 1e3) reach(value);
        }
        if (state.measure === "score") continue;
        // Later losses may rise far: the axis holds the middle half of the networks, and the highlighted one of the current run.
        bandOf(run, `${part}Loss`).high.forEach((value) => value < 1e3 && reach(value));
        if (run === state.run) values.subarray(state.highlight * length, (state.highlight + 1) * length).forEach((value) => value < 1e3 && reach(value));
      }
    }
    return changed;
  }

  function paintAxes(panel) {
    const { pen, width, height } = panel.axes;
    if (!width) return;
    panel.axes.clear();
    const paint = colours();
    const title = panel.part === "train" ? "training rows" : "test rows";
    const name = state.measure === "score" ? scoreName(state.task) : "loss";
    label(pen, title, LEFT, 10, { colour: paint.ink, size: 13, weight: "bold" });
    label(pen, panel.part === "train" ? `${name} on rows they learn from` : `${name} on rows they never see`, LEFT + (panel.part === "train" ? 92 : 64), 10, { colour: paint.faint });
    pen.lineWidth = 1;
    for (const tick of ticks(domain.low, domain.high, 5)) {
      pen.strokeStyle = paint.rule;
      pen.beginPath();
      pen.moveTo(LEFT, Math.round(y(panel, tick)) + 0.5);
      pen.lineTo(right(panel), Math.round(y(panel, tick)) + 0.5);
      pen.stroke();
      const text = state.measure === "score" ? tickText(tick, state.task) : String(Number(tick.toFixed(6)));
      label(pen, text, LEFT - 6, y(panel, tick), { colour: paint.faint, align: "right" });
    }
    if (!state.run) return;
    const last = state.run.epochs.at(-1);
    for (const tick of ticks(0, last, panel.axes.width > 320 ? 5 : 3).filter(Number.isInteger)) {
      label(pen, count(tick), x(panel, Math.min(last, tick)), height - BOTTOM + 12, { colour: paint.faint, align: tick >= last ? "right" : "center" });
    }
  }

  function startLines(panel) {
    panel.lines.clear();
    panel.drawn = [];
    extendLines(panel);
  }

  /** Draw what has come since the last frame, for a few milliseconds; the next frame draws the rest. */
  function extendLines(panel) {
    if (!state.run || !panel.lines.width) return;
    const { pen } = panel.lines;
    const { epochs, curves, request } = state.run;
    const values = curves[curveOf(panel)];
    const end = performance.now() + BUDGET;
    const networks = request.networks.length;
    pen.strokeStyle = colours().current;
    pen.globalAlpha = Math.min(0.6, Math.max(0.1, 9 / networks));
    pen.lineWidth = 1;
    pen.lineJoin = "round";
    pen.save();
    clipToPlot(panel, pen);
    let rest = false;
    for (let network = 0; network < networks; network++) {
      if (performance.now() > end) { rest = true; break; }
      let from = panel.drawn[network] ?? 0;
      const row = network * epochs.length;
      let to = from;
      while (to < epochs.length && Number.isFinite(values[row + to])) to++;
      if (to - from < 1 || to < 2) continue;
      pen.beginPath();
      from = Math.max(0, from - 1);
      pen.moveTo(x(panel, epochs[from]), y(panel, values[row + from]));
      for (let i = from + 1; i < to; i++) pen.lineTo(x(panel, epochs[i]), y(panel, values[row + i]));
      pen.stroke();
      panel.drawn[network] = to;
    }
    pen.restore();
    if (rest && !panel.waiting) {
      panel.waiting = true;
      requestAnimationFrame(() => { panel.waiting = false; extendLines(panel); });
    }
  }

  function clipToPlot(panel, pen) {
    pen.beginPath();
    pen.rect(LEFT - 1, TOP - 5, panel.axes.width, panel.axes.height - TOP - BOTTOM + 7);
    pen.clip();
  }

  function paintBand(panel, run, colour, dashed) {
    const { pen } = panel.front;
    const band = bandOf(run, curveOf(panel));
    const places = band.middle.map((_, i) => i).filter((i) => Number.isFinite(band.middle[i]));
    if (places.length < 2) return;
    const left = (i) => x(panel, run.epochs[i]);
    pen.save();
    // The pinned network may have more epochs than the axis: its curve is cut off there.
    pen.beginPath();
    pen.rect(LEFT, 0, right(panel) - LEFT + 1, panel.axes.height);
    pen.clip();
    pen.fillStyle = colour;
    pen.globalAlpha = 0.22;
    pen.beginPath();
    places.forEach((i) => pen.lineTo(left(i), y(panel, band.high[i])));
    places.toReversed().forEach((i) => pen.lineTo(left(i), y(panel, band.low[i])));
    pen.fill();
    pen.globalAlpha = 1;
    pen.strokeStyle = colour;
    pen.lineWidth = 2.5;
    pen.setLineDash(dashed ? [6, 4] : []);
    pen.beginPath();
    places.forEach((i) => pen.lineTo(left(i), y(panel, band.middle[i])));
    pen.stroke();
    pen.restore();
  }

  function paintFront(panel) {
    if (!state.run || !panel.front.width) return;
    const { pen, height } = panel.front;
    const paint = colours();
    panel.front.clear();
    pen.save();
    clipToPlot(panel, pen);
    if (state.pinned) paintBand(panel, state.pinned, paint.pinned, true);
    paintBand(panel, state.run, paint.current, false);
    const { epochs, curves } = state.run;
    const values = curves[curveOf(panel)];
    const row = state.highlight * epochs.length;
    pen.strokeStyle = paint.ink;
    pen.lineWidth = 1.6;
    pen.lineJoin = "round";
    pen.beginPath();
    for (let i = 0; i < epochs.length && Number.isFinite(values[row + i]); i++) pen.lineTo(x(panel, epochs[i]), y(panel, values[row + i]));
    pen.stroke();
    const index = at();
    if (Number.isFinite(values[row + index])) {
      pen.fillStyle = paint.ink;
      pen.beginPath();
      pen.arc(x(panel, epochs[index]), y(panel, values[row + index]), 4, 0, 7);
      pen.fill();
    }
    if (state.at !== null && index < epochs.length - 1) {
      pen.strokeStyle = paint.faint;
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(Math.round(x(panel, epochs[index])) + 0.5, TOP);
      pen.lineTo(Math.round(x(panel, epochs[index])) + 0.5, height - BOTTOM);
      pen.stroke();
    }
    pen.restore();
    if (panel.part === "test") paintStrip(panel, paint, valuesAt(state.run, curveOf(panel), index));
    panel.figure.setAttribute("aria-label", describe(panel, index));
  }

  /** Draw how often each value occurs, at the right end of the test curves. */
  function paintStrip(panel, paint, sorted) {
    const { pen } = panel.front;
    const pixels = y(panel, 0) - y(panel, 1);
    const unit = binWidth(state.run, state.measure === "score" ? state.task : "regression", pixels, 3);
    const bins = pilesOf(sorted, unit);
    const most = Math.max(1, ...bins.values());
    const thick = Math.min(5, unit * pixels - 1);
    pen.fillStyle = paint.current;
    pen.globalAlpha = 0.75;
    for (const [value, size] of bins) {
      if (value < domain.low - unit || value > domain.high + unit) continue; // beyond the axis
      pen.fillRect(right(panel) + 5, y(panel, value) - thick / 2, Math.max(2, (size / most) * (STRIP - 8)), thick);
    }
    pen.globalAlpha = 1;
  }

  function describe(panel, index) {
    const sorted = valuesAt(state.run, curveOf(panel), index);
    const text = state.measure === "score" ? (value) => scoreText(value, state.task) : lossText;
    const name = state.measure === "score" ? scoreName(state.task) : "loss";
    const part = panel.part === "train" ? "training rows" : "test rows";
    if (!sorted.length) return `Curves on ${part}: nothing is trained yet.`;
    return `Curves of ${quantity(sorted.length, "network")} on ${part}. At epoch ${state.run.epochs[index]} the middle half has ${name} ` +
      `${text(quantile(sorted, 0.25))} to ${text(quantile(sorted, 0.75))}, all of them ${text(sorted[0])} to ${text(sorted.at(-1))}.`;
  }

  function redraw() {
    for (const panel of panels) {
      paintAxes(panel);
      startLines(panel);
      paintFront(panel);
    }
  }

  const front = oncePerFrame(() => panels.forEach(paintFront));

  return {
    /** Show a run from its beginning. */
    show(run, pinned, { task, nOutputs }) {
      Object.assign(state, { run, pinned, task, nOutputs });
      Object.assign(domain, state.measure === "score" ? { low: task === "regression" ? 0 : 0.5, high: 1 } : { low: 0, high: 0.8 });
      widen();
      redraw();
    },
    /** Draw what has come. */
    grow() {
      if (widen()) redraw();
      else {
        panels.forEach(extendLines);
        front();
      }
    },
    set(changes) {
      const redraws = "measure" in changes;
      Object.assign(state, changes);
      if (redraws) this.show(state.run, state.pinned, state);
      else if (state.run && "highlight" in changes && widen()) redraw();
      else front();
    },
  };
}
