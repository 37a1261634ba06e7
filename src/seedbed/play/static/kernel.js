// Calls of the native training kernel, compiled to WebAssembly: networks of one architecture, four in the lanes of a
// vector. The structures are those of src/seedbed/training/native/job.h, where pointers are 32 bits wide.
import { givers, moments, splitDesign, splitRows } from "./splits.js";

const LANES = 4;
const TILE_BYTES = 384 << 10;
const LAYER_BYTES = 96, JOB_BYTES = 232;
const LINEAR = 0, ACTIVATION = 1;
const POINTERS = [
  "layers", "segments", "X", "y", "train", "test", "scale", "shift", "extra", "givers", "takers", "y_scale", "y_shift",
  "constants", "keys", "lr", "decay", "factors", "clock", "picked", "ended", "tested", "params", "moments", "figures",
  "work",
];
const NUMBERS = [
  "n_layers", "n_segments", "n_rows", "n_features", "n_outputs", "n_params", "n_moments", "n_constants", "n_givers",
  "n_blocks", "n_tested", "n_values", "n_gradients", "tile", "loss", "optimizer", "batch_size", "n_batches",
  "first_epoch", "n_epochs", "nesterov", "guarded", "same_in_training", "units_in_lanes", "patient",
];
// An activation's number in the kernel, whether it may overwrite its inputs, and its arguments.
const FUNCTIONS = {
  relu: [0, true], tanh: [1, true], sigmoid: [2, true], leaky_relu: [3, false, 0.01], elu: [4, false, 1, 1, 1],
  gelu: [5, false], silu: [7, false],
};
export const ACTIVATIONS = ["linear", ...Object.keys(FUNCTIONS)];
const LOSSES = { binary: 0, multiclass: 1, regression: 2 };
const HUGE = 1000; // a standardised cell beyond this may overflow in networks that don't train on its row

/** The sizes of a network's layers: [inputs, units, ..., outputs]. */
export function widths(table, hidden) {
  return [table.nInputs, ...hidden.map((layer) => layer.units), table.nOutputs];
}

/** Number of parameters of one network; weights [input, unit] of each layer come before its biases. */
export function parameterCount(sizes) {
  let n = 0;
  for (let k = 1; k < sizes.length; k++) n += (sizes[k - 1] + 1) * sizes[k];
  return n;
}

/** 32 random bits that depend on nothing but three numbers: the finaliser of MurmurHash3, twice. */
function bits(seed, layer, place) {
  const mixed = (x) => {
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return x ^ (x >>> 16);
  };
  return mixed(mixed(Math.imul(seed, 0x9e3779b1) ^ Math.imul(layer + 1, 0x27d4eb2f)) + place) >>> 0;
}

/** The initial parameters of a seed: uniform within 1 / sqrt(inputs), as torch.nn.Linear draws them. */
export function initialParameters(sizes, seed) {
  const found = new Float32Array(parameterCount(sizes));
  for (let k = 1, place = 0; k < sizes.length; k++) {
    const bound = 1 / Math.sqrt(sizes[k - 1]), n = (sizes[k - 1] + 1) * sizes[k];
    for (let i = 0; i < n; i++) found[place++] = bound * ((bits(seed, k, i) + 0.5) / 2147483648 - 1);
  }
  return found;
}

/** An instance of the kernel, and memory that is handed out from one end. */
export class Kernel {
  constructor(module) {
    this.calls = new WebAssembly.Instance(module, {}).exports;
    this.free = this.calls.__heap_base.value;
    const sizes = [Number(this.calls.job_bytes()), Number(this.calls.layer_bytes())];
    if (sizes[0] !== JOB_BYTES || sizes[1] !== LAYER_BYTES) throw new Error(`kernel.wasm is of another version: ${sizes}`);
  }

  /** Zeros that begin where a vector may begin. */
  allocate(bytes) {
    const start = (this.free + 63) & ~63, memory = this.calls.memory;
    this.free = start + bytes;
    const lacking = this.free - memory.buffer.byteLength;
    if (lacking > 0) memory.grow(Math.ceil(lacking / 65536) + 16);
    new Uint8Array(memory.buffer, start, bytes).fill(0);
    return start;
  }

