// Cells that are safe to open in a spreadsheet, whatever a stranger wrote into them; as `foreshot predict` has them.

const NUMBER = /^[+-]?\d+(?:[.,]\d+)?$/; // no formula, though its sign begins one
const FORMULA_STARTS = new Set("=+-@");
const NEW_LINE = /^[\t\r\n]/;
const FIRST_VISIBLE = /[^\p{Z}\p{C}"]/u;
const SEPARATOR = "[;\\t\\r\\n\\v\\f\\x85\\u2028\\u2029]";
const UNSEEN = '(?:[^\\S\\r\\n]|[\\x1c-\\x1f\\x85\\u200b-\\u200f\\u2060\\ufeff"])*';
const START = "(?:[=+@＝＋－＠]|-(?!\\)))"; // the smiley ;-) is none
const NEW_CELL = new RegExp(`(?<=${SEPARATOR})(?=${UNSEEN}${START})`, "gu");

/** The text with an apostrophe in front of whatever a spreadsheet would take for a formula (OWASP). */
export function inert(text) {
  if (NUMBER.test(text)) return text;
  const inside = text.replace(NEW_CELL, "'");
  return NEW_LINE.test(text) || startsFormula(text) ? `'${inside}` : inside;
}

/** Whether its first visible character does, in any width. */
function startsFormula(text) {
  const [first] = text.match(FIRST_VISIBLE) ?? [""];
  return FORMULA_STARTS.has(first.normalize("NFKC"));
}
