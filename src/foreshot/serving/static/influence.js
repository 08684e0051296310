// The words that drove a decision: marked in the text, and the strongest of them with their numbers.

import { element } from "./dom.js";
import { called, count } from "./wording.js";

const FAINTEST = 0.01; // of a probability; less is noise to a reader
const PALEST_SCALE = 0.1; // so that a text whose words all do little isn't painted as if they did much
const MOST_LISTED = 5;

/** A text as nodes. `words` have `begin` and `end` in code points, which are not JavaScript's string indices. */
export function markedText(text, words) {
  const points = Array.from(text);
  const scale = words.reduce((most, word) => Math.max(most, Math.abs(word.influence)), PALEST_SCALE);
  const nodes = [];
  let at = 0;
  for (const word of words) {
    if (Math.abs(word.influence) < FAINTEST) continue;
    nodes.push(points.slice(at, word.begin).join(""));
    nodes.push(marked(points.slice(word.begin, word.end).join(""), word.influence, scale));
    at = word.end;
  }
  nodes.push(points.slice(at).join(""));
  return nodes;
}

function marked(text, influence, scale) {
  const direction = influence > 0 ? "towards" : "away";
  const mark = element("mark", { class: direction, title: signed(influence) }, text);
  mark.style.setProperty("--share", (Math.abs(influence) / scale).toFixed(3));
  return mark;
}

/** The strongest words as a list with their numbers, and a sentence on what these mean. */
export function drivers(model, result, limits) {
  const label = called(model.positive ?? result.label);
  const strongest = result.words
    .filter((word) => Math.abs(word.influence) >= FAINTEST)
    .sort((a, b) => Math.abs(b.influence) - Math.abs(a.influence))
    .slice(0, MOST_LISTED);
  const rest = result.words.length === limits.explained_words ? firstWords(limits) : "";
  if (!strongest.length) {
    return [element("p", { class: "note" }, `No single word moves the score by ${FAINTEST} or more.${rest}`)];
  }
  const items = strongest.map(({ word, influence }) =>
    element(
      "li",
      { class: influence > 0 ? "towards" : "away" },
      element("span", { class: "word" }, word),
      element("span", { class: "n" }, signed(influence)),
    ),
  );
  const meaning = `How much lower the score of ${label} is without the word.${rest}`;
  return [element("ol", { class: "drivers" }, ...items), element("p", { class: "note" }, meaning)];
}

const firstWords = (limits) => ` Only the first ${count(limits.explained_words)} words were tried.`;
const signed = (influence) => `${influence < 0 ? "−" : "+"}${Math.abs(influence).toFixed(2)}`;
