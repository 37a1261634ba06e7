// What the map needs to know of a table's columns. Workers compute it, as sorting many columns takes long.

/** The value below which a share of sorted numbers lies. */
export function quantile(sorted, share) {
  if (!sorted.length) return NaN;
  const at = share * (sorted.length - 1), low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

/** How closely an input is related to the target: the size of their correlation, over the rows that have both. */
function relation({ x, y, rows, nInputs }, input) {
  let n = 0, sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
  for (let row = 0; row < rows; row++) {
    const a = x[row * nInputs + input], b = y[row];
    if (Number.isNaN(a)) continue;
    n++, (sx += a), (sy += b), (sxx += a * a), (syy += b * b), (sxy += a * b);
  }
  return Math.abs((n * sxy - sx * sy) / (Math.sqrt((n * sxx - sx * sx) * (n * syy - sy * sy)) || 1)) || 0;
}

/**
 * Look at all columns of a table.
 *
 * @returns {{numbers: number[], medians: Float64Array, ends: number[][]}} `numbers`: the inputs that are numbers, the ones
 *   most related to the target first, but those with two values last, as all rows would lie on two lines; `medians`: of each input, missing cells left out; `ends`: of each input, between which
 *   a map shows it
 */
export function survey(table) {
  const { x, rows, nInputs, inputs } = table, medians = new Float64Array(nInputs), ends = [], pairs = new Set();
  for (let input = 0; input < nInputs; input++) {
    const cells = new Float64Array(rows);
    let known = 0;
    for (let place = input; place < x.length; place += nInputs) if (!Number.isNaN(x[place])) cells[known++] = x[place];
    const sorted = cells.subarray(0, known).sort();
    if (known) medians[input] = sorted[known >> 1];
    if (sorted.every((cell) => cell === sorted[0] || cell === sorted[known - 1])) pairs.add(input);
    // A few extreme rows would squeeze all others into a corner: they are drawn at the edge.
    const [low, high] = nInputs > 2 ? [quantile(sorted, 0.02), quantile(sorted, 0.98)] : [sorted[0], sorted[known - 1]];
    const edge = (high - low || 1) * 0.06;
    ends.push([low - edge, high + edge]);
  }
  const numbers = [...inputs.keys()].filter((input) => inputs[input].kind === "number");
  const strength = new Map(numbers.map((input) => [input, relation(table, input)]));
  return { numbers: numbers.sort((a, b) => pairs.has(a) - pairs.has(b) || strength.get(b) - strength.get(a)), medians, ends };
}

/** Raw rows [point, input] at a square grid over two inputs, from the top left on; the others at their median. */
export function gridRows({ medians, ends }, [across, up], size) {
  const n = medians.length, rows = new Float64Array(size * size * n);
  const at = (input, share) => ends[input][0] + share * (ends[input][1] - ends[input][0]);
  for (let i = 0; i < size * size; i++) {
    rows.set(medians, i * n);
    rows[i * n + across] = at(across, (i % size) / (size - 1));
    rows[i * n + up] = at(up, 1 - Math.floor(i / size) / (size - 1));
  }
  return rows;
}
