// What a cell of a dropped file means, as seedbed reads it: a missing value or a number, perhaps with thousands, a currency
// or percent; and which decimal mark a column has.

const MISSING = new Set(["", "?", "nan", "null", "(null)", "<na>", "nat", "n/a", "n.a.", "#n/a", "#na", "#null!"]);
const SIGNS = ["-", "--", "—", "–", ".", ".."];
const NO_NUMBER = new Set([...MISSING, ...SIGNS, "na", "none", "nil", "missing", "unknown", "#value!", "#div/0!"]);

/** Whether a cell, ends stripped, counts as missing among texts. */
export function isMissing(cell) {
  const word = cell.toLowerCase();
  return MISSING.has(word) || word === "na";
}

/** Whether a cell, ends stripped, counts as missing among numbers and dates: signs and words such as "none" do as well. */
export const isNoNumber = (cell) => NO_NUMBER.has(cell.toLowerCase());

/** Whether a text of digits is a code, as it has leading zeros: 007. */
export const isCode = (text) => /^[+-]?0\d+$/.test(text);

const LONGEST = 64, SPACE = " \u00a0\u2009\u202f";
const PLAIN = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i, DOTTED = /^[+-]?[1-9]\d{0,2}\.\d{3}$/;
const INFINITE = /^([+-]?)inf(?:inity)?$/i;
const CURRENCY = String.raw`(?:[A-Z]{0,3}\$|[£¥€₹₽₩₺₴₦₱฿₫₪₡₲₵₸₼₾]|USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|ZAR|MXN|` +
  String.raw`kr\.?|zł|Kč|Ft|Fr\.|Rs\.?)`;
const DRESSED = new RegExp(String.raw`^(?<open>\()?(?<before>[+\-−])?(?:${CURRENCY}\s*)?(?<after>[+\-−])?` +
  String.raw`(?<core>[0-9.,](?:[0-9.,'’\s]*[0-9.,])?(?:[eE][+-]?[0-9]+)?)\s*(?:${CURRENCY}|(?<percent>%))?(?<close>\))?$`);
const EXPONENT = "(?:[eE][+-]?[0-9]+)?";
/** Digits, perhaps in groups of three (or India's: 12,34,567), with a decimal mark. */
const coreOf = (mark, groups, lakh) => new RegExp(
  String.raw`^(?:(?:[1-9][0-9]{0,2}([${groups}])[0-9]{3}(?:\1[0-9]{3})*${lakh})(?:[${mark}][0-9]+)?|(?:[0-9]+[${mark}]?[0-9]*|[${mark}][0-9]+)${EXPONENT})$`);
const CORES = {
  point: coreOf(".", `,'’${SPACE}`, "|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}"), comma: coreOf(",", `.'’${SPACE}`, ""),
};
const GROUPS = { point: new RegExp(`[,'’${SPACE}]`, "g"), comma: new RegExp(`[.'’${SPACE}]`, "g") };
/** Whether a cell, ends stripped, is a number as programs write it. */
export const isPlain = (text) => PLAIN.test(text);

const NONE = { point: null, comma: null };

/** The number that a cell, ends stripped, is by either decimal mark: {point, comma}; null if it is none. */
export function numeral(text) {
  if (isPlain(text)) {
    const point = Number(text);
    return { point, comma: !text.includes(".") ? point : DOTTED.test(text) ? Number(text.replace(".", "")) : null };
  }
  const infinite = INFINITE.exec(text);
  if (infinite) return { point: Number(`${infinite[1]}Infinity`), comma: Number(`${infinite[1]}Infinity`) };
  const parts = text.length > LONGEST ? null : DRESSED.exec(text)?.groups;
  if (!parts || !parts.open !== !parts.close) return NONE;
  const signs = (parts.before ?? "") + (parts.after ?? ""), { core, percent } = parts;
  if (signs.length + (parts.open ? 1 : 0) > 1 || (percent && /e/i.test(core))) return NONE;
  const valueOf = (mark) => {
    if (!CORES[mark].test(core)) return null;
    const digits = core.replace(GROUPS[mark], "").replace(",", ".");
    // Dividing by a hundred as text keeps 12.3% the float nearest to 0.123.
    return Number((parts.open || (signs && signs !== "+") ? "-" : "") + digits + (percent ? "e-2" : ""));
  };
  return { point: valueOf("point"), comma: valueOf("comma") };
}

/**
 * Choose between two readings of a column by the cells that have only one.
 *
 * @param {{texts: string[], counts: number[]}} cells the distinct texts, and in how many rows each is
 * @param {Object<string, ?number[]>} both the value of each text in two readings
 * @returns {?{sure: string, readings: object}} one reading, `sure` if some cell requires it; or both if they differ and no
 *   cell decides; null if under 95 % of the filled cells have a value
 */
export function settle({ texts, counts }, both) {
  const filled = texts.map((text) => !isNoNumber(text)), [[one, first], [other, second]] = Object.entries(both);
  const sum = (isWanted) => counts.reduce((all, n, i) => all + (filled[i] && isWanted(i) ? n : 0), 0);
  const all = sum(() => true), enough = (values) => 100 * sum((i) => values[i] !== null) >= 95 * all;
  const [forFirst, forSecond] = [sum((i) => first[i] !== null && second[i] === null), sum((i) => first[i] === null && second[i] !== null)];
  let found = { sure: "", readings: both };
  if (forFirst || forSecond) {
    const sure = forFirst >= forSecond ? one : other;
    found = { sure, readings: { [sure]: both[sure] } };
  } else if (first.every((value, i) => value === second[i])) found.readings = { [one]: first };
  return all > 0 && Object.values(found.readings).every(enough) ? found : null;
}

/** What a column's texts are as numbers: as `settle` has it, and whether some cell has commas between thousands, and whether
 * all are plain. */
export function numbersOf(cells) {
  const numerals = cells.texts.map((text) => (isNoNumber(text) ? NONE : numeral(text)));
  const found = settle(cells, { point: numerals.map(({ point }) => point), comma: numerals.map(({ comma }) => comma) });
  if (!found) return null;
  const thousands = found.sure === "point" && cells.texts.some((text, i) => text.includes(",") && numerals[i].point !== null && numerals[i].comma === null);
  return { ...found, thousands, plain: cells.texts.every((text) => isNoNumber(text) || isPlain(text)) };
}

/** The decimal mark of each column from `numbersOf`: its own, or the one that the other columns suggest; and that of the table. */
export function decimalMarks(looks) {
  const isSure = (mark) => looks.some((look) => look?.sure === mark);
  const decimal = isSure("comma") && !looks.some((look) => look?.thousands) ? "comma" : "point";
  const marks = looks.map((look) => {
    const [one, other] = Object.keys(look?.readings ?? {});
    // 1.234 in a column of plain numbers is a thousand and more only if no column has a decimal point.
    return !other ? one : look.plain && isSure("point") ? "point" : decimal;
  });
  return { decimal, marks };
}
