// Trains the networks of a request in Web Workers, and predicts with them. Everything that the page's main thread knows
// of training is here.
//
// A table, from `Engine.read` or `exampleTable`:
//     {name, task: "binary" | "multiclass" | "regression", target, classes: [string] or null,
//      columns: [{name, kind: "number" | "category", categories: [string] or null}],
//      inputs: [{name, kind: "number" | "flag" | "level" | "bucket", column, category: index or null,
//                of: input or null, needed}],
//      x: Float64Array [row, input], raw, NaN for missing cells; y: Float64Array [row], class codes or numbers,
//      rows, nInputs, nOutputs, notes: [string], warnings: [string], groups: the number of groups of a column or null,
//      splits: {tested: bits [split, row], sizes: [split], grouped: whether rows must stay together} as Python has written them,
//      else null; base: another table with the same cells, or none; row_groups: the group of each row, as far as known; and for export.js, as far as known, source: the file's name, reading: options of read_table, separator, titles
//      and decimal: of the file, dressed: columns of numbers that pandas reads as texts, by decimal mark}
// A number's input holds the number. A flag is 1 where the number that it is `of` is missing. A level is 1 in its rows; a
// level with fewer than `needed` training rows counts as the bucket that it is `of`, "(other)".
//
// A request:
//     {hidden: [{units, activation}], optimizer: "sgd" | "adamw", lr, weightDecay, epochs, networks: [{split, seed}]}
// Activations are those of `ACTIVATIONS`. SGD's weight decay is torch's: added to the gradient.
//
// A run:
//     {request, epochs: Int32Array, the recorded ones, at most 200, the last epoch included;
//      curves: {trainLoss, testLoss, trainScore, testScore}, Float32Array [network, recorded epoch], NaN until known;
//      trained: number of networks that are done; status: "running" | "done" | "cancelled" | "failed"; message,
//      cancel(), split(number), weights(network), predict(networks, x, epoch)}
// The score is accuracy, or R2 of a regression. Training figures of epoch e are from before its step and test figures
// from after it, as in seedbed. The loss of a regression is that of the target standardised by training rows.
import { ACTIVATIONS, parameterCount, widths } from "./kernel.js";
import { splitRows } from "./splits.js";

const MOST_RECORDED = 200;
const MOST_KEPT = 48 << 20; // bytes of the parameters that a run keeps
const MOST_NETWORKS = 20_000;
const MOST_WEIGHTS = 16_000_000; // of all networks of a run
const MOST_CURVES = 16_000_000; // numbers of all curves of a run
const MOST_HELD = 3_000_000; // cells of all tables that the workers hold, beside the latest two tables

/** Evenly spread epochs, the last one included. */
function spread(epochs, most) {
  const n = Math.max(1, Math.min(epochs, most));
  return Int32Array.from({ length: n }, (_, i) => Math.round(((i + 1) * epochs) / n));
}

/** Call at the page's next frame, or soon if there is none: hidden pages and frames off the screen have no frames. */
function soon(call) {
  let waits = true;
  const once = () => {
    if (waits) call();
    waits = false;
  };
  requestAnimationFrame(once);
  setTimeout(once, 100);
}

/** Say what is wrong with a request; null if nothing is. */
export function requestProblem(table, request) {
  const { hidden, optimizer, lr, weightDecay, epochs, networks } = request;
  const whole = (value, most) => Number.isInteger(value) && value >= 1 && value <= most;
  if (!hidden.every((layer) => whole(layer.units, 256))) return "A layer has 1 to 256 units.";
  if (!hidden.every((layer) => ACTIVATIONS.includes(layer.activation))) return "This activation isn't known.";
  if (!["sgd", "adamw"].includes(optimizer)) return "The optimizer is SGD or AdamW.";
  if (!(lr > 0 && Number.isFinite(lr))) return "The learning rate is a number above 0.";
  if (!(weightDecay >= 0 && Number.isFinite(weightDecay))) return "The weight decay is 0 or a number above 0.";
  if (!whole(epochs, 100_000)) return "There are 1 to 100,000 epochs.";
  if (!whole(networks.length, MOST_NETWORKS)) return `A run trains 1 to ${MOST_NETWORKS.toLocaleString("en")} networks.`;
  const weights = parameterCount(widths(table, hidden)) * networks.length;
  if (weights > MOST_WEIGHTS) return "These networks have too many weights: use fewer or smaller ones.";
  return null;
}

