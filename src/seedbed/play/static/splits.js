// Which rows train and which test, and what a split's training rows say about the inputs.
//
// Python has written the splits of its table into the page: split s is that of `seedbed train --random-state s`. Other tables
// are split here. A split depends on the table and its number only, so all networks share it.
import { uniform } from "./table.js";

const MOST_LOOKED_AT = 1000; // rows that decide about the sizes of shared inputs

const counted = (n) => Int32Array.from({ length: n }, (_, i) => i);

/** The number of test rows of a split. */
export function testSize(table, split) {
  return table.splits?.sizes[split] ?? Math.ceil(table.rows / 5);
}

/**
 * The rows of one split: a fifth is tested, of each class as nearly as possible.
 *
 * @param {{y: Float64Array, rows: number, classes: ?string[], splits: ?object}} table
 * @param {number} split its number, from 0
 * @returns {{train: Int32Array, test: Int32Array}} row numbers, ascending
 */
export function splitRows(table, split) {
  const { rows, splits, classes, y } = table, first = split * Math.ceil(rows / 8), tested = new Uint8Array(rows);
  if (splits) tested.forEach((_, row) => { tested[row] = splits.tested[first + (row >> 3)] & (128 >> (row & 7)); });
  else {
    // Rows in random order class by class, and of these every fifth.
    const random = uniform(split), keys = Float64Array.from(y, (label) => (classes ? label : 0) + random()), n = testSize(table, split);
    const mixed = counted(rows).sort((a, b) => keys[a] - keys[b]), start = random();
    for (let place = 0; place < n; place++) tested[mixed[Math.floor(((place + start) * rows) / n)]] = 1;
  }
  return { train: counted(rows).filter((row) => !tested[row]), test: counted(rows).filter((row) => tested[row]) };
}

/**
 * The inputs of all rows as the kernel shares them between networks: numbers near 1, 0 for missing cells, flags and
 * levels as 0 or 1. Centre and unit come from all rows, but standardisation by a split's training rows undoes them; they
 * only keep float32 exact.
 *
 * @returns {{centre: Float64Array, unit: Float64Array, x: Float32Array}} x is [row, input]
 */
export function sharedInputs(table) {
  const n = table.nInputs, centre = new Float64Array(n), unit = new Float64Array(n).fill(1);
  const step = Math.max(1, Math.floor(table.rows / MOST_LOOKED_AT)), cells = new Float64Array(table.rows);
  table.inputs.forEach((input, i) => {
    if (input.kind !== "number") return;
    let known = 0, others = 0;
    for (let place = i; place < table.x.length; place += n * step)
      if (!Number.isNaN(table.x[place])) cells[known++] = table.x[place];
    if (!known) return;
    const sorted = cells.subarray(0, known).sort();
    centre[i] = sorted[known >> 1];
    for (let row = 0; row < known; row++)
      if (sorted[row] !== centre[i]) cells[others++] = Math.abs(sorted[row] - centre[i]);
    if (others) unit[i] = cells.subarray(0, others).sort()[(3 * (others - 1)) >> 2];
  });
  return { centre, unit, x: sharedRows(table, table.x, { centre, unit }) };
}

/** Rows of raw cells [row, input] as `sharedInputs` has them. */
export function sharedRows(table, raw, { centre, unit }) {
  const n = table.nInputs, found = new Float32Array(raw.length);
  for (let place = 0; place < raw.length; place += n) {
    for (let i = 0; i < n; i++) {
      const input = table.inputs[i], cell = raw[place + i];
      if (input.kind === "number") found[place + i] = Number.isNaN(cell) ? 0 : (cell - centre[i]) / unit[i];
      else if (input.kind === "flag") found[place + i] = Number.isNaN(raw[place + input.of]) ? 1 : 0;
      else found[place + i] = cell;
    }
  }
  return found;
}

/** Inputs that may add to another: flags of missing cells to their number, levels to the input of rare levels. */
export function givers(table) {
  return counted(table.nInputs).filter((i) => table.inputs[i].of !== null);
}

/**
 * What a split makes of the shared inputs: z = scale * x + shift + what givers add, so that training rows have mean 0
 * and deviation 1 in each number, and missing cells the median. Only training rows are looked at.
 *
 * @param {Int32Array} rows the training rows
 * @returns {{scale: Float32Array, shift: Float32Array, extra: Float32Array}} [input], [input], [giver]
 */
export function splitDesign(table, shared, rows) {
  const n = table.nInputs, x = shared.x, { inputs } = table, nRows = rows.length;
  const scale = new Float32Array(n), shift = new Float32Array(n), filler = new Float64Array(n);
  const sum = new Float64Array(n), squares = new Float64Array(n);
  const low = new Float32Array(n).fill(Infinity), high = new Float32Array(n).fill(-Infinity);
  // A missing cell counts as the median of the others. Only numbers with a flag have any.
  const gaps = new Map();
  inputs.forEach(({ kind, of }) => { if (kind === "flag") gaps.set(of, []); });
  for (const [i, cells] of gaps) {
    for (const row of rows) if (!Number.isNaN(table.x[row * n + i])) cells.push(x[row * n + i]);
    const known = Float64Array.from(cells).sort(), half = known.length >> 1;
    if (known.length) filler[i] = known.length % 2 ? known[half] : (known[half - 1] + known[half]) / 2;
  }
  const cell = (row, i) => (gaps.has(i) && Number.isNaN(table.x[row * n + i]) ? filler[i] : x[row * n + i]);
  for (const row of rows)
    for (let i = 0; i < n; i++) {
      const value = gaps.size ? cell(row, i) : x[row * n + i];
      sum[i] += value;
      if (value < low[i]) low[i] = value;
      if (value > high[i]) high[i] = value;
    }
  for (const row of rows)
    for (let i = 0; i < n; i++) squares[i] += ((gaps.size ? cell(row, i) : x[row * n + i]) - sum[i] / nRows) ** 2;
  inputs.forEach(({ kind, of, needed }, i) => {
    if (kind === "number" && low[i] < high[i] && gaps.get(i)?.length !== 0) {
      const deviation = Math.sqrt(squares[i] / nRows);
      scale[i] = 1 / deviation;
      shift[i] = -sum[i] / nRows / deviation;
      filler[i] /= deviation;
    } else if (kind === "flag") scale[i] = sum[i] > 0 && sum[i] < nRows ? 1 : 0;
    else if (kind === "level") {
      scale[i] = sum[i] >= needed ? 1 : 0;
      if (!scale[i]) sum[of] += sum[i];
    }
  });
  inputs.forEach(({ kind }, i) => {
    if (kind === "bucket") scale[i] = sum[i] > 0 ? 1 : 0;
  });
  const extra = Float32Array.from(givers(table), (i) => {
    const { kind, of } = inputs[i];
    return kind === "flag" ? (scale[of] ? filler[of] : 0) : !scale[i] && scale[of] ? 1 : 0;
  });
  return { scale, shift, extra };
}

/** Mean and deviation of numbers by which a regression's target is standardised. */
export function moments(values) {
  let mean = 0, squares = 0;
  for (const value of values) mean += value / values.length;
  for (const value of values) squares += (value - mean) ** 2;
  return { mean, deviation: Math.sqrt(squares / values.length) || 1 };
}
