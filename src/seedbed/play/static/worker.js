// The program of a Web Worker: trains blocks of networks slice by slice, reports curves, predicts, and reads tables.
import { csvText, readCsv } from "./csv.js";
import { Blocks, Kernel, blockBytes, parameterCount, splitOf, widths } from "./kernel.js";
import { sharedInputs, sharedRows } from "./splits.js";
import { gridRows, survey } from "./survey.js";
import { decodeTable } from "./table.js";

const WAVE_BYTES = 48 << 20; // memory of the blocks that grow together
const EPOCH_WORK = 30e6; // rows times parameters of the blocks that grow together: some 30 ms an epoch
const SLICE_MS = 25; // how soon a worker hears that a run is cancelled
const POST_MS = 40; // how often curves are reported
const SLICE = 64; // the most epochs of a call

let kernel = null, queue = Promise.resolve();
const tables = new Map(); // id -> {table, shared, splits}
const cancelled = new Set();

/** What is known of a table, which may share its cells with another one, without one of its columns. */
function tableEntry(given, base) {
  const table = { ...base?.table, ...given }, { without, nInputs, inputs, x } = table, splits = new Map();
  if (!base || without === null) return { table, shared: base?.shared ?? null, splits };
  return { table: { ...table, x: x.map((cell, at) => (inputs[at % nInputs].column === without ? 0 : cell)) }, shared: null, splits };
}

/** Let messages in. */
function pause() {
  return new Promise((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      channel.port1.close();
      resolve();
    };
    channel.port2.postMessage(0);
  });
}

function known(id) {
  const entry = tables.get(id);
  entry.shared ??= sharedInputs(entry.table);
  const of = (split) => {
    if (!entry.splits.has(split)) entry.splits.set(split, splitOf(entry.table, entry.shared, split));
    return entry.splits.get(split);
  };
  return { ...entry, of };
}

/** Do something with memory that is given back afterwards. */
function borrowing(work) {
  const mark = kernel.free;
  try {
    return work();
  } finally {
    kernel.free = mark;
  }
}

async function train({ run, table: id, request, recorded, kept, nets }) {
  const { table, shared, of } = known(id);
  const perBlock = table.rows * parameterCount(widths(table, request.hidden));
  const most = Math.min(WAVE_BYTES / blockBytes(table, request.hidden, SLICE), EPOCH_WORK / perBlock);
  const size = 4 * Math.max(1, Math.floor(most));
  for (let first = 0; first < nets.length; first += size) {
    await pause();
    if (cancelled.has(run)) return;
    const mark = kernel.free;
    try {
      await trainWave({ run, table, shared, of, request, recorded, kept, nets: nets.slice(first, first + size) });
    } finally {
      kernel.free = mark;
    }
  }
}

/** Train networks together: all of them through a few epochs, then through the next few. */
async function trainWave({ run, table, shared, of, request, recorded, kept, nets }) {
  const { epochs } = request, n = nets.length, R = recorded.length;
  const blocks = new Blocks(kernel, table, shared, request, nets, { splitOf: of, slice: Math.min(SLICE, epochs) });
  const ids = Int32Array.from(nets, (net) => net.id), place = new Int32Array(epochs + 1).fill(-1);
  recorded.forEach((epoch, r) => { place[epoch] = r; });
  // Training loss, test loss, training score, test score [figure, network, recorded epoch].
  const curves = new Float32Array(4 * n * R).fill(NaN);
  const put = (figure, net, r, value) => { curves[(figure * n + net) * R + r] = value; };
  let done = 0, size = 1, sent = 0, keep = 0, posted = performance.now();
  while (done < epochs) {
    const started = performance.now(), to = Math.min(done + size, epochs, kept[keep]);
    blocks.train(done, to);
    size = Math.max(1, Math.min(SLICE, Math.floor(((to - done) * SLICE_MS) / (performance.now() - started + 0.01))));
    // Figures are from before a step: after `epoch` epochs on the test rows, and those of the next epoch's training.
    for (let epoch = done; epoch < to; epoch++) {
      const tested = place[epoch], trained = place[epoch + 1];
      if (tested < 0 && trained < 0) continue;
      blocks.eachFigures(epoch - done, (net, trainLoss, trainScore, testLoss, testScore) => {
        if (trained >= 0) put(0, net, trained, trainLoss), put(2, net, trained, trainScore);
        if (tested >= 0) put(1, net, tested, testLoss), put(3, net, tested, testScore);
      });
    }
    done = to;
    if (done === kept[keep]) postParameters(run, ids, keep++, blocks);
    if (done === epochs) {
      const { loss, score } = blocks.look();
      for (let net = 0; net < n; net++) put(1, net, R - 1, loss[net]), put(3, net, R - 1, score[net]);
    }
    // The test figures of epoch `done` are known only once the next slice is trained.
    let known = sent;
    while (known < R && (recorded[known] < done || done === epochs)) known++;
    if (known > sent && (!sent || done === epochs || performance.now() - posted > POST_MS)) {
      const values = new Float32Array(4 * n * (known - sent));
      for (let row = 0; row < 4 * n; row++) values.set(curves.subarray(row * R + sent, row * R + known), row * (known - sent));
      postMessage({ type: "curves", run, ids, from: sent, to: known, values }, [values.buffer]);
      sent = known, posted = performance.now();
    }
    await pause();
    if (cancelled.has(run)) return;
  }
}

