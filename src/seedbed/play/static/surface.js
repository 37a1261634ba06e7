/** What the networks say at each place of two columns, the others at what is usual: the mean of the seeds, or one after the other. */

import { CLASS_SERIES, canvasIn, channels, colours, isStill, label, oncePerFrame } from "./paint.js";
import { choiceOf } from "./controls.js";
import { quantile } from "./survey.js";
import { count, element, quantity } from "./words.js";

const GRID = 56;
const MOST_MAPPED = 40;
const MOST_PREDICTED = 4e6; // numbers that all mapped networks predict of the rows
const MOST_SHOWN = 2000; // rows; more would be a blot, and drawing them takes long

/** Return the level line of a grid as pairs of points, by marching squares. */
function levelLine(values, size, level) {
  const found = [];
  for (let row = 0; row + 1 < size; row++) {
    for (let column = 0; column + 1 < size; column++) {
      const corners = [[column, row], [column + 1, row], [column + 1, row + 1], [column, row + 1]];
      const points = [];
      for (let k = 0; k < 4; k++) {
        const [ax, ay] = corners[k];
        const [bx, by] = corners[(k + 1) % 4];
        const a = values[ay * size + ax] - level;
        const b = values[by * size + bx] - level;
        if (a < 0 !== b < 0) points.push([ax + (bx - ax) * (a / (a - b)), ay + (by - ay) * (a / (a - b))]);
      }
      for (let k = 0; k + 1 < points.length; k += 2) found.push(points[k], points[k + 1]);
    }
  }
  return found;
}

/** Build the map. Returns what shows a run on a table; nothing is computed while the map is off the screen. `lookAt` resolves
 * to the survey of a table, see survey.js. */