/**
 * Start the workers.
 *
 * @param {object} options `workers`: their number; `kernel`: the bytes of kernel.wasm, and `worker`: the source of the
 *   worker, if they aren't in the page's elements with the ids play-kernel (base64) and play-worker
 * @returns {Promise<Engine>}
 */
export async function createEngine({ workers = navigator.hardwareConcurrency, kernel = null, worker = null } = {}) {
  const encoded = kernel ?? document.getElementById("play-kernel").textContent.trim();
  const bytes = typeof encoded === "string" ? Uint8Array.from(atob(encoded), (one) => one.charCodeAt(0)) : encoded;
  const module = await WebAssembly.compile(bytes);
  const source = worker ?? document.getElementById("play-worker").textContent;
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const started = Array.from({ length: Math.max(1, Math.min(workers || 1, 16)) }, () => new Worker(url));
  await Promise.all(started.map((one) => new Promise((resolve, reject) => {
    one.onmessage = resolve;
    one.onerror = (event) => reject(new Error(event.message));
    one.postMessage({ type: "start", module });
  })));
  URL.revokeObjectURL(url);
  return new Engine(started);
}

class Engine {
  constructor(workers) {
    this.workers = workers;
    this.tables = new Map(); // table -> id; the workers hold the latest ones
    this.runs = new Map();
    this.calls = new Map();
    this.counter = 0;
    for (const worker of workers) {
      worker.onmessage = ({ data }) => this.hear(data);
      worker.onerror = (event) => this.runs.forEach((run) => run.end("failed", event.message));
    }
  }

  /** The id by which the workers know a table; they are sent it if they don't. */
  tableId(table) {
    const known = this.tables.get(table);
    const base = known === undefined && table.base ? this.tableId(table.base) : null;
    const id = known ?? ++this.counter;
    this.tables.delete(table);
    this.tables.set(table, id); // the latest one is last
    if (known === undefined) {
      const sent = base === null ? table : { splits: table.splits, without: table.without };
      for (const worker of this.workers) worker.postMessage({ type: "table", id, base, table: sent });
      this.forget();
    }
    return id;
  }

  /** Let the workers keep the latest two tables, and older ones while they are small. */
  forget() {
    const held = () => [...this.tables.keys()].reduce((sum, table) => sum + (table.base ? 0 : table.x.length), 0);
    while (this.tables.size > 2 && held() > MOST_HELD) {
      const [oldest, oldestId] = this.tables.entries().next().value;
      this.tables.delete(oldest);
      for (const worker of this.workers) worker.postMessage({ type: "forget", id: oldestId });
    }
  }

  /**
   * Read a table in a worker, as a large one takes seconds.
   *
   * @param {object} given `document`: the text of the page's own table; or `file`: a CSV file, with `target` and `name` as
   *   `readCsv` has them
   * @returns {Promise<{table: object}|{error: string, columns: string[]}>}
   */
  async read({ file, ...given }) {
    const bytes = file ? await file.arrayBuffer() : null; // Safari's engine lets no worker read files of a page from the disk
    const { copies, ...found } = await this.ask({ type: "read", bytes, copies: this.workers.length, ...given }, bytes ? [bytes] : []);
    if (!found.table) return found;
    const id = ++this.counter;
    this.tables.set(found.table, id);
    // Handed over, not copied: copies of many cells would take the main thread's time.
    this.workers.forEach((worker, i) => {
      worker.postMessage({ type: "table", id, table: { ...found.table, x: copies[i] } }, [copies[i].buffer]);
    });
    this.forget();
    return found;
  }

