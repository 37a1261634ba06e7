// CSV files that are dropped on the page: text in, a table out, by the rules by which seedbed reads them as far as a page
// needs them. Nothing leaves the browser.
import { decodeTable, inputsOf } from "./table.js";

const MOST_CELLS = 2_000_000, MOST_ROWS = 20_000, MOST_INPUTS = 500, MOST_CLASSES = 20;
const MISSING = new Set(["", "?", "nan", "null", "(null)", "<na>", "nat", "n/a", "n.a.", "#n/a", "#na", "#null!"]);
const NO_NUMBER = new Set([...MISSING, "-", "--", "—", "–", ".", "..", "na", "none", "nil", "missing", "unknown", "#value!", "#div/0!"]);
const PAIRS = [["no", "yes"], ["false", "true"], ["f", "t"], ["n", "y"], ["off", "on"], ["f", "m"], ["female", "male"]];
const POINT = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i;
const COMMA = /^[+-]?(?:\d+(?:,\d*)?|,\d+)(?:e[+-]?\d+)?$/i;
const GROUPED_POINT = /^[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?$/, GROUPED_COMMA = /^[+-]?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?$/;
const CODE = /^[+-]?0\d+$/; // 007 is a name

/**
 * The cells of a CSV file: quotes (doubled inside), separators and line ends within quotes, any line ends.
 *
 * @param {string} text
 * @param {string} separator
 * @returns {string[][]} lines of cells; empty lines are left out
 */
export function csvLines(text, separator) {
  const lines = [];
  let line = [], cell = "", quoted = false, i = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  const end = () => {
    line.push(cell);
    if (line.length > 1 || line[0].trim() !== "") lines.push(line);
    line = [], cell = "";
  };
  for (; i < text.length; i++) {
    const one = text[i];
    if (quoted) {
      if (one !== '"') cell += one;
      else if (text[i + 1] === '"') cell += text[++i];
      else quoted = false;
    } else if (one === '"' && cell.trim() === "") (quoted = true), (cell = "");
    else if (one === separator) line.push(cell), (cell = "");
    else if (one === "\n" || one === "\r") {
      if (one === "\r" && text[i + 1] === "\n") i++;
      end();
    } else cell += one;
  }
  if (cell !== "" || line.length) end();
  return quoted ? null : lines;
}

/** The separator under which the first lines have the most columns, and all the same number of them. */
function separatorOf(text) {
  const head = text.slice(0, 100_000);
  let best = ",", most = 1;
  for (const separator of [",", ";", "\t", "|"]) {
    const lines = (csvLines(head.slice(0, head.lastIndexOf("\n") + 1 || undefined), separator) ?? []).slice(0, 50);
    const n = lines[0]?.length ?? 0, even = lines.filter((line) => line.length === n).length;
    if (n > most && even >= 0.9 * lines.length) (best = separator), (most = n);
  }
  return best;
}

/** What a column's cells are by one decimal mark; null where too few of them are numbers. */
function numbersOf(cells, comma) {
  const plain = comma ? COMMA : POINT, grouped = comma ? GROUPED_COMMA : GROUPED_POINT;
  let filled = 0, known = 0, groups = 0;
  const values = cells.map((cell) => {
    if (NO_NUMBER.has(cell.toLowerCase())) return null;
    filled += 1;
    const isGrouped = grouped.test(cell);
    if (!plain.test(cell) && !isGrouped) return null;
    known += 1, groups += isGrouped;
    const digits = isGrouped ? cell.replaceAll(comma ? "." : ",", "") : cell;
    return Number(comma ? digits.replace(",", ".") : digits);
  });
  return filled === 0 || known < 0.95 * filled ? null : { values, known, groups };
}

/** Whether this table writes decimals with a comma: some number is one with a comma only, and none with a point only. */
function usesComma(columns) {
  let comma = 0, point = 0;
  for (const cells of columns)
    for (const cell of cells) {
      const asComma = COMMA.test(cell) || GROUPED_COMMA.test(cell), asPoint = POINT.test(cell) || GROUPED_POINT.test(cell);
      if (asComma && !asPoint) comma += 1;
      if (asPoint && !asComma) point += 1;
    }
  return comma > 0 && comma > point;
}

/** What a column is: numbers, or levels, with what the whole table decides about them. */
function columnOf(name, cells, comma, rows) {
  const lower = [...new Set(cells.map((cell) => cell.toLowerCase()))].filter((word) => !NO_NUMBER.has(word));
  const pair = PAIRS.find((words) => lower.length === 2 && words.every((word) => lower.includes(word)));
  if (pair) {
    const values = cells.map((cell) => (pair.includes(cell.toLowerCase()) ? pair.indexOf(cell.toLowerCase()) : null));
    return { name, kind: "number", categories: null, values, hasMissing: values.includes(null) };
  }
  const found = numbersOf(cells, comma);
  if (found && !(cells.some((cell) => CODE.test(cell)) && found.values.every((value) => value === null || Number.isInteger(value))))
    return { name, kind: "number", categories: null, values: found.values, hasMissing: found.values.includes(null) };
  const counts = new Map(), missing = (cell) => MISSING.has(cell.toLowerCase()) || cell.toLowerCase() === "na";
  for (const cell of cells) if (!missing(cell)) counts.set(cell, (counts.get(cell) ?? 0) + 1);
  const share = Math.max(1, Math.ceil(rows / 200)), needed = counts.size > 200 ? share : Math.min(10, share);
  const levels = [...counts.keys()].filter((level) => counts.get(level) >= needed).sort();
  const hasMissing = cells.some(missing), categories = [...levels, "(other)", ...(hasMissing ? ["(missing)"] : [])];
  const code = new Map(levels.map((level, i) => [level, i]));
  const values = cells.map((cell) => (missing(cell) ? levels.length + 1 : code.get(cell) ?? levels.length));
  return { name, kind: "category", categories, values, hasMissing, needed, levels: counts.size };
}

/** Why a column is no feature; an empty text if it is one. */
function useless(column, rows) {
  const values = column.values.filter((value) => value !== null), different = new Set(values).size;
  if (different < 2 && !column.hasMissing) return "is constant";
  if (different < 1) return "is empty";
  if (column.kind === "category" && column.levels === rows) return "has another text in every row";
  const whole = column.kind === "number" && different === rows && values.every((value, i) => value === values[0] + i);
  return whole ? "numbers the rows" : "";
}

/**
 * Read a CSV file.
 *
 * @param {string} text
 * @param {?string} target the column to predict
 * @param {string} name of the table
 * @returns {{table: object}|{error: string, columns: string[]}} a table, see engine.js; or one sentence for the reader, and
 *   the columns that can be the target
 */
export function readCsv(text, target = null, name = "your table") {
  const fail = (error, columns = []) => ({ error, columns });
  if (!text.trim()) return fail("The file is empty.");
  if (text.includes("\0")) return fail("This is no text file. Save the table as CSV first.");
  const separator = separatorOf(text), lines = csvLines(text, separator);
  if (lines === null) return fail("A quotation mark in the file has no end.");
  const header = lines[0].map((one, i) => one.trim() || `column ${i + 1}`), rows = lines.length - 1;
  if (header.length < 2) return fail("The file has one column only. A CSV file separates columns by commas, semicolons or tabs.");
  if (new Set(header).size < header.length) return fail(`Two columns are named '${header.find((one, i) => header.indexOf(one) < i)}'.`);
  const uneven = lines.findIndex((line) => line.length !== header.length && !(line.length > header.length && line.slice(header.length).every((one) => !one.trim())));
  if (uneven > 0) return fail(`Row ${uneven} has ${lines[uneven].length} cells, and the first line names ${header.length} columns.`, header);
  if (target === null) return fail("Choose the column to predict.", header);
  if (!header.includes(target)) return fail(`There is no column '${target}'.`, header);
  if (rows > MOST_ROWS) return fail(`The table has ${rows.toLocaleString("en")} rows, and this page takes ${MOST_ROWS.toLocaleString("en")}.`, header);
  if (rows < 10) return fail(`The table has ${rows} row${rows === 1 ? "" : "s"}, and at least 10 are needed.`, header);
  const cellsOf = header.map((_, i) => lines.slice(1).map((line) => line[i].trim()));
  const goal = header.indexOf(target), comma = usesComma(cellsOf);
  return assembled(header, cellsOf, goal, comma, name);
}

/** The table of cells [column][row]. */
function assembled(header, cellsOf, goal, comma, name) {
  const fail = (error) => ({ error, columns: header }), target = header[goal];
  const known = cellsOf[goal].map((cell) => !NO_NUMBER.has(cell.toLowerCase())), dropped = known.filter((one) => !one).length;
  const cells = cellsOf.map((own) => own.filter((_, row) => known[row])), rows = cells[goal].length, notes = [];
  if (dropped) notes.push(`${dropped} row${dropped === 1 ? " has" : "s have"} no value in '${target}' and ${dropped === 1 ? "is" : "are"} left out.`);
  if (rows < 10) return fail(`${rows} rows have a value in '${target}', and at least 10 are needed.`);
  const numbers = numbersOf(cells[goal], comma)?.values ?? null;
  let classes = [...new Set(cells[goal])];
  const fractions = numbers?.some((value) => value !== null && !Number.isInteger(value));
  const isNumber = numbers !== null && !numbers.includes(null) && (fractions || classes.length > 10);
  if (classes.length < 2) return fail(`All rows have the same value in '${target}', so there is nothing to predict.`);
  if (!isNumber && classes.length > MOST_CLASSES) return fail(`'${target}' has ${classes.length} different texts; this page takes up to ${MOST_CLASSES} classes.`);
  classes = numbers && !numbers.includes(null) ? classes.sort((a, b) => Number(a.replace(",", ".")) - Number(b.replace(",", "."))) : classes.sort();
  const y = isNumber ? numbers : cells[goal].map((cell) => classes.indexOf(cell));
  const counts = classes.map((label) => cells[goal].filter((cell) => cell === label).length);
  if (!isNumber && rows - Math.max(...counts) < 2) return fail(`Only ${rows - Math.max(...counts)} row is outside the largest class of '${target}'; at least 2 are needed.`);

  const columns = header.map((one, i) => (i === goal ? null : columnOf(one, cells[i], comma, rows))).filter(Boolean);
  const used = columns.filter((column) => {
    const reason = useless(column, rows);
    if (reason) notes.push(`'${column.name}' ${reason} and is left out.`);
    return !reason;
  });
  if (!used.length) return fail("No column is left to predict from.");
  const far = used.find((column) => column.kind === "number" && column.values.some((value) => value !== null && !(Math.abs(value) < 1e30)));
  if (far) return fail(`'${far.name}' holds a number that is too large.`);
  const inputs = inputsOf(used);
  if (inputs.length > MOST_INPUTS) return fail(`The columns make ${inputs.length.toLocaleString("en")} inputs, and this page takes ${MOST_INPUTS}.`);
  if (inputs.length * rows > MOST_CELLS) return fail(`The table has ${(inputs.length * rows).toLocaleString("en")} cells, and this page takes ${MOST_CELLS.toLocaleString("en")}.`);
  const task = isNumber ? "regression" : classes.length > 2 ? "multiclass" : "binary";
  const table = decodeTable({
    name, task, target, classes: isNumber ? null : classes, inputs, cells: used.map((column) => column.values), y, notes,
    columns: used.map(({ name: own, kind, categories, hasMissing }) => ({ name: own, kind, categories, hasMissing })),
  });
  return { table };
}
