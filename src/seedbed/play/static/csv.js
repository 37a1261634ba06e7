// CSV files that are dropped on the page: text in, a table out, by the rules by which seedbed reads them as far as a page
// needs them. `dsvFormat` is that of d3-dsv, which Python writes into the page.
import { DAY, FEW_ROWS, habitsOf, isCode, isPlain, missingAmong, numbersOf, numeral, spellingOf, understood } from "./cells.js";
import { decodeTable, inputsOf } from "./table.js";
import { visible } from "./words.js";

const MOST_CELLS = 2_000_000, MOST_ROWS = 20_000, MOST_INPUTS = 500, MOST_CLASSES = 20, MOST_WHOLE_NUMBERS = 20;
const ENOUGH_ROWS = 10, ONE_IN = 200, MANY_LEVELS = 200; // a level with fewer rows than these is rare
const FEWEST_ROWS = 10, FARTHEST = 1e30, MOST_TITLES = 20, LOOKED_AT = 50;
const MIDDLES = [null, 6.5, 3, 11.5]; // of days, months, weekdays and hours, for a missing date
const shown = (count) => count.toLocaleString("en");

/** The text of a file's bytes: UTF-16 if a byte order mark says so, else UTF-8, or Windows-1252 where that is impossible. */
export function csvText(bytes) {
  const [one, two] = new Uint8Array(bytes, 0, Math.min(2, bytes.byteLength)), utf16 = { 0xfffe: "utf-16le", 0xfeff: "utf-16be" }[256 * one + two];
  try {
    return new TextDecoder(utf16 ?? "utf-8", { fatal: !utf16 }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes); // as Excel writes it on many computers
  }
}