  // Views become invalid when the memory grows, so they aren't kept.
  floats(start, n) { return new Float32Array(this.calls.memory.buffer, start, n); }
  doubles(start, n) { return new Float64Array(this.calls.memory.buffer, start, n); }
  integers(start, n) { return new Int32Array(this.calls.memory.buffer, start, n); }
}

/** The kernel's table of layers: 17 whole numbers and 3 arguments each; and the units of all buffers. */
function programOf(sizes, hidden) {
  const layers = [];
  let place = 0, values = 0, gradients = 0, last = -1, dLast = -1;
  const add = (kind, nIn, nOut, weight, bias, to, dTo, fn = 0, numbers = [], spare = 0) => {
    const dIn = kind === LINEAR ? dLast : dTo;
    layers.push({
      numbers: [kind, nIn, nOut, weight, bias, last, to, dIn, dTo, spare, fn, 0, 0, 0, 0, 0, 0],
      values: [...numbers, 0, 0, 0].slice(0, 3),
    });
    last = to, dLast = dTo;
  };
  for (let k = 1; k < sizes.length; k++) {
    const nIn = sizes[k - 1], nOut = sizes[k];
    add(LINEAR, nIn, nOut, place, place + nIn * nOut, values, gradients);
    place += (nIn + 1) * nOut, values += nOut, gradients += nOut;
    const name = hidden[k - 1]?.activation ?? "linear";
    if (name === "linear") continue;
    const [fn, inPlace, ...numbers] = FUNCTIONS[name];
    add(ACTIVATION, nOut, nOut, -1, -1, inPlace ? last : values, dLast, fn, numbers, values + nOut);
    if (!inPlace) values += (name === "silu" ? 2 : 1) * nOut;  // silu keeps its sigmoids, too
  }
  return { layers, values, gradients };
}

/**
 * What a table's split decides: its rows, the map of its inputs, and how a regression's target is standardised.
 *
 * @returns {{rows: {train: Int32Array, test: Int32Array}, design: object, target: object}}
 */
export function splitOf(table, shared, split) {
  const rows = splitRows(table, split), design = splitDesign(table, shared, rows.train);
  if (table.task !== "regression") return { rows, design, target: null };
  const whole = moments(table.y), own = moments(Array.from(rows.train, (row) => table.y[row]));
  const tested = moments(Array.from(rows.test, (row) => table.y[row]));
  return {
    rows, design,
    target: {
      ...own, scale: whole.deviation / own.deviation, shift: (whole.mean - own.mean) / own.deviation,
      testVariance: (tested.deviation / own.deviation) ** 2,
    },
  };
}

/** The target [row][output] as the kernel learns it: a class as 1 among 0, a number standardised by all rows. */
function targets(table) {
  const found = new Float32Array(table.rows * table.nOutputs);
  const { mean, deviation } = table.task === "regression" ? moments(table.y) : {};
  for (let row = 0; row < table.rows; row++) {
    if (table.task === "multiclass") found[row * table.nOutputs + table.y[row]] = 1;
    else found[row] = table.task === "binary" ? table.y[row] : (table.y[row] - mean) / deviation;
  }
  return found;
}

/** The largest standardised cell of the rows that any of these splits sees. */
function largest(x, splits, nFeatures) {
  const most = new Float32Array(nFeatures);
  for (let i = 0; i < x.length; i++) most[i % nFeatures] = Math.max(most[i % nFeatures], Math.abs(x[i]));
  let found = 0;
  for (const { design } of new Set(splits))
    for (let i = 0; i < nFeatures; i++) found = Math.max(found, most[i] * design.scale[i] + Math.abs(design.shift[i]));
  return found;
}

/** Bytes that a block of four networks takes, roughly. */
export function blockBytes(table, hidden, slice) {
  const n = parameterCount(widths(table, hidden));
  return LANES * 4 * (table.rows * 2.5 + 4 * n + 4 * slice + 2 * table.nInputs);
}

/**
 * Networks that are trained together, in blocks of four; the last one fills its block up.
 *
 * @param {Kernel} kernel
 * @param {object} table see engine.js
 * @param {object} shared from `sharedInputs`
 * @param {object} request see engine.js
 * @param {{split: number, seed: number}[]} nets
 * @param {object} options `splitOf`: from a split's number to what the function above returns; `slice`: the most epochs
 *   of a call of `train`; `parameters`: [network] -> Float32Array if they aren't the seeds' initial ones; `points`:
 *   rows from `sharedRows` to predict, in place of the table's own
 */
