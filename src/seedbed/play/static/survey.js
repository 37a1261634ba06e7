// What the map needs to know of a table's columns. Workers compute it, as sorting many columns takes long.

/** The value below which a share of sorted numbers lies. */
export function quantile(sorted, share) {
  if (!sorted.length) return NaN;
  const at = share * (sorted.length - 1), low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

const MOST_PAIRED = 12; // inputs of which all pairs are tried

/**
 * How closely inputs are related to the target: a function of one or two places in `chosen`, which returns the sum of the
 * squared canonical correlations. 0: not at all; 1: a number or two classes follow from them; up to 2 with more classes.
 * It doesn't depend on the order of the classes. Missing cells count as the mean.
 */
function relation({ x, y, rows, nInputs, task, classes }, chosen) {
  const centred = (cell) => {
    const values = Float64Array.from({ length: rows }, (_, row) => cell(row)), known = values.filter((one) => !Number.isNaN(one));
    const mean = known.reduce((sum, one) => sum + one, 0) / known.length;
    return values.map((one) => (Number.isNaN(one) ? 0 : one - mean));
  };
  const dot = (a, b) => a.reduce((sum, one, row) => sum + one * b[row], 0);
  const columns = chosen.map((input) => centred((row) => x[row * nInputs + input]));
  const goal = task === "regression" ? centred((row) => y[row]) : null, sizes = new Float64Array(goal ? 1 : classes.length);
  if (goal) sizes[0] = dot(goal, goal);
  else for (const label of y) sizes[label] += 1;
  const sums = columns.map((column) => {
    const own = new Float64Array(sizes.length);
    column.forEach((value, row) => { own[goal ? 0 : y[row]] += goal ? value * goal[row] : value; });
    return own;
  });
  const explained = (i, j) => sizes.reduce((sum, size, k) => sum + (size && (sums[i][k] * sums[j][k]) / size), 0);
  return (i, j = i) => {
    const [a, b, c] = [dot(columns[i], columns[i]), dot(columns[i], columns[j]), dot(columns[j], columns[j])], area = a * c - b * b;
    if (i === j) return a && explained(i, i) / a;
    if (area <= 1e-9 * a * c) return 0; // one follows from the other
    return (c * explained(i, i) - 2 * b * explained(i, j) + a * explained(j, j)) / area;
  };
}

/**
 * Look at all columns of a table.
 *
 * @returns {{numbers: number[], usual: Float64Array, ends: number[][]}} `numbers`: the inputs that are numbers, those with two
 *   values last, as all rows would lie on two lines: first the two that together say most about the target, then the others
 *   that are most related to it; `usual`: of each input, the median, or 1 for the commonest level of a category, else 0;
 *   `ends`: of each input, between which a map shows it
 */
export function survey(table) {
  const { x, rows, nInputs, inputs } = table, usual = new Float64Array(nInputs), ends = [], pairs = new Set(), commonest = new Map();
  for (let input = 0; input < nInputs; input++) {
    const cells = new Float64Array(rows);
    let known = 0;
    for (let place = input; place < x.length; place += nInputs) if (!Number.isNaN(x[place])) cells[known++] = x[place];
    const sorted = cells.subarray(0, known).sort(), { kind, column } = inputs[input];
    if (kind === "level" || kind === "bucket") {
      const count = sorted.reduce((sum, one) => sum + one, 0), before = commonest.get(column);
      if (!before || count > before.count) commonest.set(column, { input, count });
    } else if (known) usual[input] = sorted[known >> 1];
    if (sorted.every((cell) => cell === sorted[0] || cell === sorted[known - 1])) pairs.add(input);
    // A few extreme rows would squeeze all others into a corner: they are drawn at the edge.
    const [low, high] = nInputs > 2 ? [quantile(sorted, 0.02), quantile(sorted, 0.98)] : [sorted[0], sorted[known - 1]];
    const edge = (high - low || 1) * 0.06;
    ends.push([low - edge, high + edge]);
  }
  for (const { input } of commonest.values()) usual[input] = 1;
  let numbers = [...inputs.keys()].filter((input) => inputs[input].kind === "number");
  const strength = new Map(numbers.map((input) => [input, relation(table, [input])(0)]));
  numbers = numbers.sort((a, b) => pairs.has(a) - pairs.has(b) || strength.get(b) - strength.get(a));
  const tried = numbers.filter((input) => !pairs.has(input)).slice(0, MOST_PAIRED), together = relation(table, tried);
  let best = { value: -1, two: [] };
  tried.forEach((one, i) => tried.slice(0, i).forEach((other, j) => {
    const value = together(j, i);
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