  /** Ask a worker for the survey of a table, see survey.js. */
  survey(table) {
    return this.ask({ type: "survey", table: this.tableId(table) });
  }

  /**
   * Train networks.
   *
   * @param {object} table
   * @param {object} request
   * @param {(run: Run) => void} onUpdate called at most once a frame while curves grow, and at the end
   * @returns {Run} its curves are filled in as networks are trained
   */
  train(table, request, onUpdate = () => {}) {
    const id = ++this.counter, asked = { weightDecay: 0, ...request };
    const run = new Run(this, id, table, asked, onUpdate);
    const problem = requestProblem(table, asked);
    if (problem) {
      run.end("failed", problem);
      return run;
    }
    this.runs.set(id, run);
    const blocks = Math.ceil(asked.networks.length / 4), tableId = this.tableId(table), { networks, ...common } = asked;
    run.waiting = 0;
    this.workers.forEach((worker, w) => {
      const nets = [];
      for (let block = w; block < blocks; block += this.workers.length)
        networks.slice(4 * block, 4 * block + 4).forEach((net, i) => nets.push({ ...net, id: 4 * block + i }));
      if (!nets.length) return;
      run.waiting += 1;
      worker.postMessage({ type: "train", run: id, table: tableId, request: common, recorded: run.epochs, kept: run.kept, nets });
    });
    return run;
  }

  hear(data) {
    const run = this.runs.get(data.run), call = this.calls.get(data.call);
    if (data.type === "curves") run?.take(data);
    else if (data.type === "parameters") run?.keep(data);
    else if (data.type === "done") run?.finish();
    else if (data.type === "answer") call?.resolve(data.found);
    else if (data.type === "failed") {
      run?.end("failed", data.message);
      call?.reject(new Error(data.message));
    }
    if (call) this.calls.delete(data.call);
  }

  /** Ask a worker, chosen in turn. */
  ask(message, transfer = []) {
    const call = ++this.counter;
    return new Promise((resolve, reject) => {
      this.calls.set(call, { resolve, reject });
      this.workers[call % this.workers.length].postMessage({ call, ...message }, transfer);
    });
  }

  /** End the workers. */
  close() {
    for (const worker of this.workers) worker.terminate();
  }
}

class Run {
  constructor(engine, id, table, request, onUpdate) {
    const n = request.networks.length, nParams = parameterCount(widths(table, request.hidden));
    Object.assign(this, { request, table, trained: 0, status: "running", message: "" });
    this.epochs = spread(request.epochs, Math.max(2, Math.min(MOST_RECORDED, Math.floor(MOST_CURVES / 4 / n))));
    this.kept = spread(request.epochs, Math.max(1, Math.min(40, Math.floor(MOST_KEPT / (4 * n * nParams)))));
    const empty = () => new Float32Array(n * this.epochs.length).fill(NaN);
    this.curves = { trainLoss: empty(), testLoss: empty(), trainScore: empty(), testScore: empty() };
    this.parameters = Array.from(this.kept, () => Array(n).fill(null)); // [kept epoch][network]
    this.inner = { engine, id, onUpdate, scheduled: false, splits: [] };
  }

  take({ ids, from, to, values }) {
    const R = this.epochs.length, n = ids.length, width = to - from;
    Object.values(this.curves).forEach((curve, figure) => {
      ids.forEach((id, net) => {
        const start = (figure * n + net) * width;
        curve.set(values.subarray(start, start + width), id * R + from);
      });
    });
    if (to === R) this.trained += n;
    this.update();
  }

  keep({ ids, index, values }) {
    const n = values.length / ids.length;
    ids.forEach((id, net) => { this.parameters[index][id] = values.subarray(net * n, (net + 1) * n); });
  }

