// What the cells of a dropped file mean, as seedbed reads them: missing values, numbers (perhaps with thousands, a currency or
// percent), dates or levels.

const MISSING = new Set(["", "?", "nan", "null", "(null)", "<na>", "nat", "n/a", "n.a.", "#n/a", "#na", "#null!"]);
const AMONG_LEVELS = new Set([...MISSING, ".", "..", "missing", "#value!", "#div/0!"]); // of two levels or more
const NO_NUMBER = new Set([...AMONG_LEVELS, "-", "--", "—", "–", "na", "none", "nil", "unknown"]);
const PAIRS = [["no", "yes"], ["false", "true"], ["f", "t"], ["n", "y"], ["off", "on"], ["f", "m"], ["female", "male"]];

/** A function that says whether one of these texts, ends stripped, is a missing category. "NA" isn't among codes such as those of countries. */
export function missingAmong(texts) {
  const levels = texts.filter((text) => !AMONG_LEVELS.has(text.toLowerCase()) && text.toLowerCase() !== "na"), codes = levels.filter((text) => /^[A-Z]{2}$/.test(text)).length;
  const areCodes = codes >= 3 && codes >= 0.9 * levels.length, words = levels.length < 2 ? MISSING : AMONG_LEVELS;
  return (text) => words.has(text.toLowerCase()) || (text.toLowerCase() === "na" && !(areCodes && text === "NA"));
}

/** Whether a cell, ends stripped, counts as missing among numbers and dates. */
export const isNoNumber = (text) => NO_NUMBER.has(text.toLowerCase());

/** Whether a text of digits is a code, as it has leading zeros: 007. */
export const isCode = (text) => /^[+-]?0\d+$/.test(text);

/** Whether a cell, ends stripped, is a number as programs write it. */
export const isPlain = (text) => /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i.test(text);

const LONGEST = 64, SPACE = " \u00a0\u2009\u202f";
const CURRENCY = String.raw`(?:[A-Z]{0,3}\$|[£¥€₹₽₩₺₴₦₱฿₫₪₡₲₵₸₼₾]|USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|ZAR|MXN|` +
  String.raw`kr\.?|zł|Kč|Ft|Fr\.|Rs\.?)`;
const DRESSED = new RegExp(String.raw`^(?<open>\()?(?<before>[+\-−])?(?<money>${CURRENCY}\s*)?(?<after>[+\-−])?` +
  String.raw`(?<core>[0-9.,](?:[0-9.,'’\s]*[0-9.,])?(?:[eE][+-]?[0-9]+)?)\s*(?<scale>(?:[KkMm]|[Bb]n?)\s?)?(?:(?<unit>${CURRENCY})|(?<percent>%))?(?<close>\))?$`);