/** The lines of cells of a text, without empty lines; null if a quotation has no end. */
function linesOf(given, separator) {
  const { parseRows } = dsvFormat(separator), first = parseRows(given), isSpaced = first.some((line) => line.some((cell) => /^ +"/.test(cell)));
  const text = isSpaced ? given.replace(/(^|[,;|\t\r\n]) +(?=")/g, "$1") : given, lines = isSpaced ? parseRows(text) : first; // quotes may follow spaces
  const last = lines.at(-1)?.at(-1);
  if (last && text.replace(/\r?\n$/, "").endsWith(`"${last.replaceAll('"', '""').replace(/\r?\n$/, "")}`)) return null;
  return lines.filter((line) => line.length > 1 || line[0].trim());
}

/** The place of the header among the first lines: below titles, which leave at least two cells empty, are names of all columns. */
function headerOf(lines) {
  const first = lines.slice(0, LOOKED_AT), width = first.at(-1).length, isNumber = (cell) => numeral(cell.trim()).point !== null;
  const isHeader = (line) => line.length === width && line.slice(1).every((cell) => cell.trim()) && new Set(line).size === width && !line.some(isNumber);
  const place = first.slice(0, MOST_TITLES + 1).findIndex((line) => isHeader(line) || line.filter((cell) => cell.trim()).length > Math.max(1, width - 2));
  const below = first.slice(place + 1);
  return place > 0 && isHeader(first[place]) && below.every((line) => line.length === width) && below.flat().some(isNumber) ? place : 0;
}

/** The separator under which nearly all of the first lines have as many cells as the header, best without titles above it, and most. */
function separatorOf(text) {
  const head = text.slice(0, 100_000), whole = head.slice(0, head.lastIndexOf("\n") + 1 || undefined);
  const rank = (separator) => {
    const lines = linesOf(whole, separator) ?? [], titles = lines.length && headerOf(lines);
    const [width = 0, ...below] = lines.slice(titles, titles + LOOKED_AT).map((line) => line.length);
    return width > 1 && below.filter((one) => one === width).length >= 0.9 * below.length ? width - (titles && MOST_INPUTS * MOST_INPUTS) : -Infinity;
  };
  return [",", ";", "\t", "|"].reduce((best, separator) => (rank(separator) > rank(best) ? separator : best));
}

/** The distinct cells of a column, ends stripped: {texts, counts}, and the place of each row's text. */
function distinct(cells) {
  const places = new Map(), texts = [], counts = [];
  const codes = Int32Array.from(cells, (cell) => {
    let place = places.get(cell);
    if (place === undefined) {
      const text = cell.trim();
      place = places.get(text) ?? texts.push(text) - 1;
      places.set(cell, place).set(text, place);
    }
    counts[place] = (counts[place] ?? 0) + 1;
    return place;
  });
  return { texts, counts, codes };
}

/** Why a column with a value in each row is no feature; an empty text if it is one. */
function useless(kind, all, name) {
  const values = all.filter((value) => value !== null), n = values.length, different = new Set(values).size;
  if (!n) return "is empty";
  if (different < 2 && n === all.length) return "is constant";
  if (n < FEW_ROWS) return "";
  if (kind === "category") return different > 0.95 * n ? "has another text in nearly every row" : "";
  const low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
  const areYears = low >= 1500 && high <= 2200 && /year|yr|(?<![a-z])(?:jahr|ann[ée]e|año|season|time|date)(?![a-z])/i.test(name);
  return kind === "number" && !areYears && different === n && high - low + 1 === n && values.every(Number.isInteger) ? "numbers the rows" : "";
}

/** The columns of numbers for the parts of dates: days since 1970, month, weekday from Monday on, and hour if there are times. */
function partsOf(name, values, hasMissing) {
  const isTimed = values.some((value) => value % DAY), day = (value) => Math.floor(value / DAY);
  const parts = {
    days: day, month: (value) => new Date(1000 * value).getUTCMonth() + 1,
    weekday: (value) => (((day(value) + 3) % 7) + 7) % 7, // 1970-01-01 was a Thursday
    ...(isTimed && { hour: (value) => Math.floor((value - day(value) * DAY) / 3600) }),
  };
  return Object.entries(parts).map(([part, of], i) => ({
    name: `${name}.${part}`, source: name, kind: "number", categories: null, values: values.map((value) => (value === null ? MIDDLES[i] : of(value))),
    hasMissing: hasMissing && i === Object.keys(parts).length - 1, gap: hasMissing ? i : 0,
  }));
}

/** A column of categories: levels with enough rows, then the other ones, then missing cells. */
function categoryOf(name, values, names, hasMissing) {
  const counts = names.map(() => 0), share = Math.max(1, Math.ceil(values.length / ONE_IN));
  for (const value of values) if (value !== null) counts[value] += 1;
  const needed = names.length > MANY_LEVELS ? share : Math.min(ENOUGH_ROWS, share), kept = [...names.keys()].filter((level) => counts[level] >= needed);
  const places = new Map(kept.map((level, place) => [level, place]));
  return {
    name, kind: "category", categories: [...kept.map((level) => names[level]), "(other)", ...(hasMissing ? ["(missing)"] : [])], hasMissing, needed,
    values: values.map((value) => (value === null ? kept.length + 1 : places.get(value) ?? kept.length)),
    codes: kept.length < names.length ? values : null, // of all levels, also of the rare ones
  };
}

/**
 * Read a CSV file.
 *
 * @param {string} given text
 * @param {?string} target the column to predict
 * @param {string} name of the table
 * @returns {{table: object}|{error: string, columns: string[]}} a table, see engine.js; or one sentence for the reader, and
 *   the columns that can be the target
 */
export function readCsv(given, target = null, name = "your table") {
  const fail = (error, columns = []) => ({ error, columns });
  if (!given.trim()) return fail("The file is empty.");
  if (given.startsWith("PK")) return fail("This is an Excel file or an archive. Save the table as CSV first, or open it with seedbed play, which reads Excel files.");
  if (given.includes("\0")) return fail("This isn't a text file. Save the table as CSV first.");
  const text = visible(given.replace(/^\ufeff/, ""));
  const separator = separatorOf(text), lines = linesOf(text, separator);
  if (lines === null) return fail("A quotation mark in the file has no end.");
  const titles = headerOf(lines), header = lines[titles].map((one, i) => one.trim() || `column ${i + 1}`), rows = lines.slice(titles + 1);
  if (header.length < 2) return fail("The file has one column only. A CSV file separates columns by commas, semicolons or tabs.");
  const twice = header.find((one, i) => header.indexOf(one) < i);
  if (twice !== undefined) return fail(`Two columns are named '${twice}'. Rename one.`);
  const uneven = rows.findIndex((line) => line.length < header.length || line.slice(header.length).some((one) => one.trim()));
  if (uneven >= 0)
    return fail(`Row ${uneven + 1} has ${rows[uneven].length} cells, and the first line names ${header.length} columns. Correct the row.`);
  if (rows.length > MOST_ROWS) return fail(`The table has ${shown(rows.length)} rows, and this page takes ${shown(MOST_ROWS)}: use a part of them.`);
  if (rows.length < FEWEST_ROWS) return fail(`The table has ${rows.length} row${rows.length === 1 ? "" : "s"}, and at least ${FEWEST_ROWS} are needed.`);
  if (target === null) return fail("Choose the column to predict.", header);
  if (!header.includes(target)) return fail(`There is no column '${target}'.`, header);
  const columns = header.map((_, i) => distinct(rows.map((line) => line[i])));
  const read = assembled(header, columns, header.indexOf(target), visible(name)), notes = titles ? ["Lines above the column names are left out."] : [];
  if (read.table) Object.assign(read.table, { separator, titles, notes: [...notes, ...read.table.notes] });
  return read;
}

/** What is predicted: {values} of each text, null where there is none, and `classes`, null for numbers. */
function goalOf({ texts }, amounts) {
  const different = [...new Set(amounts)].filter((value) => value !== null), areWhole = different.every(Number.isInteger);
  const isNumber = different.length > (areWhole ? MOST_WHOLE_NUMBERS : 2) && !(areWhole && texts.some(isCode));
  if (isNumber) return { values: amounts, classes: null };
  const isMissing = missingAmong(texts), labels = texts.filter((text) => !isMissing(text));
  const numbers = new Map(labels.map((text) => [text, isCode(text) ? null : numeral(text).point]));
  const areNumbers = ![...numbers.values()].includes(null), key = (text) => (areNumbers ? numbers.get(text) : text);
  // 1 and 1.0 are one class with the shorter name, and 10 follows 9.
  labels.sort((a, b) => (areNumbers && (numbers.get(a) - numbers.get(b) || a.length - b.length)) || (a < b ? -1 : 1));
  const keys = [...new Set(labels.map(key))];
  return { values: texts.map((text) => (isMissing(text) ? null : keys.indexOf(key(text)))), classes: keys.map((one) => labels.find((text) => key(text) === one)) };
}

/** The table of columns from `distinct`, of which one is the target. */
function assembled(header, columns, goal, name) {
  const fail = (error) => ({ error, columns: header }), target = header[goal], notes = [], own = columns[goal];
  const numbers = columns.map(numbersOf), looks = columns.map((cells, i) => understood(cells, numbers[i])), habits = habitsOf(looks);
  const amounts = numbers[goal]?.readings[spellingOf(numbers[goal], habits)] ?? [], { values, classes } = goalOf(own, amounts);
  const kept = Array.from(own.codes.keys()).filter((row) => values[own.codes[row]] !== null), rows = kept.length, dropped = own.codes.length - rows;
  const [has, is] = dropped === 1 ? [" has", "is"] : ["s have", "are"], y = kept.map((row) => values[own.codes[row]]);
  if (dropped) notes.push(`${dropped} row${has} no value in '${target}' and ${is} left out.`);
  if (rows < FEWEST_ROWS) return fail(`${rows} rows have a value in '${target}', and at least ${FEWEST_ROWS} are needed.`);
  if (new Set(y).size < 2) return fail(`All rows have the same value in '${target}', so there is nothing to predict. Choose another column.`);
  if (amounts.includes(Infinity) || amounts.includes(-Infinity)) return fail(`'${target}' holds a number that is too large.`);
  if (classes?.length > MOST_CLASSES)
    return fail(`'${target}' has ${classes.length} different texts, and this page takes up to ${MOST_CLASSES} classes. Choose another column.`);
  if (classes?.some((_, k) => y.filter((label) => label !== k).length < 2)) return fail(`Fewer than 2 rows are outside the largest class of '${target}'.`);
  const used = [], dressed = { point: [], comma: [], clocks: [], scaled: [] }, decimal = habits.decimal === "comma" ? "," : ".";
  const isRead = (text) => !text || isPlain(decimal === "." ? text : text.replace(/[.,]/g, (mark) => (mark === "," ? "." : "x"))); // by pandas
  header.forEach((one, i) => {
    const look = i === goal ? { ...numbers[i], kind: "number" } : looks[i], spelling = look.readings && spellingOf(look, habits), { texts, codes } = columns[i];
    if ((i !== goal || !classes) && look.kind === "number" && dressed[spelling] && !texts.every(isRead)) {
      const isOf = (pattern) => texts.some((text) => pattern.test(text) && numeral(text)[spelling] !== null);
      dressed[isOf(/:/) ? "clocks" : spelling].push(one);
      if (isOf(/[KkMmBb]n?\s?\D*$/) && isOf(/\d\s?[KkMmBb]/)) dressed.scaled.push(one);
    }
    if (i === goal) return;
    const all = Array.from(codes, (code) => look.readings[spelling][code]), values = dropped ? kept.map((row) => all[row]) : all, hasMissing = all.includes(null);
    if (look.kind === "date" && (look.sure || look.readings.dmy)) notes.push(`'${one}' is read as dates, the ${spelling === "dmy" ? "day" : "month"} first.`);
    const reason = useless(look.kind, all, one);
    if (reason) notes.push(`'${one}' ${reason} and is left out.`);
    else if (look.kind === "date") used.push(...partsOf(one, values, hasMissing));
    else used.push(look.kind === "number" ? { name: one, kind: "number", categories: null, values, hasMissing } : categoryOf(one, values, look.levels, hasMissing));
  });
  if (!used.length) return fail([...notes, "No column is left to predict from."].join(" "));
  const isFar = (value) => value !== null && !(Math.abs(value) < FARTHEST), far = used.find((column) => column.kind === "number" && column.values.some(isFar));
  if (far) return fail(`'${far.name}' holds a number that is too large.`);
  const inputs = inputsOf(used), nCells = inputs.length * rows;
  if (inputs.length > MOST_INPUTS) return fail(`The columns make ${shown(inputs.length)} inputs, and this page takes ${MOST_INPUTS}.`);
  if (nCells > MOST_CELLS) return fail(`The table has ${shown(nCells)} cells, and this page takes ${shown(MOST_CELLS)}.`);
  const table = decodeTable({
    name, task: !classes ? "regression" : classes.length > 2 ? "multiclass" : "binary", target, classes, inputs, cells: used.map((column) => column.values), y, notes,
    decimal, dressed, columns: used.map(({ name: one, source = one, kind, categories, hasMissing, codes }) => ({ name: one, source, kind, categories, hasMissing, codes })),
  });
  return { table };
}