export class Blocks {
  constructor(kernel, table, shared, request, nets, { splitOf, slice = 1, parameters = null, points = null }) {
    const sizes = widths(table, request.hidden), nInputs = table.nInputs, nOutputs = table.nOutputs;
    const nParams = parameterCount(sizes), nBlocks = Math.ceil(nets.length / LANES), nLanes = nBlocks * LANES;
    const rows = points ? points.length / nInputs : table.rows;
    const own = nets.map((net) => splitOf(net.split)), giving = givers(table);
    const most = points ? rows : Math.max(...own.map((one) => one.rows.test.length));
    const program = programOf(sizes, request.hidden), nMoments = request.optimizer === "adamw" ? 2 : 0;
    const x = points ?? shared.x;
    Object.assign(this, { kernel, nets, own, slice, nParams, nBlocks, nOutputs, looked: most, task: table.task });

    // All memory first, as views of it become invalid when it grows.
    const job = (this.job = kernel.allocate(JOB_BYTES)), at = (this.at = {});
    const bytes = {
      layers: program.layers.length * LAYER_BYTES, segments: 12, X: 4 * x.length, y: 4 * rows * nOutputs,
      train: 4 * nLanes * rows, test: 4 * nLanes * rows, scale: 4 * nLanes * nInputs, shift: 4 * nLanes * nInputs,
      extra: 4 * nLanes * giving.length, givers: 4 * giving.length, takers: 4 * giving.length, y_scale: 4 * nLanes,
      y_shift: 4 * nLanes, lr: 8 * nLanes, decay: 4 * nLanes, clock: 24 * slice, ended: 4 * nBlocks,
      tested: 4 * nLanes * most, params: 4 * nLanes * nParams, moments: 4 * nLanes * nMoments * nParams,
      figures: 4 * nLanes * (slice + 1) * 4, shown: 4 * LANES * 2, outputs: 4 * LANES * most * nOutputs,
    };
    for (const name in bytes) at[name] = kernel.allocate(bytes[name]);
    const pointers = Object.fromEntries(POINTERS.map((name) => [name, at[name] ?? 0]));
    if (table.task !== "regression") pointers.y_scale = pointers.y_shift = 0;
    const units = program.values + program.gradients + nInputs;
    const numbers = {
      n_layers: program.layers.length, n_segments: 1, n_rows: rows, n_features: nInputs, n_outputs: nOutputs,
      n_params: nParams, n_moments: nMoments, n_givers: giving.length, n_blocks: nBlocks, n_tested: most,
      n_values: program.values, n_gradients: program.gradients, loss: LOSSES[table.task], n_batches: 1, n_epochs: slice,
      tile: Math.max(4, Math.min(48, Math.floor(TILE_BYTES / (units * LANES * 4) / 12) * 12)),
      optimizer: request.optimizer === "adamw" ? 2 : 0, same_in_training: 1, guarded: largest(x, own, nInputs) > HUGE ? 1 : 0,
    };
    kernel.integers(job, POINTERS.length).set(POINTERS.map((name) => pointers[name]));
    kernel.integers(job + 4 * POINTERS.length, NUMBERS.length).set(NUMBERS.map((name) => numbers[name] ?? 0));
    const work = kernel.allocate(Number(kernel.calls.workspace(job)));
    kernel.integers(job + 4 * POINTERS.indexOf("work"), 1)[0] = work;

    program.layers.forEach((layer, k) => {
      kernel.integers(at.layers + k * LAYER_BYTES, 17).set(layer.numbers);
      kernel.doubles(at.layers + k * LAYER_BYTES + 72, 3).set(layer.values);
    });
    kernel.integers(at.segments, 3).set([0, nParams, 1]);
    kernel.floats(at.X, x.length).set(x);
    if (!points) kernel.floats(at.y, rows * nOutputs).set(targets(table));
    kernel.integers(at.givers, giving.length).set(giving);
    kernel.integers(at.takers, giving.length).set(giving.map((i) => table.inputs[i].of));
    kernel.doubles(at.lr, nLanes).fill(request.lr);
    kernel.floats(at.decay, nLanes).fill(request.weightDecay);
    const tested = kernel.integers(at.tested, nLanes * most).fill(-1);
    for (let lane = 0; lane < nLanes; lane++) {
      const net = Math.min(lane, nets.length - 1), { design, rows: part, target } = own[net];
      this.fill("scale", lane, design.scale);
      this.fill("shift", lane, design.shift);
      this.fill("extra", lane, design.extra);
      this.fill("params", lane, parameters ? parameters[net] : initialParameters(sizes, nets[net].seed));
      if (target) this.fill("y_scale", lane, [target.scale]), this.fill("y_shift", lane, [target.shift]);
      const seen = points ? null : part.test;
      for (let i = 0; i < (seen ? seen.length : rows); i++) tested[i * nLanes + lane] = seen ? seen[i] : i;
      if (points) continue;
      this.fill("train", lane, weights(rows, part.train));
      this.fill("test", lane, weights(rows, part.test));
    }
  }

