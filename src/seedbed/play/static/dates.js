// Dates in dropped files, as seedbed reads them: seconds since 1970, and what of them networks get as inputs.
import { isNoNumber, settle } from "./cells.js";

const DAY = 86_400, PIVOT = 69; // of two-digit years: 68 is 2068, 69 is 1969
const MIDDLES = [6.5, 3, 11.5]; // of months, weekdays and hours, for a missing date
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const GERMAN = { mär: "mar", mrz: "mar", mai: "may", okt: "oct", dez: "dec" };
const TIME = String.raw`(?:(?:[Tt]|,?\s+)(?<hour>\d{1,2}):(?<minute>\d\d)(?::(?<second>\d\d)(?<part>[.,]\d{1,9})?)?` +
  String.raw`(?:\s?(?<half>[AaPp])\.?[Mm]\.?)?(?:\s?(?<zone>[Zz]|UTC|GMT|(?<east>[+-])(?<east_hour>\d\d):?(?<east_minute>\d\d)?))?)?$`;
const IN_NUMBERS = new RegExp(String.raw`^(?<a>\d{1,4})(?<mark>[-/.])(?<b>\d{1,2})\k<mark>(?<c>\d{1,4})${TIME}`);
const WITH_NAME = new RegExp(String.raw`^(?:(?<day>\d{1,2})(?:\. ?|[ -])(?<month>[A-Za-zÄä]{3,9})\.?[ -]|(?<first>[A-Za-z]{3,9})\.? (?<next>\d{1,2}),? )(?<year>\d{4})${TIME}`);

/** Seconds since 1970-01-01 by year, month and day, and the time of day in a match; null if there is no such date. */
function seconds(found, year, month, day) {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (year < 1 || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  const days = Math.round(date.getTime() / 1000);
  if (found.hour === undefined) return days;
  let hour = Number(found.hour);
  if (found.half) {
    if (hour < 1 || hour > 12) return null;
    hour = (hour % 12) + (/p/i.test(found.half) ? 12 : 0);
  }
  const minute = Number(found.minute), second = Number(found.second ?? 0);
  if (hour > 23 || minute > 59 || second > 59) return null;
  const east = (found.east === "-" ? -1 : 1) * (Number(found.east_hour ?? 0) * 3600 + Number(found.east_minute ?? 0) * 60);
  return days + hour * 3600 + minute * 60 + second - east + Number(`0.${(found.part ?? ".0").slice(1)}`);
}

/** The date in a text by the order of its parts, of which dots have the day first: {ymd, dmy, mdy}, null where there is no such date; null if there is none in any order. */
function moment(text) {
  const named = WITH_NAME.exec(text)?.groups;
  const all = (value) => (value === null ? null : { ymd: value, dmy: value, mdy: value });
  if (named) {
    const name = (named.month ?? named.first).slice(0, 3).toLowerCase(), month = MONTHS.indexOf(GERMAN[name] ?? name) + 1;
    return all(seconds(named, Number(named.year), month, Number(named.day ?? named.next)));
  }
  const found = IN_NUMBERS.exec(text)?.groups;
  if (!found) return null;
  const [a, b, c] = [found.a, found.b, found.c].map(Number);
  if (found.a.length === 4 && found.c.length <= 2) return all(seconds(found, a, b, c));
  const isShort = found.c.length === 2 && (found.mark === "/" || (found.mark === "." && found.a.length === 2 && found.b.length === 2));
  if (found.a.length > 2 || !(found.c.length === 4 || isShort)) return null;
  const year = c + (found.c.length === 4 ? 0 : c >= PIVOT ? 1900 : 2000);
  const dmy = seconds(found, year, b, a), mdy = found.mark === "." ? dmy : seconds(found, year, a, b);
  return dmy === null && mdy === null ? null : { ymd: null, dmy, mdy };
}

/** What a column's texts are as dates: the seconds of each text as `settle` has them; `sure` is "ymd" if no cell is ambiguous,
 * and `dotted` says whether some cell is written like 1.3.2024. */
export function datesOf(cells) {
  const moments = cells.texts.map((text) => (isNoNumber(text) ? null : moment(text)));
  const [ymd, mdy, dmy] = ["ymd", "mdy", "dmy"].map((order) => moments.map((one) => one?.[order] ?? null));
  if (moments.some((one) => one !== null && one.ymd === null)) {
    const found = settle(cells, { mdy, dmy }), dotted = cells.texts.some((text) => /^\d{1,2}\.\d/.test(text));
    return found && dotted && !found.sure && !found.readings.dmy ? { sure: "dmy", readings: { dmy }, dotted } : found && { ...found, dotted };
  }
  const found = settle(cells, { ymd, same: ymd });
  return found && { ...found, sure: "ymd" };
}

/** The order in which a table writes ambiguous dates: the one that its other columns require, or that its decimal mark or dots suggest. */
export function orderOf(columns, comma) {
  const orders = new Set(columns.map((one) => one?.sure).filter((sure) => sure === "dmy" || sure === "mdy"));
  return orders.size === 1 ? [...orders][0] : comma || columns.some((one) => one?.dotted && one.readings.mdy) ? "dmy" : "mdy";
}

/** The columns of numbers for the parts of dates: days since 1970, month, weekday from Monday on, and hour if there are times.
 * A missing date has no days; its other parts are the middle of the calendar. */
export function partsOf({ name, values, hasMissing }) {
  const part = (of, middle) => values.map((value) => (value === null ? middle : of(value)));
  const day = (value) => Math.floor(value / DAY);
  const parts = {
    days: part(day, null), month: part((value) => new Date(value * 1000).getUTCMonth() + 1, MIDDLES[0]),
    weekday: part((value) => (((day(value) + 3) % 7) + 7) % 7, MIDDLES[1]), // 1970-01-01 was a Thursday
  };
  if (values.some((value) => value !== null && value % DAY !== 0)) parts.hour = part((value) => Math.floor((value - day(value) * DAY) / 3600), MIDDLES[2]);
  const all = Object.entries(parts), last = all.length - 1;
  return all.map(([what, own], i) => (
    { name: `${name}.${what}`, source: name, kind: "number", categories: null, values: own, hasMissing: hasMissing && i === last, gap: i === last ? last : 0 }));
}
