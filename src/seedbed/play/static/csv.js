// CSV files that are dropped on the page: text in, a table out, by the rules by which seedbed reads them as far as a page
// needs them. Nothing leaves the browser.
import { decodeTable, inputsOf } from "./table.js";

const MOST_CELLS = 2_000_000, MOST_ROWS = 20_000, MOST_INPUTS = 500, MOST_CLASSES = 20, MOST_WHOLE_NUMBERS = 20;
const MOST_SPELLINGS = 20; // of yes, no and words for missing cells
const FEW_ROWS = 20; // too few to recognise a column that names the rows
const MISSING = new Set(["", "?", "nan", "null", "(null)", "<na>", "nat", "n/a", "n.a.", "#n/a", "#na", "#null!"]);
const NO_NUMBER = new Set([...MISSING, "-", "--", "—", "–", ".", "..", "na", "none", "nil", "missing", "unknown", "#value!", "#div/0!"]);
const PAIRS = [["no", "yes"], ["false", "true"], ["f", "t"], ["n", "y"], ["off", "on"], ["f", "m"], ["female", "male"]];
const POINT = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i;
const COMMA = /^[+-]?(?:\d+(?:,\d*)?|,\d+)(?:e[+-]?\d+)?$/i;
const GROUPED_POINT = /^[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?$/, GROUPED_COMMA = /^[+-]?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?$/;
const CODE = /^[+-]?0\d+$/; // 007 is a name

/** Whether a cell counts as missing among texts; of numbers, signs and words such as "none" do as well. */
function isMissing(cell) {
  const word = cell.toLowerCase();
  return MISSING.has(word) || word === "na";
}

/**
 * The cells of a CSV file: quotes (doubled inside), separators and line ends within quotes, any line ends.
 *
 * @param {string} text
 * @param {string} separator
 * @returns {?string[][]} lines of cells, without empty lines; null if a quotation has no end
 */
export function csvLines(text, separator) {
  const lines = [], breaks = new RegExp(`["\r\n${separator === "|" ? "\\|" : separator}]`, "g");
  let line = [], cell = "", quoted = false, from = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  const end = () => {
    line.push(cell);
    if (line.length > 1 || line[0].trim() !== "") lines.push(line);
    line = [], cell = "";
  };
  while (from < text.length) {
    if (quoted) {
      const to = text.indexOf('"', from);
      if (to < 0) return null;
      cell += text.slice(from, to);
      from = to + 1;
      if (text[from] === '"') cell += '"', (from += 1);
      else quoted = false;
      continue;
    }
    breaks.lastIndex = from;
    const found = breaks.exec(text), to = found ? found.index : text.length;
    cell += text.slice(from, to);
    from = to + 1;
    if (!found) break;
    if (found[0] === separator) line.push(cell), (cell = "");
    else if (found[0] === '"') {
      if (cell.trim() === "") cell = "", (quoted = true);
      else cell += '"';
    } else {
      if (found[0] === "\r" && text[from] === "\n") from += 1;
      end();
    }
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
  let filled = 0, known = 0;
  const values = cells.map((cell) => {
    const isPlain = plain.test(cell), isGrouped = !isPlain && grouped.test(cell);
    if (!isPlain && !isGrouped) {
      if (!NO_NUMBER.has(cell.toLowerCase())) filled += 1;
      return null;
    }
    filled += 1, known += 1;
    const digits = isGrouped ? cell.replaceAll(comma ? "." : ",", "") : cell;
    return Number(comma ? digits.replace(",", ".") : digits);
  });
  return filled === 0 || known < 0.95 * filled ? null : values;
}

/** Whether more numbers of the table can be read with a decimal comma only than with a point only. */
function usesComma(columns) {
  let comma = 0, point = 0;
  for (const cells of columns)
    for (const cell of cells) {
      if (!cell.includes(",") && !cell.includes(".")) continue;
      const asComma = COMMA.test(cell) || GROUPED_COMMA.test(cell), asPoint = POINT.test(cell) || GROUPED_POINT.test(cell);
      if (asComma && !asPoint) comma += 1;
      if (asPoint && !asComma) point += 1;
    }
  return comma > point;
}

/** What a column is: numbers, or levels, with what the whole table decides about them. */
function columnOf(name, cells, comma, rows) {
  const number = (values) => ({ name, kind: "number", categories: null, values, hasMissing: values.includes(null) });
  const texts = [...new Set(cells)], words = [...new Set(texts.slice(0, MOST_SPELLINGS + 1).map((text) => text.toLowerCase()))];
  if (texts.every(isMissing)) return number(cells.map(() => null));
  const filled = words.filter((word) => !NO_NUMBER.has(word));
  const pair = PAIRS.find((two) => texts.length <= MOST_SPELLINGS && filled.length === 2 && two.every((word) => filled.includes(word)));
  if (pair) return number(cells.map((cell) => (pair.includes(cell.toLowerCase()) ? pair.indexOf(cell.toLowerCase()) : null)));
  const values = numbersOf(cells, comma);
  const isCode = values && texts.some((text) => CODE.test(text)) && values.every((value) => value === null || Number.isInteger(value));
  if (values && !isCode) return number(values);
  const counts = new Map();
  for (const cell of cells) if (!isMissing(cell)) counts.set(cell, (counts.get(cell) ?? 0) + 1);
  const share = Math.max(1, Math.ceil(rows / 200)), needed = counts.size > 200 ? share : Math.min(10, share);
  const levels = [...counts.keys()].filter((level) => counts.get(level) >= needed).sort();
  const hasMissing = cells.some(isMissing), categories = [...levels, "(other)", ...(hasMissing ? ["(missing)"] : [])];
  const code = new Map(levels.map((level, i) => [level, i]));
  const codes = cells.map((cell) => (isMissing(cell) ? levels.length + 1 : code.get(cell) ?? levels.length));
  return { name, kind: "category", categories, values: codes, hasMissing, needed, levels: counts.size };
}

/** Why a column is no feature; an empty text if it is one. */
function useless(column) {
  const values = column.values.filter((value) => value !== null), n = values.length, different = new Set(values).size;
  if (!n) return "is empty";
  if (different < 2 && !column.hasMissing) return "is constant";
  if (n < FEW_ROWS) return "";
  if (column.kind === "category") return column.levels > 0.95 * n ? "has another text in nearly every row" : "";
  const low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
  const running = different === n && high - low + 1 === n && values.every(Number.isInteger);
  return running ? "numbers the rows" : "";
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
  const amounts = numbersOf(cellsOf[goal], comma), different = new Set((amounts ?? []).filter((value) => value !== null));
  const fractions = [...different].some((value) => !Number.isInteger(value));
  const isNumber = different.size > (fractions ? 2 : MOST_WHOLE_NUMBERS) && !cellsOf[goal].some((cell) => CODE.test(cell));
  const known = cellsOf[goal].map((cell, row) => (isNumber ? amounts[row] !== null : !isMissing(cell)));
  const dropped = known.filter((one) => !one).length, notes = [];
  const cells = cellsOf.map((own) => own.filter((_, row) => known[row])), rows = cells[goal].length;
  if (dropped) notes.push(`${dropped} row${dropped === 1 ? " has" : "s have"} no value in '${target}' and ${dropped === 1 ? "is" : "are"} left out.`);
  if (rows < 10) return fail(`${rows} rows have a value in '${target}', and at least 10 are needed.`);
  let classes = isNumber ? [] : [...new Set(cells[goal])];
  if ((isNumber ? different : new Set(classes)).size < 2) return fail(`All rows have the same value in '${target}', so there is nothing to predict.`);
  if (classes.length > MOST_CLASSES) return fail(`'${target}' has ${classes.length} different texts, and this page takes up to ${MOST_CLASSES} classes.`);
  const valueOf = (label) => Number(comma ? label.replace(",", ".") : label);
  classes = classes.every((label) => Number.isFinite(valueOf(label))) ? classes.sort((a, b) => valueOf(a) - valueOf(b)) : classes.sort();
  const y = isNumber ? amounts.filter((value) => value !== null) : cells[goal].map((cell) => classes.indexOf(cell));
  const counts = classes.map((label) => cells[goal].filter((cell) => cell === label).length);
  if (!isNumber && rows - Math.max(...counts) < 2) return fail(`Fewer than 2 rows are outside the largest class of '${target}'.`);

  const columns = header.map((one, i) => (i === goal ? null : columnOf(one, cells[i], comma, rows))).filter(Boolean);
  const used = columns.filter((column) => {
    const reason = useless(column);
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
