// Rows in folds, each of which is tested once, and the two tables of the scenes.
import { decodeTable, inputsOf, uniform } from "./table.js";

const VISITS = 5; // of a patient
const ROWS = 2000, RARE = 40; // of the table with a rare class
const MIXES = 70_000; // the seed of the first mix of rows, apart from those of splits

/** Numbers from a normal distribution that depend on the seed alone, by Box and Muller's method. */
function normals(seed) {
  const random = uniform(seed);
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** A table of two classes from columns of numbers. */
function madeTable(name, columns, y) {
  const described = Object.keys(columns).map((one) => ({ name: one, kind: "number", categories: null, hasMissing: false }));
  const cells = Object.values(columns);
  const inputs = inputsOf(described);
  return decodeTable({ name, task: "binary", target: "state", classes: ["healthy", "ill"], columns: described, inputs, cells, y });
}

/** A table of patients with five visits each: six normal values, measured at each visit with an error of 0.2. A patient is ill
 * if the first value plus 0.7 times a normal error is above 0. Another seed makes other patients. */
export function patientsTable(seed = 0, patients = 100) {
  const normal = normals(1000 + seed);
  const columns = Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`value ${i + 1}`, []]));
  const cells = Object.values(columns);
  const y = [], row_groups = [];
  for (let patient = 0; patient < patients; patient++) {
    const values = cells.map(normal);
    const isIll = values[0] + 0.7 * normal() > 0;
    for (let visit = 0; visit < VISITS; visit++) {
      cells.forEach((own, i) => own.push(values[i] + 0.2 * normal()));
      y.push(isIll ? 1 : 0);
      row_groups.push(patient);
    }
  }
  return { ...madeTable("patients", columns, y), row_groups };
}

/** A table of 2,000 rows of four normal values. Ill are the 40 with the largest sum of the first value, 1.5 times the second
 * without its sign, and an error of 0.6. */
export function rareTable() {
  const normal = normals(7);
  const columns = Object.fromEntries(Array.from({ length: 4 }, (_, i) => [`value ${i + 1}`, Float64Array.from({ length: ROWS }, normal)]));
  const [first, second] = Object.values(columns);
  const sums = first.map((value, row) => value + 1.5 * Math.abs(second[row]) + 0.6 * normal());
  const least = sums.toSorted()[ROWS - RARE];
  return madeTable("rare class", columns, Array.from(sums, (sum) => (sum >= least ? 1 : 0)));
}

/** The fold of each row [row], from 0 to k - 1, with as many rows of each class in each; another number `mix` draws others. Rows of one
 * of the groups [row] are in one fold. */
export function foldsOf(table, k, mix, groups = null) {
  const random = uniform(MIXES + mix);
  const labels = table.classes ? table.y : new Float64Array(table.rows);
  const members = new Map();
  for (let row = 0; row < table.rows; row++) {
    const group = groups ? groups[row] : row;
    if (!members.has(group)) members.set(group, []);
    members.get(group).push(row);
  }
  const units = [...members.values()].map((rows) => ({ rows, key: labels[rows[0]] + random() }));
  units.sort((a, b) => a.key - b.key);
  const folds = new Int32Array(table.rows);
  const sizes = new Float64Array(k);
  units.forEach(({ rows }) => {
    const fold = sizes.indexOf(Math.min(...sizes));
    sizes[fold] += rows.length;
    for (const row of rows) folds[row] = fold;
  });
  return folds;
}

/** A table whose splits test one fold each. The workers share its cells with those of `base`, but networks learn nothing from
 * the column `without`, if one is given. */
export function withFolds(table, folds, k, without = null) {
  const width = Math.ceil(table.rows / 8);
  const tested = new Uint8Array(k * width);
  const sizes = Array(k).fill(0);
  folds.forEach((fold, row) => {
    tested[fold * width + (row >> 3)] |= 128 >> (row & 7);
    sizes[fold] += 1;
  });
  return { ...table, base: table, without, splits: { tested, sizes, grouped: true } };
}

/** The group of each row [row] by the cells of a column; a row with a missing cell stands alone. */
export function groupsOf(table, place) {
  const { kind, categories, codes } = table.columns[place];
  const inputs = table.inputs.flatMap((input, i) => (input.column === place && input.kind !== "flag" ? [i] : []));
  const own = (row) => {
    if (codes) return codes[row];
    const at = row * table.nInputs;
    if (kind === "number") return Number.isNaN(table.x[at + inputs[0]]) ? null : table.x[at + inputs[0]];
    return categories[table.inputs[inputs.find((i) => table.x[at + i] === 1)].category];
  };
  const cells = Array.from({ length: table.rows }, (_, row) => own(row));
  const numbers = new Map();
  return Int32Array.from(cells, (cell, row) => {
    const key = cell === null || cell === "(missing)" ? `row ${row}` : cell;
    if (!numbers.has(key)) numbers.set(key, numbers.size);
    return numbers.get(key);
  });
}

/** What is found of a class, y = 1 [row], where its probability [row] is above a threshold: the numbers of rows that are rare,
 * found and false alarms, the accuracy, the net benefit of a row (Vickers and Elkin 2006), and the score: 0 for the loss of
 * always predicting the class's share, 100 for no loss. */
export function ratesOf(y, p, threshold) {
  const n = y.length;
  let rare = 0, found = 0, alarms = 0, loss = 0;
  for (let row = 0; row < n; row++) {
    const isCalled = p[row] > threshold;
    rare += y[row];
    if (isCalled && y[row]) found += 1;
    else if (isCalled) alarms += 1;
    const right = y[row] ? p[row] : 1 - p[row];
    loss -= Math.log(Math.max(right, 1e-7)) / n;
  }
  const share = rare / n;
  const prior = -share * Math.log(share) - (1 - share) * Math.log(1 - share);
  const benefit = (found - (alarms * threshold) / (1 - threshold)) / n;
  return { rare, found, alarms, accuracy: (n - rare + found - alarms) / n, benefit, score: 100 * (1 - loss / prior) };
}
