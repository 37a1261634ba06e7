// Which rows train and which test, and what a split's training rows say about the inputs.
//
// Split s is that of `seedbed train --random-state s`. It depends on the table and on s only, so all networks share it.
// Without groups it is the one that scikit-learn's train_test_split makes with random_state=s, stratified by class; with
// groups, Python has written it into the table.

/** The Mersenne Twister as numpy.random.RandomState(seed) has it, as far as permutations need it. */
class RandomState {
  constructor(seed) {
    this.words = new Uint32Array(624);
    this.place = 624;
    this.words[0] = seed;
    for (let i = 1; i < 624; i++) {
      const before = this.words[i - 1];
      this.words[i] = Math.imul(1812433253, before ^ (before >>> 30)) + i;
    }
  }

  next() {
    const w = this.words;
    if (this.place === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (w[i] & 0x80000000) | (w[(i + 1) % 624] & 0x7fffffff);
        w[i] = w[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      this.place = 0;
    }
    let y = w[this.place++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** A whole number from 0 to `most`, by rejection of masked bits. */
  upTo(most) {
    if (most === 0) return 0;
    const mask = 0xffffffff >>> Math.clz32(most);
    for (;;) {
      const value = (this.next() & mask) >>> 0;
      if (value <= most) return value;
    }
  }

  /** The values of an array in random order. */
  permutation(values) {
    const mixed = Int32Array.from(values);
    for (let i = mixed.length - 1; i > 0; i--) {
      const j = this.upTo(i);
      [mixed[i], mixed[j]] = [mixed[j], mixed[i]];
    }
    return mixed;
  }
}

const MOST_LOOKED_AT = 1000; // rows that decide about the sizes of shared inputs

const counted = (n) => Int32Array.from({ length: n }, (_, i) => i);

/** How many of n draws each class gets; ties are broken at random. */
function shares(counts, n, random) {
  const total = counts.reduce((a, b) => a + b, 0);
  const exact = counts.map((count) => (count / total) * n);
  const found = exact.map(Math.floor);
  let left = n - found.reduce((a, b) => a + b, 0);
  const rests = exact.map((value, k) => value - found[k]);
  for (const value of [...new Set(rests)].sort((a, b) => b - a)) {
    if (left <= 0) break;
    const tied = counted(counts.length).filter((k) => rests[k] === value);
    const chosen = Array.from(random.permutation(counted(tied.length)), (i) => tied[i]).slice(0, left);
    for (const k of chosen) found[k] += 1;
    left -= chosen.length;
  }
  return found;
}

/** The number of test rows of a split. */
export function testSize(table, split, testShare = 0.2) {
  return table.splits?.sizes[split] ?? Math.ceil(testShare * table.rows);
}

/**
 * The rows of one split.
 *
 * @param {{y: Float32Array, rows: number, classes: ?string[], splits: ?object}} table
 * @param {number} split its number, from 0
 * @param {number} testShare share of test rows
 * @returns {{train: Int32Array, test: Int32Array}} row numbers, ascending
 */
export function splitRows(table, split, testShare = 0.2) {
  const n = table.rows, nTest = Math.ceil(testShare * n), nTrain = n - nTest;
  if (table.splits) {
    const first = split * Math.ceil(n / 8), isTest = (row) => table.splits.tested[first + (row >> 3)] & (128 >> (row & 7));
    return { train: counted(n).filter((row) => !isTest(row)), test: counted(n).filter(isTest) };
  }
  const random = new RandomState(split);
  let train = [], test = [];
  const members = (table.classes ?? []).map(() => []);
  if (table.classes) for (let row = 0; row < n; row++) members[table.y[row]].push(row);
  const possible = members.every((own) => own.length > 1) && Math.min(nTest, nTrain) >= members.length;
  if (!table.classes || !possible) {
    // Numbers, or classes that are too small to be on both sides: one shuffle of all rows.
    const mixed = random.permutation(counted(n));
    test = mixed.slice(0, nTest);
    train = mixed.slice(nTest);
  } else {
    const counts = members.map((own) => own.length);
    const ofTrain = shares(counts, nTrain, random);
    const ofTest = shares(counts.map((count, k) => count - ofTrain[k]), nTest, random);
    members.forEach((own, k) => {
      const mixed = Array.from(random.permutation(counted(own.length)), (i) => own[i]);
      train.push(...mixed.slice(0, ofTrain[k]));
      test.push(...mixed.slice(ofTrain[k], ofTrain[k] + ofTest[k]));
    });
  }
  return { train: Int32Array.from(train).sort(), test: Int32Array.from(test).sort() };
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
