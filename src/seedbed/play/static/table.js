// Tables as the engine takes them: decoded from the page, read from columns of cells, or made up.

/**
 * The table that Python has written into the page.
 *
 * @param {object|string} json {name, task, target, classes, columns: [{name, kind, categories}], inputs, cells, y, notes,
 *   warnings}:
 *   columns whose rare levels share inputs also have `codes`, the level of each row; `cells` holds a list for each column, of numbers, null for a missing one, or of a category's place in `categories`;
 *   `splits` has in base64 which rows each split tests, a bit for each, and how many; `groups` is the number of groups of a
 *   column
 * @returns {object} a table, see engine.js
 */
export function decodeTable(json) {
  const given = typeof json === "string" ? JSON.parse(json) : json;
  const { cells, ...rest } = given, rows = given.y.length, nInputs = given.inputs.length;
  const x = new Float64Array(rows * nInputs);
  given.inputs.forEach((input, i) => {
    const own = cells[input.column];
    for (let row = 0; row < rows; row++) {
      const cell = own[row];
      if (input.kind === "number") x[row * nInputs + i] = cell === null ? NaN : cell;
      else if (input.kind === "flag") x[row * nInputs + i] = cell === null ? 1 : 0;
      else x[row * nInputs + i] = cell === input.category ? 1 : 0;
    }
  });
  const nOutputs = given.task === "multiclass" ? given.classes.length : 1;
  const splits = given.splits && { ...given.splits, tested: Uint8Array.from(atob(given.splits.tested), (one) => one.charCodeAt(0)) };
  return { notes: [], warnings: [], groups: null, ...rest, splits, x, y: Float64Array.from(given.y), rows, nInputs, nOutputs };
}

/** The share of rows of each class that has any. */
export function classShares({ y, rows }) {
  const counts = new Map();
  for (const label of y) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts.values()].map((n) => n / rows);
}

/** The inputs of columns [{name, kind, categories, hasMissing, needed}], as seedbed has them. A column may be a part of its
 * `source`; the last part has `gap`, the number of parts before it, and one flag says where the source is missing. */
export function inputsOf(columns) {
  const inputs = [];
  columns.forEach((column, place) => {
    if (column.kind === "number") {
      const own = { column: place, category: null, needed: 0 }, number = inputs.length;
      inputs.push({ ...own, name: column.name, kind: "number", of: null });
      const first = number - (column.gap ?? 0), name = `${column.source ?? column.name} missing`;
      if (column.hasMissing) inputs.push({ ...own, column: place - (column.gap ?? 0), name, kind: "flag", of: first });
      return;
    }
    const first = inputs.length, bucket = first + column.categories.indexOf("(other)");
    column.categories.forEach((name, category) => {
      const kind = first + category === bucket ? "bucket" : "level", of = kind === "level" ? bucket : null;
      const needed = kind === "bucket" ? 0 : name === "(missing)" ? 1 : column.needed;
      inputs.push({ name: `${column.name}=${name}`, kind, column: place, category, of, needed });
    });
  });
  return inputs;
}

/** Numbers from 0 to below 1 that depend on the seed alone (mulberry32). */
export function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * A table of points in the plane, of two classes.
 *
 * @param {"moons"|"circles"|"xor"|"spiral"} name
 * @param {object} options `rows`; `noise`: standard deviation that is added to both coordinates; `seed`
 */
export function exampleTable(name, { rows = 300, noise = 0.2, seed = 0 } = {}) {
  const random = uniform(seed * 7919 + name.length), cells = [[], []], y = [];
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  for (let row = 0; row < rows; row++) {
    const label = row % 2, t = random();
    let point;
    if (name === "moons") {
      const angle = Math.PI * t;
      point = label ? [1 - Math.cos(angle), 0.5 - Math.sin(angle)] : [Math.cos(angle), Math.sin(angle)];
    } else if (name === "circles") {
      const angle = 2 * Math.PI * t, radius = label ? 0.5 : 1;
      point = [radius * Math.cos(angle), radius * Math.sin(angle)];
    } else if (name === "xor") {
      const left = random() < 0.5, up = label ? !left : left;
      point = [(left ? -1 : 1) * (0.1 + 0.9 * t), (up ? 1 : -1) * (0.1 + 0.9 * random())];
    } else {
      const radius = 0.1 + 0.9 * t, angle = 3.5 * Math.PI * t + label * Math.PI;
      point = [radius * Math.cos(angle), radius * Math.sin(angle)];
    }
    point.forEach((value, i) => cells[i].push(value + noise * normal()));
    y.push(label);
  }
  const columns = ["x1", "x2"].map((one) => ({ name: one, kind: "number", categories: null, hasMissing: false }));
  return decodeTable({
    name, task: "binary", target: "class", classes: ["0", "1"], columns, inputs: inputsOf(columns), cells, y,
  });
}