export function createSurface(container, lookAt) {
  const state = { run: null, table: null, survey: null, columns: null, seen: false, stale: true, outputs: null, test: new Set(), ends: null, mode: "mean", seed: 0, plays: false, turn: 0, at: null };
  const figure = element("figure", { class: "panel plane", role: "img", "aria-label": "Map of predictions" });
  const side = element("div", { class: "map-side" });
  const selects = ["across", "up"].map((axis) => {
    const choose = element("select", { id: `axis-${axis}` });
    choose.addEventListener("change", () => {
      state.columns = selects.map((one) => Number(one.choose.value));
      renew();
    });
    return { axis, choose };
  });
  const mode = element("div", { class: "choice", role: "radiogroup", "aria-label": "What the map shows" });
  const epoch = element("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": "Epoch of the map" });
  const epochName = element("output", {});
  epoch.addEventListener("input", () => {
    state.at = Number(epoch.value) >= Number(epoch.max) ? null : Number(epoch.value);
    renew();
  });
  const seedName = element("output", {});
  const slider = element("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": "Seed on the map" });
  slider.addEventListener("input", () => showSeed(Number(slider.value)));
  const legend = element("ul", { class: "legend" });
  const note = element("p", { class: "small" });
  side.append(
    ...selects.map(({ axis, choose }) => element("label", { for: `axis-${axis}` }, element("span", {}, axis === "across" ? "Across" : "Up"), choose)),
    mode, element("label", { class: "slider" }, element("span", {}, "Seed"), slider, seedName), element("label", { class: "slider" }, element("span", {}, "Epoch"), epoch, epochName), legend, note);
  container.append(figure, side);
  const surface = canvasIn(figure, paint);
  const modes = choiceOf(mode, "map-mode", { mean: "mean of the seeds", each: "one after the other" }, "mean", (value) => {
    state.mode = value;
    if (value === "each") play();
    repaint();
  });
  new IntersectionObserver(([entry]) => {
    state.seen = entry.isIntersecting;
    if (state.seen && state.stale) renew();
    if (state.seen && state.mode === "each") play();
  }, { rootMargin: "200px" }).observe(container);

  function showSeed(seed) {
    Object.assign(state, { seed, mode: "each", plays: false });
    modes.set("each");
    repaint();
  }

  function play() {
    if (state.plays) return;
    state.plays = true;
    let before = 0;
    const pace = isStill() ? 1500 : 220;
    const step = (now) => {
      if (!state.plays || state.mode !== "each" || !state.seen) { state.plays = false; return; }
      if (now - before > pace && state.outputs) {
        before = now;
        state.seed = (state.seed + 1) % state.outputs.length;
        repaint();
      }
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  /** Compute the outputs of all networks at the grid and at the rows. */
  async function renew() {
    const turn = ++state.turn; // what is still computed for another run or table is not shown
    const { run, table } = state;
    state.stale = true;
    if (!table || !state.seen || side.hidden) return;
    const found = state.survey ?? (await lookAt(table));
    if (turn !== state.turn) return;
    if (!state.survey) choose(found);
    const { columns } = state;
    state.ends = columns.map((input) => found.ends[input]);
    if (run?.status !== "done") return repaint(); // the rows alone
    state.stale = false;
    const most = Math.min(MOST_MAPPED, Math.ceil(MOST_PREDICTED / (table.rows * table.nOutputs)), run.request.networks.length);
    const networks = Array.from({ length: most }, (_, i) => i);
    const size = GRID * GRID * table.nOutputs;
    const at = run.epochs[state.at ?? run.epochs.length - 1];
    const [flat, known] = await Promise.all([run.predict(networks, { survey: found, columns, size: GRID }, at), run.predict(networks, null, at)]);
    if (turn !== state.turn) return;
    state.outputs = networks.map((_, i) => flat.subarray(i * size, (i + 1) * size));
    state.known = networks.map((_, i) => known.subarray(i * table.rows * table.nOutputs, (i + 1) * table.rows * table.nOutputs));
    state.mean = meanOf(state.outputs);
    state.knownMean = meanOf(state.known);
    state.lines = table.nOutputs === 1 && table.task !== "regression" ? state.outputs.map((one) => levelLine(one, GRID, 0.5)) : [];
    state.test = new Set(run.split(0).test);
    slider.max = networks.length - 1;
    epoch.max = run.epochs.length - 1;
    epoch.value = state.at ?? epoch.max;
    epochName.textContent = count(at);
    epoch.setAttribute("aria-valuetext", `epoch ${at}`);
    repaint();
  }

  /** Offer the columns of numbers, and choose the two that are most related to the target. */
  function choose(found) {
    const { table } = state;
    const order = [...found.numbers].sort((a, b) => a - b);
    state.survey = found;
    state.columns = table.nInputs === 2 ? order : found.numbers.slice(0, 2);
    selects.forEach(({ choose }, i) => {
      choose.parentNode.hidden = order.length === 2; // both are shown
      choose.replaceChildren(...order.map((input) => element("option", { value: input, selected: input === state.columns[i] }, table.inputs[input].name)));
    });
  }

  function meanOf(all) {
    const mean = new Float32Array(all[0].length);
    for (const one of all) for (let i = 0; i < mean.length; i++) mean[i] += one[i] / all.length;
    return mean;
  }

  function predicted(outputs, row) {
    const { table } = state;
    if (table.nOutputs === 1) return outputs[row] > 0.5 ? 1 : 0;
    let best = 0;
    for (let k = 1; k < table.nOutputs; k++) if (outputs[row * table.nOutputs + k] > outputs[row * table.nOutputs + best]) best = k;
    return best;
  }

  function paint() {
    const { table, ends } = state;
    if (!surface.width || !table) return;
    const { pen, width, height } = surface;
    const paints = colours();
    surface.clear();
    const box = { left: 8, top: 8, width: width - 16, height: height - 34 };
    if (!state.outputs) return ends && paintRows(pen, paints, null, box, ends);
    const outputs = state.mode === "mean" ? state.mean : state.outputs[state.seed % state.outputs.length];
    const known = state.mode === "mean" ? state.knownMean : state.known[state.seed % state.known.length];
    pen.imageSmoothingEnabled = true;
    pen.drawImage(imageOf(outputs, paints), box.left, box.top, box.width, box.height);
    const px = (column) => box.left + (column / (GRID - 1)) * box.width;
    const py = (row) => box.top + (row / (GRID - 1)) * box.height;
    pen.strokeStyle = paints.ink;
    const draw = (points) => {
      pen.beginPath();
      for (let i = 0; i < points.length; i += 2) {
        pen.moveTo(px(points[i][0]), py(points[i][1]));
        pen.lineTo(px(points[i + 1][0]), py(points[i + 1][1]));
      }
      pen.stroke();
    };
    if (state.lines.length) {
      pen.lineWidth = 1;
      pen.globalAlpha = state.mode === "mean" ? 0.22 : 0.1;
      state.lines.forEach(draw);
      pen.globalAlpha = 1;
      pen.lineWidth = 2;
      draw(levelLine(outputs, GRID, 0.5));
    }
    const errors = countErrors(known);
    paintRows(pen, paints, known, box, ends);
    const [across, up] = state.columns.map((input) => table.inputs[input].name);
    label(pen, `${across} \u2192`, box.left + box.width, height - 12, { colour: paints.faint, align: "right" });
    label(pen, `\u2191 ${up}`, box.left, height - 12, { colour: paints.faint });
    seedName.textContent = state.mode === "mean" ? "all" : String(state.seed);
    slider.value = state.seed;
    const who = state.mode === "mean" ? `the mean of ${count(state.outputs.length)} networks` : `seed ${state.seed}`;
    const wrong = table.task === "regression" ? "" : ` ${count(errors)} of ${count(state.test.size)} test rows are wrong.`;
    figure.setAttribute("aria-label", `Predictions of ${who} over ${across} and ${up}.${wrong}`);
    note.textContent = `${wrong.trim()}${table.nInputs > 2 ? ` The map keeps all other columns at their median or most common level. A row has its own values there${table.task === "regression" ? "" : ", so it may lie on the wrong side and be right"}.` : ""}${missingClasses()}${table.rows > MOST_SHOWN ? ` Of ${count(table.rows)} rows, one in ${Math.ceil(table.rows / MOST_SHOWN)} is drawn.` : ""}`;
  }

  function paintRows(pen, paints, known, box, ends) {
    const { table } = state;
    const spread = targetEnds();
    const step = Math.ceil(table.rows / MOST_SHOWN);
    const position = (row, axis) => Math.min(0.99, Math.max(0.01, (table.x[row * table.nInputs + state.columns[axis]] - ends[axis][0]) / (ends[axis][1] - ends[axis][0])));
    for (const isTest of [false, true]) {
      for (let row = 0; row < table.rows; row += step) {
        if (state.test.has(row) !== isTest) continue;
        const x = box.left + position(row, 0) * box.width;
        const y = box.top + (1 - position(row, 1)) * box.height;
        if (!Number.isFinite(x + y)) continue;
        const wrong = known && table.task !== "regression" && predicted(known, row) !== table.y[row];
        pen.beginPath();
        pen.arc(x, y, isTest ? 5 : 2.5, 0, 7);
        pen.fillStyle = table.task === "regression" ? mixed(paints, (table.y[row] - spread[0]) / (spread[1] - spread[0])) : paints.classes[table.y[row] % paints.classes.length];
        pen.globalAlpha = isTest ? 1 : 0.75;
        pen.fill();
        pen.lineWidth = isTest ? 1.3 : 0.5;
        pen.strokeStyle = isTest ? paints.ink : paints.background;
        pen.stroke();
        pen.globalAlpha = 1;
        if (isTest && wrong) {
          pen.lineWidth = 2;
          pen.strokeStyle = paints.ink;
          pen.beginPath();
          pen.moveTo(x - 6, y - 6); pen.lineTo(x + 6, y + 6);
          pen.moveTo(x - 6, y + 6); pen.lineTo(x + 6, y - 6);
          pen.stroke();
        }
      }
    }
  }

  /** Return how many test rows are predicted wrongly. */
  function countErrors(known) {
    const { table, test } = state;
    return table.task === "regression" ? 0 : [...test].filter((row) => predicted(known, row) !== table.y[row]).length;
  }

  /** Say which classes no place of the map has, although test rows of them are predicted right; an empty text if none is missing. */
  function missingClasses() {
    const { table, test, mean, knownMean } = state, shown = new Set(), right = new Map();
    if (table.task === "regression") return "";
    for (let i = 0; i < GRID * GRID; i++) shown.add(predicted(mean, i));
    for (const row of test) if (predicted(knownMean, row) === table.y[row]) right.set(table.y[row], (right.get(table.y[row]) ?? 0) + 1);
    const names = [...right].filter(([label]) => !shown.has(label)).map(([label, n]) => `${table.classes[label]} (${quantity(n, "test row")} right)`);
    return names.length ? ` No place of this map is predicted as ${names.join(", ")}: the columns that the map keeps fixed decide there. Choose other columns.` : "";
  }

  function targetEnds() {
    const sorted = Float64Array.from(state.table.y).sort();
    return [quantile(sorted, 0.02), quantile(sorted, 0.98)];
  }

  function mixed(paints, share) {
    const [low, high] = [channels(paints.classes[0]), channels(paints.current)];
    const at = Math.min(1, Math.max(0, share));
    return `rgb(${low.map((one, k) => Math.round(one + at * (high[k] - one))).join(",")})`;
  }

  function imageOf(outputs, paints) {
    const { table } = state;
    const image = document.createElement("canvas");
    image.width = image.height = GRID;
    const brush = image.getContext("2d");
    const data = brush.createImageData(GRID, GRID);
    const paper = channels(paints.background);
    const tints = paints.classes.map(channels);
    const blue = channels(paints.current);
    const [low, high] = table.task === "regression" ? targetEnds() : [0, 1];
    for (let i = 0; i < GRID * GRID; i++) {
      let colour = paper;
      let strength = 0;
      if (table.task === "regression") {
        const share = Math.min(1, Math.max(0, (outputs[i] - low) / (high - low || 1)));
        colour = tints[0].map((one, k) => one + share * (blue[k] - one));
        strength = 0.75;
      } else if (table.nOutputs === 1) {
        colour = tints[outputs[i] > 0.5 ? 1 : 0];
        strength = Math.abs(outputs[i] - 0.5) * 1.3;
      } else {
        const best = predicted(outputs, i);
        const floor = 1 / table.nOutputs;
        colour = tints[best % tints.length];
        strength = 0.1 + 0.6 * Math.max(0, (outputs[i * table.nOutputs + best] - floor) / (1 - floor));
      }
      for (let k = 0; k < 3; k++) data.data[4 * i + k] = paper[k] + strength * (colour[k] - paper[k]);
      data.data[4 * i + 3] = 255;
    }
    brush.putImageData(data, 0, 0);
    return image;
  }

  function legendOf(table) {
    const dot = (number) => element("span", { class: "dot", style: `--dot: var(--series-${CLASS_SERIES[number]})` });
    const classes = (table.classes ?? []).slice(0, 8).map((name, i) => element("li", {}, dot(i), `${table.target} ${name}`));
    legend.replaceChildren(...classes,
      ...(table.task === "regression" ? [element("li", {}, element("span", { class: "ramp" }), `${table.target}: low to high`)] : [element("li", {}, element("span", { class: "cross" }, "\u00d7"), "test row, wrong")]),
      element("li", {}, element("span", { class: "dot large" }), "test row"), element("li", {}, element("span", { class: "dot small-dot" }), "training row"));
  }

  const repaint = oncePerFrame(paint);
  return {
    show(run, table) {
      if (table !== state.table) {
        figure.hidden = side.hidden = table.inputs.filter(({ kind }) => kind === "number").length < 2;
        container.querySelector(".none")?.remove();
        if (side.hidden) container.append(element("p", { class: "none" }, "The map needs two columns of numbers; this table has fewer."));
        Object.assign(state, { survey: null, columns: null, outputs: null, ends: null, test: new Set(), seed: 0 });
        legendOf(table);
        note.textContent = "";
        document.getElementById("surface-finding").textContent = table.task === "regression" ? "What the networks predict, and where" : "Where the networks draw the line";
      }
      Object.assign(state, { run, table, at: null });
      renew();
    },
  };
}
