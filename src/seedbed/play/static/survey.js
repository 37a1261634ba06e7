// What the map needs to know of a table's columns. Workers compute it, as sorting many columns takes long.

/** The value below which a share of sorted numbers lies. */
export function quantile(sorted, share) {
  if (!sorted.length) return NaN;
  const at = share * (sorted.length - 1), low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

const MOST_PAIRED = 12; // inputs of which all pairs are tried
const BINS = 6; // of an input, with as many rows each

/** The bin of each row [row], by quantiles of the known values; -1 where the cell is missing. */
function binsOf({ x, rows, nInputs }, input, sorted) {
  const ends = Array.from({ length: BINS - 1 }, (_, k) => quantile(sorted, (k + 1) / BINS));
  return Int8Array.from({ length: rows }, (_, row) => {
    const value = x[row * nInputs + input];
    return Number.isNaN(value) ? -1 : ends.reduce((bin, end) => bin + (value >= end), 0);
  });
}

/** How well two inputs divide the classes: the share of the other rows in a row's pair of bins that are of its class, as a mean
 * over rows. A row with a missing cell, which a map doesn't show, counts 0, and so does a row that is alone. */
function division(labels, nClasses, one, other) {
  const counts = new Float64Array(BINS * BINS * nClasses);
  labels.forEach((label, row) => { if (one[row] >= 0 && other[row] >= 0) counts[(one[row] * BINS + other[row]) * nClasses + label] += 1; });
  let same = 0;
  for (let cell = 0; cell < counts.length; cell += nClasses) {
    const own = counts.subarray(cell, cell + nClasses), all = own.reduce((sum, n) => sum + n, 0);
    if (all > 1) same += own.reduce((sum, n) => sum + n * (n - 1), 0) / (all - 1);
  }
  return same / labels.length;
}

/**
 * Look at all columns of a table.
 *
 * @returns {{numbers: number[], usual: Float64Array, ends: number[][]}} `numbers`: the inputs that are numbers, those with two
 *   values last, as all rows would lie on two lines: first the two that together divide the classes best, or the bins of a
 *   number that is the target, then the others by how well each does alone; `usual`: of each input, the median, or 1 for the commonest level of a category, else 0;
 *   `ends`: of each input, between which a map shows it
 */
export function survey(table) {
  const { x, rows, nInputs, inputs } = table, usual = new Float64Array(nInputs), ends = [], pairs = new Set(), commonest = new Map(), bins = new Map();
  for (let input = 0; input < nInputs; input++) {
    const cells = new Float64Array(rows);
    let known = 0;
    for (let place = input; place < x.length; place += nInputs) if (!Number.isNaN(x[place])) cells[known++] = x[place];
    const sorted = cells.subarray(0, known).sort(), { kind, column } = inputs[input];
    if (kind === "level" || kind === "bucket") {
      const count = sorted.reduce((sum, one) => sum + one, 0), before = commonest.get(column);
      if (!before || count > before.count) commonest.set(column, { input, count });
    } else if (known) usual[input] = sorted[known >> 1];
    if (kind === "number") bins.set(input, binsOf(table, input, sorted));
    if (sorted.every((cell) => cell === sorted[0] || cell === sorted[known - 1])) pairs.add(input);
    // A few extreme rows would squeeze all others into a corner: they are drawn at the edge.
    const [low, high] = nInputs > 2 ? [quantile(sorted, 0.02), quantile(sorted, 0.98)] : [sorted[0], sorted[known - 1]];
    const edge = (high - low || 1) * 0.06;
    ends.push([low - edge, high + edge]);
  }
  for (const { input } of commonest.values()) usual[input] = 1;
  const labels = table.task === "regression" ? binsOf({ x: table.y, rows, nInputs: 1 }, 0, Float64Array.from(table.y).sort()) : table.y;
  const together = (one, other) => division(labels, table.task === "regression" ? BINS : table.classes.length, bins.get(one), bins.get(other));
  const alone = new Map([...bins.keys()].map((input) => [input, together(input, input)]));
  const numbers = [...bins.keys()].sort((a, b) => pairs.has(a) - pairs.has(b) || alone.get(b) - alone.get(a));
  const tried = numbers.filter((input) => !pairs.has(input)).slice(0, MOST_PAIRED);
  let best = { value: -1, two: [] };
  tried.forEach((one, i) => tried.slice(0, i).forEach((other) => {
    const value = together(other, one);
    if (value > best.value) best = { value, two: [other, one] };
  }));
  return { numbers: [...best.two, ...numbers.filter((input) => !best.two.includes(input))], usual, ends };
}

/** Raw rows [point, input] at a square grid over two inputs, from the top left on; the others at what is usual. */
export function gridRows({ usual, ends }, [across, up], size) {
  const n = usual.length, rows = new Float64Array(size * size * n);
  const at = (input, share) => ends[input][0] + share * (ends[input][1] - ends[input][0]);
  for (let i = 0; i < size * size; i++) {
    rows.set(usual, i * n);
    rows[i * n + across] = at(across, (i % size) / (size - 1));
    rows[i * n + up] = at(up, 1 - Math.floor(i / size) / (size - 1));
  }
  return rows;
}