  finish() {
    this.waiting -= 1;
    if (!this.waiting && this.status === "running") this.end("done");
  }

  update() {
    const { inner } = this;
    if (inner.scheduled) return;
    inner.scheduled = true;
    soon(() => {
      inner.scheduled = false;
      inner.onUpdate(this);
    });
  }

  end(status, message = "") {
    if (this.status !== "running") return;
    Object.assign(this, { status, message });
    this.inner.engine.runs.delete(this.inner.id);
    this.update();
  }

  /** Stop; what is trained so far stays. */
  cancel() {
    if (this.status !== "running") return;
    for (const worker of this.inner.engine.workers) worker.postMessage({ type: "cancel", run: this.inner.id });
    this.end("cancelled");
  }

  /** The rows of a split: {train, test}, Int32Array of ascending row numbers. */
  split(number) {
    return (this.inner.splits[number] ??= splitRows(this.table, number));
  }

  /** Which of the kept parameters are nearest to an epoch, for a network that has them; -1 if there are none. */
  nearest(network, epoch = this.request.epochs) {
    let found = -1;
    this.kept.forEach((own, index) => {
      const better = found < 0 || Math.abs(own - epoch) <= Math.abs(this.kept[found] - epoch);
      if (this.parameters[index][network] && better) found = index;
    });
    return found;
  }

  /**
   * The parameters of a network, of the kept epoch that is nearest to `epoch`: for each layer {weight, bias},
   * Float32Array [unit, input] as torch has it, and [unit]; null until there are some.
   */
  weights(network, epoch = this.request.epochs) {
    const index = this.nearest(network, epoch), sizes = widths(this.table, this.request.hidden), found = [];
    if (index < 0) return null;
    const values = this.parameters[index][network];
    for (let k = 1, place = 0; k < sizes.length; k++) {
      const nIn = sizes[k - 1], nOut = sizes[k], weight = new Float32Array(nIn * nOut);
      for (let i = 0; i < nIn; i++)
        for (let o = 0; o < nOut; o++) weight[o * nIn + i] = values[place + i * nOut + o];
      found.push({ weight, bias: values.slice(place + nIn * nOut, place + (nIn + 1) * nOut) });
      place += (nIn + 1) * nOut;
    }
    return found;
  }

  /**
   * Predict rows.
   *
   * @param {number[]} networks their numbers
   * @param {Float64Array|object|null} rows raw rows [point, input], NaN for missing cells; {survey, columns, size} for those of
   *   `gridRows`; null for all rows of the table
   * @param {number} epoch the kept epoch that is nearest to it is used
   * @returns {Promise<Float32Array>} [network, point, output]: the probability of the second class, of each of several
   *   classes, or a number in the target's unit; NaN of networks without parameters
   */
  async predict(networks, rows, epoch = this.request.epochs) {
    const { engine } = this.inner, { networks: nets, ...request } = this.request;
    const chosen = Array.from(networks), own = chosen.map((network) => this.nearest(network, epoch));
    const usable = chosen.map((_, i) => i).filter((i) => own[i] >= 0), table = engine.tableId(this.table);
    const points = rows === null ? this.table.rows : rows.size ? rows.size ** 2 : rows.length / this.table.nInputs;
    const size = points * this.table.nOutputs;
    const found = new Float32Array(chosen.length * size).fill(NaN);
    const share = Math.ceil(usable.length / engine.workers.length / 4) * 4;
    const parts = [];
    for (let first = 0; first < usable.length; first += share) parts.push(usable.slice(first, first + share));
    await Promise.all(parts.map(async (part) => {
      const values = await engine.ask({
        type: "predict", table, request, rows,
        nets: part.map((i) => nets[chosen[i]]),
        parameters: part.map((i) => this.parameters[own[i]][chosen[i]].slice()),
      });
      part.forEach((i, place) => found.set(values.subarray(place * size, (place + 1) * size), i * size));
    }));
    return found;
  }
}
