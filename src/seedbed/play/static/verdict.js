// Whether one candidate is better than another: the corrected resampled t-test over random splits, with the words and
// the rules of `seedbed judge`, whose verdict on the same scores is the same.
import { testSize } from "./splits.js";

const MOST_DF = 9; // more random splits of the same rows are no more evidence than ten
const FEWEST_GROUPS = 20; // as in seedbed compare; seedbed judge sees scores alone
const MARGIN = 0.01; // the difference that matters: one point of accuracy, or 0.01 of R2
const ALPHA = 0.05;
const POWER = 0.8;
const LIKELY = 0.95; // one-sided probability from which an open comparison is likely better or likely worse
const WORDS = {
  better: "better", worse: "worse", no_practical_difference: "no difference that matters",
  likely_better: "likely better", likely_worse: "likely worse", cannot_tell: "can't tell",
};

/** P(T <= t) of Student's t with a whole number of degrees of freedom. */
function studentCdf(t, df) {
  const theta = Math.atan(t / Math.sqrt(df)), cosine = Math.cos(theta), square = cosine * cosine;
  let term = df % 2 ? cosine : 1, sum = df === 1 ? 0 : term;
  for (let k = df % 2 ? 3 : 2; k < df; k += 2) {
    term *= (square * (k - 1)) / k;
    sum += term;
  }
  const inner = df % 2 ? (2 / Math.PI) * (theta + Math.sin(theta) * sum) : Math.sin(theta) * sum;
  return 0.5 + inner / 2;
}

/** Which of two networks to use, in the words of `seedbed judge`: the reference, unless the other is shown to be better. */
export function useText({ verdict }, [challenger, reference]) {
  if (verdict === "better") return `${challenger}. It is shown to be better than ${reference}.`;
  if (verdict === "worse") return `${reference}. It is shown to be better than ${challenger}.`;
  return `${reference}, the reference. No other model is shown to be better.`;
}

/** The value below which Student's t lies with a probability, by bisection. */
export function studentQuantile(probability, df) {
  let low = -1e4, high = 1e4;
  for (let i = 0; i < 200 && high - low > 1e-13 * Math.max(1, Math.abs(low)); i++) {
    const middle = (low + high) / 2;
    if (studentCdf(middle, df) < probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Whether a verdict is a likely one, which is no claim at 5 %. */
export function isLikely(verdict) {
  return verdict === "likely_better" || verdict === "likely_worse";
}

/** Whether a difference is shown to be below the margin, with the standard error that it would have at the margin; `half`
 * is half of its interval. */
function isSmall(difference, half, margin) {
  const size = Math.abs(difference), atMargin = Math.sqrt(Math.min(2, Math.max(1, margin / Math.max(size, margin / 2))));
  return size + half * atMargin < margin;
}

/** The rule that fires, from an interval of the improvement, whether it is small, and the probability that the candidate is
 * better. */
function ruleOf(low, high, small, probability) {
  if (small) return "no_practical_difference";
  if (low > 0) return "better";
  if (high < 0) return "worse";
  if (Math.max(probability, 1 - probability) >= LIKELY) return probability > 0.5 ? "likely_better" : "likely_worse";
  return "cannot_tell";
}

/** The mean score of each split that all of a run's networks have finished: Map split -> {mean, seeds, noise}, with the
 * variance of the mean over seeds. */
function splitScores(run) {
  const R = run.epochs.length, found = new Map();
  run.request.networks.forEach(({ split }, network) => {
    found.set(split, [...(found.get(split) ?? []), run.curves.testScore[network * R + R - 1]]);
  });
  for (const [split, scores] of found) {
    const seeds = scores.length, mean = scores.reduce((sum, score) => sum + score, 0) / seeds;
    const squares = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0);
    if (Number.isFinite(mean)) found.set(split, { mean, seeds, noise: seeds > 1 ? squares / (seeds - 1) / seeds : 0 });
    else found.delete(split);
  }
  return found;
}

/** Whether the rows form too few groups for a verdict. */
export function hasFewGroups({ groups }) {
  return groups !== null && groups < FEWEST_GROUPS;
}

/**
 * The verdict on run b against run a, on the splits that both have finished.
 *
 * @param {object} a the reference
 * @param {object} b the candidate
 * @returns {{verdict, rule, words, difference, low, high, rope, rowsFactor, rows_needed, splits, seeds}} `verdict`:
 *   better, worse, likely_better, likely_worse, no_practical_difference or undecided, or null without two splits or with few
 *   groups; `rule` and `words`: the same as seedbed has it; `difference`: of b minus a, with its 95 % interval; `rope`: the
 *   difference that matters; `rows_needed`: [low, high] where the interval holds gains and losses that matter, else null;
 *   `seeds`: the fewest of a split
 */
export function judge(a, b) {
  const ours = splitScores(a), theirs = splitScores(b), rope = MARGIN;
  const splits = [...ours.keys()].filter((split) => theirs.has(split)).sort((first, second) => first - second);
  const seeds = Math.min(...splits.map((split) => Math.min(ours.get(split).seeds, theirs.get(split).seeds)), Infinity);
  const n = splits.length, x = splits.map((split) => theirs.get(split).mean - ours.get(split).mean);
  const empty = { verdict: null, rule: null, words: "", low: NaN, high: NaN, rowsFactor: NaN, rows_needed: null };
  const unknown = { ...empty, difference: NaN, rope, splits: n };
  if (n < 1) return { ...unknown, seeds: 0 };
  const difference = x.reduce((sum, gain) => sum + gain, 0) / n;
  const spread = Math.max(...x) - Math.min(...x), size = Math.max(...x.map(Math.abs));
  const same = spread <= 1e-12 * size;
  if (n < 2 || hasFewGroups(a.table) || (same && size > 0)) return { ...unknown, difference, seeds };
  const sd = same ? 0 : Math.sqrt(x.reduce((sum, gain) => sum + (gain - difference) ** 2, 0) / (n - 1));
  const { rows } = a.table, df = Math.min(n - 1, MOST_DF);
  const share = splits.reduce((sum, split) => sum + testSize(a.table, split), 0) / n / rows;
  // The noise of seeds is independent between splits, so the correction for overlapping training rows isn't applied to it.
  const noises = [ours, theirs].map((scores) => splits.reduce((sum, split) => sum + scores.get(split).noise, 0) / n);
  const noise = Math.min(2 * Math.min(...noises), sd ** 2), floor = sd ** 2 * Math.min(1, Math.sqrt(2 / (n - 1)));
  const ofRows = noise > 0 ? Math.max(sd ** 2 - noise, floor) : sd ** 2;
  const se = Math.sqrt(ofRows * (1 / n + share / (1 - share)) + noise / n), t = studentQuantile(1 - ALPHA / 2, df);
  const most = a.table.task === "regression" ? Infinity : 1;
  const small = isSmall(difference, t * se, rope), reach = small ? Math.min(most, rope) : most;
  const low = Math.max(-reach, difference - t * se), high = Math.min(reach, difference + t * se);
  const rule = ruleOf(low, high, small, studentCdf(difference / se, df)), rowsFactor = (((t + studentQuantile(POWER, df)) * se) / rope) ** 2;
  const needed = low <= -rope && high >= rope ? [Math.ceil((rows * rowsFactor) / 2), Math.ceil(rows * rowsFactor * 2)] : null;
  return {
    verdict: rule === "cannot_tell" ? "undecided" : rule, rule, words: WORDS[rule], difference, low, high, rope, rowsFactor, rows_needed: needed,
    splits: n, seeds,
  };
}
