// The words that drove a decision: marked in the text, and the strongest of them with their numbers.

import { element } from "./dom.js";
import { called, count } from "./wording.js";

// All in log-odds, as in reporting/marked_words.py, which says why.
const FAINTEST = 0.1;
const FULL_FROM = 1;
const FULL_AT = 3;
const MOST_LISTED = 5;
const IN_ODDS = "+1.0 multiplies them by 2.7, as from a score of 0.50 to 0.73; −1.0 divides them by it";
const SATURATED =
  "The score is saturated: so near 0 or 1, most words hardly change it, and log-odds still tell them apart.";

/** A text as nodes. `words` have `begin` and `end` in code points, which are not JavaScript's string indices. */
export function markedText(text, words) {
  const points = Array.from(text);
  const strongest = words.reduce((most, word) => Math.max(most, Math.abs(word.log_odds_difference)), FULL_FROM);
  const scale = Math.min(strongest, FULL_AT);
  const nodes = [];
  let at = 0;
  for (const word of words) {
    if (Math.abs(word.log_odds_difference) < FAINTEST) continue;
    nodes.push(points.slice(at, word.begin).join(""));
    nodes.push(marked(points.slice(word.begin, word.end).join(""), word, scale));
    at = word.end;
  }
  nodes.push(points.slice(at).join(""));
  return nodes;
}

function marked(text, word, scale) {
  const mark = element("mark", { class: directionOf(word), title: numbersOf(word) }, text);
  mark.style.setProperty("--share", Math.min(Math.abs(word.log_odds_difference) / scale, 1).toFixed(3));
  return mark;
}

/** The strongest words as a list with their numbers, and a sentence on what these mean. */
export function drivers(model, result, limits) {
  const label = called(model.positive ?? result.label);
  const strongest = result.words
    .filter((word) => Math.abs(word.log_odds_difference) >= FAINTEST)
    .sort((a, b) => Math.abs(b.log_odds_difference) - Math.abs(a.log_odds_difference))
    .slice(0, MOST_LISTED);
  const notes = [];
  if (strongest.length) {
    notes.push(`What each word does to the odds of ${label}, in log-odds: ${IN_ODDS}.`);
  } else {
    notes.push(`No single word moves the score by ${FAINTEST} or more in log-odds.`);
  }
  if (result.saturated) notes.push(SATURATED);
  if (result.words.length === limits.explained_words) {
    notes.push(`Only the first ${count(limits.explained_words)} words were tried.`);
  }
  const items = strongest.map((word) =>
    element(
      "li",
      { class: directionOf(word), title: numbersOf(word) },
      element("span", { class: "word" }, word.word),
      element("span", { class: "n" }, signed(word.log_odds_difference)),
    ),
  );
  const list = items.length ? [element("ol", { class: "drivers" }, ...items)] : [];
  return [...list, element("p", { class: "note" }, notes.join(" "))];
}

const directionOf = (word) => (word.log_odds_difference > 0 ? "towards" : "away");
const signed = (number) => `${number < 0 ? "−" : "+"}${Math.abs(number).toFixed(2)}`;
const numbersOf = (word) => `${signed(word.log_odds_difference)} in log-odds, ${signed(word.influence)} of the score`;
