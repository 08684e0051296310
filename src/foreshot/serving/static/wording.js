// Numbers and decisions in words.

export const DECISIONS = { allow: "Allow", review: "Review", block: "Block" };
const MOST_DIGITS = 6;
const numbers = new Intl.NumberFormat("en-GB");

/** 20480 as "20,480". */
export const count = (number) => numbers.format(number);

/** 1 as "1 row", 20480 as "20,480 rows". */
export const counted = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** The start of a sentence. */
export const capital = (text) => text && text[0].toUpperCase() + text.slice(1);

/** A label as it can stand in a sentence: "Toxic", but "Class 1" where it is a mere number. */
export const called = (label) => (/^\d+$/.test(label) ? `Class ${label}` : capital(label));

/** ["a", "b", "c"] as "a, b and c". */
export function listed(names) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** The digits that keep a score apart from the thresholds beside it, at least two. */
export function digitsFor(score, thresholds) {
  const same = (digits) => thresholds.some((cut) => cut !== score && cut.toFixed(digits) === score.toFixed(digits));
  let digits = 2;
  while (digits < MOST_DIGITS && same(digits)) digits += 1;
  return digits;
}

/** Where the bands of a model, or of one of its labels, meet, rising. */
export const cutsOf = (model) => (model?.bands ?? []).slice(1).map((band) => band.low);

/** The labels that a multi-label model gives a text besides the one that decides. */
export function otherLabels(model, result) {
  return model.by_label ? result.labels.filter((label) => label !== model.positive) : [];
}

/** What decides: the decision's or the label's word, its kind (for colour and icon), and the numbers in a sentence. */
export function verdictOf(model, result) {
  const scored = model.bands.length ? model.positive : result.label;
  const others = otherLabels(model, result);
  const more = others.length ? ` Other labels: ${listed(others)}.` : "";
  return {
    kind: result.decision ?? "label",
    word: result.decision ? DECISIONS[result.decision] : called(result.label),
    sentence: `${called(scored)} ${numbersOf(model, result.scores[scored], result)}.${more}`,
  };
}

function numbersOf(model, score, result) {
  const cuts = cutsOf(model);
  const digits = digitsFor(score, cuts);
  const written = score.toFixed(digits);
  if (!model.bands.length) return `${written}, the likeliest of ${Object.keys(result.scores).length} classes`;
  const [first, second] = cuts.map((cut) => cut.toFixed(digits));
  if (second) return `${written}, review from ${first}, block from ${second}`;
  return first ? `${written}, threshold ${first}` : written;
}

/** What several models decide, in a sentence: "2 of 3 models block this; lora allows it." */
export function agreement(models, results) {
  const groups = new Map(); // the models' names by what they say
  models.forEach((model, number) => {
    const { word } = verdictOf(model, results[number]);
    groups.set(word, [...(groups.get(word) ?? []), model.name]);
  });
  const [[word, names], ...others] = [...groups].sort(([, a], [, b]) => b.length - a.length);
  const all = models.length === 2 ? "Both" : `All ${models.length}`;
  if (!others.length) return `${all} models ${does(word, names, "this")}.`;
  const rest = others.map(([other, who]) => `${listed(who)} ${does(other, who, "it")}`).join("; ");
  if (names.length === 1) return `The models disagree: ${names[0]} ${does(word, names, "this")}; ${rest}.`;
  return `${names.length} of ${models.length} models ${does(word, names, "this")}; ${rest}.`;
}

function does(word, models, what) {
  const s = models.length === 1 ? "s" : "";
  const verbs = { Allow: `allow${s} ${what}`, Review: `send${s} ${what} to review`, Block: `block${s} ${what}` };
  return verbs[word] ?? `say${s} ${word}`;
}

/** Why a text can't be sent, in words; null where it can. */
export function whyNot(text, limits) {
  if (text.includes("\0")) return "It has a NUL character, which no model reads; take it out.";
  const over = text.length > limits.text_length ? Array.from(text).length - limits.text_length : 0;
  if (over <= 0) return null;
  return `It is longer than ${count(limits.text_length)} characters, by ${count(over)}; shorten it.`;
}