const EXPONENTS = { "%": "e-2", k: "e3", m: "e6", b: "e9" };
const CLOCK = /^(?:(2[0-3]|[01]?\d)|(\d{1,3})(?=:..:)):([0-5]\d)(?::([0-5]\d(?:\.\d{1,9})?))?$/;
const WITH_UNIT = /^(?![+-]?0\d)([+\-−]?[0-9.,](?:[0-9.,'’\s]*[0-9.,])?)\s*((?<=\s)[A-Za-z]|[A-Za-zµ°][A-Za-zµ°²³./ ]{0,14}[A-Za-z²³23])\.?$/;

/** The number and the unit in a cell: "3" and "day" of "3 days"; without a unit, the text. */
function splitUnit(text) {
  const match = text.length > LONGEST ? null : WITH_UNIT.exec(text);
  return match ? [match[1], match[2].toLowerCase().replace(/(?<=[a-z]{2})s$/, "")] : [text, ""];
}
/** Digits, perhaps in groups of three (or India's: 12,34,567), with a decimal mark. */
const coreOf = (mark, groups, lakh) => new RegExp(
  String.raw`^(?:(?:[1-9]\d{0,2}([${groups}])\d{3}(?:\1\d{3})*${lakh})(?:[${mark}]\d+)?|(?:\d+[${mark}]?\d*|[${mark}]\d+)(?:[eE][+-]?\d+)?)$`);
const CORES = { point: coreOf(".", `,'’${SPACE}`, String.raw`|[1-9]\d?(?:,\d{2})+,\d{3}`), comma: coreOf(",", `.'’${SPACE}`, "") };
const GROUPS = { point: new RegExp(`[,'’${SPACE}]`, "g"), comma: new RegExp(`[.'’${SPACE}]`, "g") };

/** The number that a cell, ends stripped, is by either decimal mark: {point, comma}; null if it is none. */
export function numeral(text) {
  const plain = isPlain(text) ? Number(text) : /^[+-]?inf(?:inity)?$/i.test(text) ? (text[0] === "-" ? -Infinity : Infinity) : null;
  if (plain !== null && !text.includes(".")) return { point: plain, comma: plain };
  const clock = CLOCK.exec(text);
  if (clock) {
    const value = 3600 * Number(clock[1] ?? clock[2]) + 60 * Number(clock[3]) + Number(clock[4] ?? 0);
    return { point: value, comma: value };
  }
  const parts = text.length > LONGEST ? null : DRESSED.exec(text)?.groups, { open, close, core, money, unit, percent } = parts ?? {}, scale = parts?.scale ?? percent ?? "";
  const signs = (parts?.before ?? "") + (parts?.after ?? "");
  const isOdd = !parts || !open !== !close || signs.length + (open ? 1 : 0) > 1 || (scale && /e/i.test(core)) || (parts.scale && (percent || !(money || unit)));
  // Dividing by a hundred as text keeps 12.3% the float nearest to 0.123.
  const by = (mark) => (isOdd || !CORES[mark].test(core) ? null :
    Number((open || "-−".includes(signs || "+") ? "-" : "") + core.replace(GROUPS[mark], "").replace(",", ".") + (EXPONENTS[scale[0]?.toLowerCase()] ?? "")));
  return { point: plain ?? by("point"), comma: by("comma") };
}

export const DAY = 86_400;
export const FEW_ROWS = 20; // too few to recognise a column that names the rows, or a word for missing numbers
const PIVOT = 69; // of two-digit years: 68 is 2068, 69 is 1969
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const GERMAN = { mär: "mar", mrz: "mar", mai: "may", okt: "oct", dez: "dec" };
const TIME = String.raw`(?:(?:[Tt]|,?\s+)(?<hour>\d{1,2}):(?<minute>\d\d)(?::(?<second>\d\d)(?<part>[.,]\d{1,9})?)?` +
  String.raw`(?:\s?(?<half>[AaPp])\.?[Mm]\.?)?(?:\s?(?:[Zz]|UTC|GMT|(?<east>[+-])(?<zoneHour>\d\d):?(?<zoneMinute>\d\d)?))?)?$`;
const IN_NUMBERS = new RegExp(String.raw`^(?<a>\d{1,4})(?<mark>[-/.])(?<b>\d{1,2})\k<mark>(?<c>\d{1,4})${TIME}`);
const WITH_NAME = new RegExp(String.raw`^(?:(?:(?<day>\d{1,2})(?:\. ?|[ -]))?(?<month>[A-Za-zÄä]{3,9})\.?[ -]|(?<first>[A-Za-z]{3,9})\.? (?<next>\d{1,2}),? )(?<year>\d{4})${TIME}`);
const YEAR = String.raw`(?<year>(?:1[6-9]|2[01])\d\d)`, SEASON = /^\d\d(\d\d)[-/](\d\d)$/;
const YEAR_FIRST = new RegExp(String.raw`^${YEAR}[-/ ]?(?<part>[Qq][1-4]|[Ww][0-5]\d|[A-Za-zÄä]{3,9}|0[1-9]|1[0-2])(?:(?<=\d{6})(?<day>\d\d))?$`);
const YEAR_LAST = new RegExp(String.raw`^(?<day>\d\d(?=\d{6}))?(?<part>[Qq][1-4]|\d\d)[-/ ]?${YEAR}$`);

/** The first day of a month, a quarter or an ISO week, and marks between eight digits; else the text. */
function completed(text) {
  const first = YEAR_FIRST.exec(text)?.groups, { year, part, day } = first ?? YEAR_LAST.exec(text)?.groups ?? {};
  if (!year) return text;
  if (!first && day) return `${day}-${part}-${year}`;
  if (/^w/i.test(part)) {
    const start = new Date(Date.UTC(year, 0, 4)); // is in the first week
    return new Date(start.getTime() + 1000 * DAY * (7 * (part.slice(1) - 1) - ((start.getUTCDay() + 6) % 7))).toISOString().slice(0, 10);
  }
  const month = /^\d/.test(part) ? part : /^q/i.test(part) ? 3 * part[1] - 2 : monthOf(part);
  return `${year}-${month}-${day ?? 1}`;
}

/** The number of a month by its name; 0 if no month has that name. */
function monthOf(word) {
  const name = word.slice(0, 3).toLowerCase();
  return MONTHS.indexOf(GERMAN[name] ?? name) + 1;
}

/** Seconds from 1970-01-01 to a time of day; null if there is no such date or time. */
function seconds([year, month, day], { hour = 0, minute = 0, second = 0, part = ".0", half, east, zoneHour = 0, zoneMinute = 0 }) {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (year < 1 || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== Number(day)) return null;
  if ((half && (hour < 1 || hour > 12)) || hour > 23 || minute > 59 || second > 59) return null;
  const hours = half ? (hour % 12) + (/p/i.test(half) ? 12 : 0) : Number(hour);
  const zone = (east === "-" ? -60 : 60) * (60 * zoneHour + Number(zoneMinute));
  return date.getTime() / 1000 + 3600 * hours + 60 * minute + Number(second) - zone + Number(`0.${part.slice(1)}`);
}

/** The date that a cell, ends stripped, is with the month or the day first: {mdy, dmy}; null if it is none. */
function moment(given) {
  const text = completed(given), named = WITH_NAME.exec(text)?.groups, { a, mark, b, c, ...time } = named ?? IN_NUMBERS.exec(text)?.groups ?? {};
  const by = (...parts) => seconds(parts, time), both = (value) => ({ mdy: value, dmy: value });
  if (named) return both(by(named.year, monthOf(named.month ?? named.first), named.day ?? named.next ?? 1));
  if (a?.length === 4 && c.length <= 2) return both(by(a, b, c));
  const isShort = c?.length === 2 && (mark === "/" || (mark === "." && a.length === 2 && b.length === 2));
  if (!a || a.length > 2 || !(c.length === 4 || isShort)) return both(null);
  const year = Number(c) + (isShort ? (c >= PIVOT ? 1900 : 2000) : 0), dmy = by(year, b, a);
  return { mdy: mark === "." ? dmy : by(year, a, b), dmy }; // dots always have the day first
}

/**
 * Read a column's texts in two ways, and choose by the cells that can be read in only one.
 *
 * @returns {?{readings: object, sure: string}} one reading, `sure` if some cell requires it; or both if they differ and no cell
 *   decides; null if under 95 % of the filled cells have a value
 */
function settled({ texts, counts }, read) {
  const filled = texts.map((text) => !isNoNumber(text)), values = texts.map((text, i) => read(filled[i] ? text : ""));
  const [one, other] = Object.keys(read(""));
  const sum = (isWanted) => counts.reduce((all, n, i) => all + (isWanted(values[i], i) ? n : 0), 0);
  const all = sum((_, i) => filled[i]), only = (mine, not) => sum((value) => value[mine] !== null && value[not] === null);
  const [first, second] = [only(one, other), only(other, one)], sure = first || second ? (first >= second ? one : other) : "";
  const kept = sure ? [sure] : values.every((value) => value[one] === value[other]) ? [one] : [one, other];
  const isEnough = all > 0 && kept.every((name) => 100 * sum((value) => value[name] !== null) >= 95 * all);
  return isEnough ? { readings: Object.fromEntries(kept.map((name) => [name, values.map((value) => value[name])])), sure } : null;
}

/** The only text among many numbers, which counts as missing if several rows have it; else empty, also if it has digits, such as 90+. */
function loneWord({ texts, counts }) {
  const filled = [...texts.keys()].filter((i) => !isNoNumber(texts[i])), odd = filled.filter((i) => Object.values(numeral(texts[i])).every((value) => value === null));
  const rows = odd.length === 1 && filled.length > FEW_ROWS && !/\d/.test(texts[odd[0]]) ? counts[odd[0]] : 0;
  return rows > 1 && 2 * rows < filled.reduce((all, i) => all + counts[i], 0) ? texts[odd[0]] : "";
}

/** What a column's texts are as numbers, see `settled`; `thousands`: whether some cell certainly has commas between thousands. */
export function numbersOf(cells) {
  const texts = cells.texts.filter((text) => !isNoNumber(text)), [first] = texts.map((text) => splitUnit(text)[1]);
  const isOne = (unit) => unit && texts.every((text) => splitUnit(text)[1] === unit);
  const withUnit = () => isOne(first) && settled(cells, (text) => numeral(splitUnit(text)[0]));
  const without = (word) => word && settled({ ...cells, texts: cells.texts.map((text) => (text === word ? "" : text)) }, numeral);
  const found = settled(cells, numeral) || withUnit() || without(loneWord(cells)) || null, isCertain = (text, i) => found.readings.point[i] !== null && text.includes(",") && numeral(text).comma === null;
  return found && { ...found, thousands: found.sure === "point" && cells.texts.some(isCertain), plain: cells.texts.every((text) => isNoNumber(text) || isPlain(text)) };
}

/** What a column is by its own texts: {kind: "number"|"date"|"category", readings, sure}, the value of each text by spelling. */
export function understood(cells, numbers) {
  const { texts } = cells, words = texts.map((text) => text.toLowerCase()), filled = new Set(words.filter((word) => !NO_NUMBER.has(word)));
  const areCodes = numbers && texts.some(isCode) && Object.values(numbers.readings).flat().every((value) => value === null || Number.isInteger(value));
  if (numbers && !areCodes) return { kind: "number", ...numbers };
  const pair = PAIRS.find((two) => filled.size === 2 && two.every((word) => filled.has(word)));
  if (pair) return { kind: "number", readings: { pair: words.map((word) => (pair.includes(word) ? pair.indexOf(word) : null)) }, sure: "" };
  const isSeason = (text) => isNoNumber(text) || (SEASON.test(text) && (Number(text.slice(2, 4)) + 1) % 100 === Number(text.slice(5)));
  const dates = numbers || texts.every(isSeason) ? null : settled(cells, moment), isDotted = (value, i) => value !== null && /^\d{1,2}\.\d/.test(texts[i]);
  if (dates && !dates.sure && !dates.readings.dmy && dates.readings.mdy.some(isDotted)) return { kind: "date", readings: { dmy: dates.readings.mdy }, sure: "dmy" };
  if (dates) return { kind: "date", ...dates, isDotted: texts.some(isDotted) };
  const isMissing = missingAmong(texts), levels = texts.filter((text) => !isMissing(text)).sort();
  const places = new Map(levels.map((level, place) => [level, place]));
  if (levels.length < (filled.size ? 1 : 2)) return { kind: "number", readings: { none: texts.map(() => null) }, sure: "" };
  return { kind: "category", readings: { level: texts.map((text) => places.get(text) ?? null) }, sure: "", levels };
}

/** How a table writes numbers and dates, by the columns that decide it: {decimal: "point"|"comma", dates: "mdy"|"dmy", isPoint}. */
export function habitsOf(looks) {
  const sure = new Set(looks.map((look) => look.sure)), isOne = sure.has("mdy") !== sure.has("dmy");
  const decimal = sure.has("comma") && !looks.some((look) => look.thousands) ? "comma" : "point";
  const dayFirst = isOne ? sure.has("dmy") : decimal === "comma" || looks.some(({ isDotted, readings }) => isDotted && readings.dmy && readings.mdy);
  return { decimal, dates: dayFirst ? "dmy" : "mdy", isPoint: sure.has("point") };
}

/** The value of each text of a column that can be read in two ways, as the table writes numbers and dates. */
export function spellingOf({ kind, readings, plain }, { decimal, dates, isPoint }) {
  const names = Object.keys(readings);
  // 1.234 in a column of plain numbers is a thousand and more only if no column has a decimal point.
  return names.length < 2 ? names[0] : kind === "date" ? dates : plain && isPoint ? "point" : decimal;
}
