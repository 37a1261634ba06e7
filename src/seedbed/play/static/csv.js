// CSV files that are dropped on the page: text in, a table out, by the rules by which seedbed reads them as far as a page
// needs them. Nothing leaves the browser.
import { decimalMarks, isCode, isMissing, isNoNumber, isPlain, numbersOf, numeral } from "./cells.js";
import { datesOf, orderOf, partsOf } from "./dates.js";
import { decodeTable, inputsOf } from "./table.js";

const MOST_CELLS = 2_000_000, MOST_ROWS = 20_000, MOST_INPUTS = 500, MOST_CLASSES = 20, MOST_WHOLE_NUMBERS = 20;
const ENOUGH_ROWS = 10, ONE_IN = 200, MANY_LEVELS = 200; // a level with fewer rows than these is rare
const FEW_ROWS = 20; // too few to recognise a column that names the rows
const FEWEST_ROWS = 10, FARTHEST = 1e30;
const shown = (count) => count.toLocaleString("en");
const PAIRS = [["no", "yes"], ["false", "true"], ["f", "t"], ["n", "y"], ["off", "on"], ["f", "m"], ["female", "male"]];

/** The text of a file's bytes: UTF-16 if a byte order mark says so, else UTF-8, or Windows-1252 where that is impossible. */
export function csvText(bytes) {
  const [one, two] = new Uint8Array(bytes, 0, Math.min(2, bytes.byteLength));
  if (one === 0xff && two === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (one === 0xfe && two === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes); // as Excel writes it on many computers
  }
}

/**
 * The cells of a CSV file: quotes (doubled inside), separators and line ends within quotes, any line ends.
 *
 * @param {string} text
 * @param {string} separator
 * @returns {?string[][]} lines of cells, without empty lines; null if a quotation has no end
 */