function postParameters(run, ids, index, blocks) {
  const values = new Float32Array(ids.length * blocks.nParams);
  ids.forEach((_, net) => values.set(blocks.parameters(net), net * blocks.nParams));
  postMessage({ type: "parameters", run, ids, index, values }, [values.buffer]);
}

/** Probabilities, or numbers in the target's unit, of rows that weren't trained on [network, point, output]. */
function predict({ call, table: id, request, nets, parameters, rows }) {
  const { table, shared, of } = known(id), K = table.nOutputs;
  const points = rows === null ? table.x : rows.size ? gridRows(rows.survey, rows.columns, rows.size) : rows;
  const n = points.length / table.nInputs, found = new Float32Array(nets.length * n * K);
  const x = sharedRows(table, points, shared);
  for (let first = 0; first < nets.length; first += 4) {
    const some = nets.slice(first, first + 4), own = parameters.slice(first, first + 4);
    const outputs = borrowing(() =>
      new Blocks(kernel, table, shared, request, some, { splitOf: of, parameters: own, points: x }).look().outputs);
    outputs.forEach((values, i) => found.set(inWords(table, of(some[i].split).target, values), (first + i) * n * K));
  }
  postMessage({ type: "answer", call, found }, [found.buffer]);
}

/** Read the page's own table, or the bytes of a CSV file; `copies`: how many more of its cells are wanted, one for each worker. */
function read({ call, document, bytes, target, name, copies }) {
  const found = bytes ? readCsv(csvText(bytes), target, name) : { table: decodeTable(document) };
  if (!found.table) return postMessage({ type: "answer", call, found });
  const { x } = found.table, all = Array.from({ length: copies }, () => x.slice());
  postMessage({ type: "answer", call, found: { ...found, copies: all } }, [x, ...all].map((cells) => cells.buffer));
}

/** A network's outputs as probabilities, or in the target's own unit. */
function inWords(table, target, values) {
  const K = table.nOutputs;
  if (table.task === "binary") return values.map((z) => 1 / (1 + Math.exp(-z)));
  if (table.task === "regression") return values.map((z) => z * target.deviation + target.mean);
  for (let place = 0; place < values.length; place += K) {
    const row = values.subarray(place, place + K), most = Math.max(...row);
    for (let k = 0; k < K; k++) row[k] = Math.exp(row[k] - most);
    const sum = row.reduce((a, b) => a + b, 0);
    for (let k = 0; k < K; k++) row[k] /= sum;
  }
  return values;
}

/** Answer the page. Runs are trained one after the other; predictions are made between their slices. */
export function answer({ data }) {
  if (data.type === "start") {
    kernel = new Kernel(data.module);
    postMessage({ type: "ready" });
  } else if (data.type === "table") {
    tables.set(data.id, tableEntry(data.table, tables.get(data.base)));
  } else if (data.type === "forget") {
    tables.delete(data.id);
  } else if (data.type === "cancel") {
    cancelled.add(data.run);
  } else if (data.type === "predict") {
    attempt({ call: data.call }, () => predict(data));
  } else if (data.type === "survey") {
    attempt({ call: data.call }, () => postMessage({ type: "answer", call: data.call, found: survey(tables.get(data.table).table) }));
  } else if (data.type === "read") {
    attempt({ call: data.call }, () => read(data));
  } else if (data.type === "train") {
    queue = queue.then(() => attempt({ run: data.run }, async () => {
      await train(data);
      postMessage({ type: "done", run: data.run });
    }));
  }
}

async function attempt(what, work) {
  try {
    await work();
  } catch (error) {
    postMessage({ type: "failed", ...what, message: String(error?.message ?? error) });
  }
}

if (typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope) self.onmessage = answer;