  /** Put the numbers of one network in its lane of an array [block][number][lane]. */
  fill(name, lane, values) {
    const n = values.length, start = Math.floor(lane / LANES) * n * LANES + (lane % LANES);
    const array = this.kernel.floats(this.at[name], this.nBlocks * n * LANES);
    for (let i = 0; i < n; i++) array[start + i * LANES] = values[i];
  }

  /** The numbers of one network out of an array [block][n numbers][lane]. */
  lane(name, net, n) {
    const array = this.kernel.floats(this.at[name], this.nBlocks * n * LANES), found = new Float32Array(n);
    const start = Math.floor(net / LANES) * n * LANES + (net % LANES);
    for (let i = 0; i < n; i++) found[i] = array[start + i * LANES];
    return found;
  }

  parameters(net) { return this.lane("params", net, this.nParams); }

  /** Train from epoch `from` to before `to`, at most `slice` epochs. */
  train(from, to) {
    const clock = this.kernel.doubles(this.at.clock, 3 * (to - from));
    for (let step = from; step < to; step++)
      clock.set([step === 0 ? 1 : 0, 1 - 0.9 ** (step + 1), Math.sqrt(1 - 0.999 ** (step + 1))], 3 * (step - from));
    this.kernel.calls.train(this.job, 0n, BigInt(to - from));
  }

  /**
   * Call with each network's training loss and score, test loss and score, from before the step of epoch `i` of the last
   * call of `train`.
   */
  eachFigures(i, take) {
    const row = 4 * LANES, array = this.kernel.floats(this.at.figures, this.nBlocks * (this.slice + 1) * row);
    for (let net = 0; net < this.nets.length; net++) {
      const start = (Math.floor(net / LANES) * (this.slice + 1) + i) * row + (net % LANES);
      const [loss, hits, testLoss, testHits] = [0, 1, 2, 3].map((figure) => array[start + figure * LANES]);
      take(net, loss, this.score(net, loss, hits, false), testLoss, this.score(net, testLoss, testHits, true));
    }
  }

  /** Test loss and score of the networks as they are [network], and outputs [network][row, output] of the rows looked at. */
  look() {
    const n = this.nets.length, rows = this.looked, found = { loss: [], score: [], outputs: [] };
    for (let block = 0; block < this.nBlocks; block++) {
      this.kernel.calls.look(this.job, BigInt(block), this.at.shown, this.at.outputs);
      const shown = this.kernel.floats(this.at.shown, 2 * LANES);
      const outputs = this.kernel.floats(this.at.outputs, rows * this.nOutputs * LANES);
      for (let lane = 0; lane < LANES && block * LANES + lane < n; lane++) {
        found.loss.push(shown[lane]);
        found.score.push(this.score(block * LANES + lane, shown[lane], shown[LANES + lane], true));
        const own = new Float32Array(rows * this.nOutputs);
        for (let i = 0; i < own.length; i++) own[i] = outputs[i * LANES + lane];
        found.outputs.push(own);
      }
    }
    return found;
  }

  /** The score that stands for a loss and for hits: accuracy, or of numbers R2. */
  score(net, loss, hits, tested) {
    if (this.task !== "regression") return hits;
    const variance = tested ? this.own[net].target.testVariance : 1;
    return variance > 0 ? 1 - loss / variance : NaN;
  }
}

/** What each row counts: all chosen ones alike, together 1. */
function weights(n, rows) {
  const found = new Float32Array(n);
  for (const row of rows) found[row] = 1 / rows.length;
  return found;
}