function csvLines(text, separator) {
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

/** The distinct cells of a column, ends stripped: {texts, counts}, and the place of each row's text. */
function distinct(cells) {
  const places = new Map(), texts = [], counts = [], codes = new Int32Array(cells.length);
  cells.forEach((cell, row) => {
    let place = places.get(cell);
    if (place === undefined) {
      const text = cell.trim();
      place = text === cell ? undefined : places.get(text);
      if (place === undefined) {
        place = texts.push(text) - 1;
        counts.push(0);
        places.set(text, place);
      }
      places.set(cell, place);
    }
    codes[row] = place;
    counts[place] += 1;
  });
  return { texts, counts, codes };
}

/** What a column is: numbers (`values`: of each text, or null if it has none), dates or levels. */
function columnOf(name, own, values) {
  const { texts, counts, codes } = own, words = texts.map((text) => text.toLowerCase()), rows = codes.length;
  const spread = (values) => Array.from(codes, (code) => values[code]);
  const number = (values) => (
    { name, kind: "number", categories: null, values: spread(values), hasMissing: values.includes(null) });
  if (texts.every(isMissing)) return number(texts.map(() => null));
  const filled = [...new Set(words.filter((word) => !isNoNumber(word)))];
  const pair = PAIRS.find((two) => filled.length === 2 && two.every((word) => filled.includes(word)));
  if (pair) return number(words.map((word) => (pair.includes(word) ? pair.indexOf(word) : null)));
  const areCodes = values?.every((value) => value === null || Number.isInteger(value)) && texts.some(isCode);
  if (values && !areCodes) return number(values);
  const dates = values ? null : datesOf(own);
  if (dates) return { name, kind: "date", dates, spread };
  const missing = texts.map(isMissing), nLevels = missing.filter((one) => !one).length;
  const share = Math.max(1, Math.ceil(rows / ONE_IN)), needed = nLevels > MANY_LEVELS ? share : Math.min(ENOUGH_ROWS, share);
  const levels = texts.filter((_, place) => !missing[place] && counts[place] >= needed).sort();
  const hasMissing = missing.includes(true), categories = [...levels, "(other)", ...(hasMissing ? ["(missing)"] : [])];
  const places = new Map(levels.map((level, i) => [level, i]));
  const categoryOf = texts.map((text, place) => (missing[place] ? levels.length + 1 : places.get(text) ?? levels.length));
  return { name, kind: "category", categories, values: spread(categoryOf), hasMissing, needed, levels: nLevels };
}

/** Why a column is no feature; an empty text if it is one. */
function useless(column) {
  const values = column.values.filter((value) => value !== null), n = values.length, different = new Set(values).size;
  if (!n) return "is empty";
  if (different < 2 && !column.hasMissing) return "is constant";
  if (n < FEW_ROWS) return "";
  if (column.kind === "category") return column.levels > 0.95 * n ? "has another text in nearly every row" : "";
  const low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
  const running = column.kind === "number" && different === n && high - low + 1 === n && values.every(Number.isInteger);
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
  if (text.startsWith("PK")) return fail("This is an Excel file or an archive. Save the table as CSV first; or seedbed play, which reads Excel files, writes it into the page.");
  if (text.includes("\0")) return fail("This is no text file. Save the table as CSV first.");
  const separator = separatorOf(text), lines = csvLines(text, separator);
  if (lines === null) return fail("A quotation mark in the file has no end.");
  const named = lines[0].filter((one) => one.trim()).length;
  if (named < lines[0].length / 2) return fail(`The first line names ${named} of ${lines[0].length} columns. Delete what is above the names.`);
  const header = lines[0].map((one, i) => one.trim() || `column ${i + 1}`), rows = lines.length - 1;
  if (header.length < 2) return fail("The file has one column only. A CSV file separates columns by commas, semicolons or tabs.");
  const twice = header.find((one, i) => header.indexOf(one) < i);
  if (twice !== undefined) return fail(`Two columns are named '${twice}'. Rename one.`);
  const isUneven = (line) => line.length < header.length || line.slice(header.length).some((one) => one.trim());
  const uneven = lines.findIndex(isUneven);
  if (uneven > 0)
    return fail(`Row ${uneven} has ${lines[uneven].length} cells, and the first line names ${header.length} columns. Correct the row.`);
  if (rows > MOST_ROWS) return fail(`The table has ${shown(rows)} rows, and this page takes ${shown(MOST_ROWS)}: use a part of them.`);
  if (rows < FEWEST_ROWS) return fail(`The table has ${rows} row${rows === 1 ? "" : "s"}, and at least ${FEWEST_ROWS} are needed.`);
  if (target === null) return fail("Choose the column to predict.", header);
  if (!header.includes(target)) return fail(`There is no column '${target}'.`, header);
  const columns = header.map((_, i) => distinct(lines.slice(1).map((line) => line[i])));
  const read = assembled(header, columns, header.indexOf(target), name);
  if (read.table) read.table.separator = separator;
  return read;
}

/** How pandas reads numbers: `decimal`, and columns by the mark of the numbers in their texts, such as "€ 1,200". */
function asPandas(header, columns, marks) {
  const decimal = marks.includes("comma") ? "," : ".", dressed = { point: [], comma: [] };
  const isRead = (text) => isMissing(text) || isPlain(decimal === "." ? text : text.replace(/[.,]/g, (mark) => (mark === "," ? "." : "x")));
  columns.forEach(({ texts }, i) => {
    if (marks[i] && !texts.every(isRead)) dressed[marks[i]].push(header[i]);
  });
  return { decimal, dressed };
}

/** The table of columns from `distinct`, of which one is the target. */
function assembled(header, columns, goal, name) {
  const fail = (error) => ({ error, columns: header }), target = header[goal], own = columns[goal], notes = [];
  const looks = columns.map(numbersOf), { decimal, marks } = decimalMarks(looks.filter((_, i) => i !== goal));
  const { readings = {} } = looks[goal] ?? {};
  marks.splice(goal, 0, readings[decimal] ? decimal : Object.keys(readings)[0]);
  const amounts = readings[marks[goal]];
  const different = new Set((amounts ?? []).filter((value) => value !== null));
  const areWhole = [...different].every(Number.isInteger);
  const isNumber = different.size > (areWhole ? MOST_WHOLE_NUMBERS : 2) && !(areWhole && own.texts.some(isCode));
  const known = own.texts.map((text, place) => (isNumber ? amounts[place] !== null : !isMissing(text)));
  const kept = Array.from(own.codes.keys()).filter((row) => known[own.codes[row]]), rows = kept.length;
  const dropped = own.codes.length - rows;
  const [has, is] = dropped === 1 ? [" has", "is"] : ["s have", "are"];
  if (dropped) notes.push(`${dropped} row${has} no value in '${target}' and ${is} left out.`);
  if (rows < FEWEST_ROWS) return fail(`${rows} rows have a value in '${target}', and at least ${FEWEST_ROWS} are needed.`);
  let classes = isNumber ? [] : own.texts.filter((_, place) => known[place]);
  if ((isNumber ? different.size : classes.length) < 2)
    return fail(`All rows have the same value in '${target}', so there is nothing to predict. Choose another column.`);
  if (amounts?.includes(Infinity) || amounts?.includes(-Infinity)) return fail(`'${target}' holds a number that is too large.`);
  const numberOf = new Map(classes.map((text) => [text, isCode(text) ? null : numeral(text).point])), labelOf = new Map();
  if ([...numberOf.values()].includes(null)) classes.sort().forEach((text) => labelOf.set(text, text));
  else {
    // 1 and 1.0 are one class, and 10 follows 9.
    const shortest = (a, b) => numberOf.get(a) - numberOf.get(b) || a.length - b.length || (a < b ? -1 : 1);
    const named = new Map();
    for (const text of classes.sort(shortest)) named.set(numberOf.get(text), named.get(numberOf.get(text)) ?? text);
    for (const text of classes) labelOf.set(text, named.get(numberOf.get(text)));
    classes = [...named.values()];
  }
  if (classes.length > MOST_CLASSES)
    return fail(`'${target}' has ${classes.length} different texts, and this page takes up to ${MOST_CLASSES} classes. Choose another column.`);
  const goals = own.texts.map((text, place) => (isNumber ? amounts[place] : classes.indexOf(labelOf.get(text))));
  const sizes = classes.map((_, i) => own.counts.reduce((sum, n, place) => sum + (goals[place] === i ? n : 0), 0));
  if (!isNumber && rows - Math.max(...sizes) < 2) return fail(`Fewer than 2 rows are outside the largest class of '${target}'.`);

  const found = header.map((one, i) => {
    if (i === goal) return null;
    const whole = columns[i], values = looks[i]?.readings[marks[i]];
    if (!dropped) return columnOf(one, whole, values);
    const remaining = distinct(kept.map((row) => whole.texts[whole.codes[row]])), places = new Map(whole.texts.map((text, place) => [text, place]));
    return columnOf(one, remaining, values && remaining.texts.map((text) => values[places.get(text)]));
  });
  const order = orderOf(found.map((column) => column?.dates), decimal === "comma"), used = [];
  for (const column of found) {
    if (!column) continue;
    const isDate = column.kind === "date";
    if (isDate) {
      const [spelling] = [order, ...Object.keys(column.dates.readings)].filter((one) => column.dates.readings[one]);
      column.values = column.spread(column.dates.readings[spelling]);
      column.hasMissing = column.values.includes(null);
      if (spelling !== "ymd") notes.push(`'${column.name}' is read as dates, the ${spelling === "dmy" ? "day" : "month"} first.`);
    }
    const reason = useless(column);
    if (reason) notes.push(`'${column.name}' ${reason} and is left out.`);
    else used.push(...(isDate ? partsOf(column) : [column]));
  }
  if (!used.length) return fail([...notes, "No column is left to predict from."].join(" "));
  const isFar = (value) => value !== null && !(Math.abs(value) < FARTHEST);
  const far = used.find((column) => column.kind === "number" && column.values.some(isFar));
  if (far) return fail(`'${far.name}' holds a number that is too large.`);
  const inputs = inputsOf(used), nCells = inputs.length * rows;
  if (inputs.length > MOST_INPUTS)
    return fail(`The columns make ${shown(inputs.length)} inputs, and this page takes ${MOST_INPUTS}.`);
  if (nCells > MOST_CELLS) return fail(`The table has ${shown(nCells)} cells, and this page takes ${shown(MOST_CELLS)}.`);
  const table = decodeTable({
    name, task: isNumber ? "regression" : classes.length > 2 ? "multiclass" : "binary", target,
    classes: isNumber ? null : classes, inputs, cells: used.map((column) => column.values),
    y: kept.map((row) => goals[own.codes[row]]), notes, ...asPandas(header, columns, marks.map((mark, i) => (i === goal ? isNumber : found[i].kind === "number") && mark)),
    columns: used.map(({ name: own, source = own, kind, categories, hasMissing }) => ({ name: own, source, kind, categories, hasMissing })),
  });
  return { table };
}
