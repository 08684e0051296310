// Tables as text: CSV and TSV in, CSV out (RFC 4180).

import { inert } from "./spreadsheets.js";

const DELIMITERS = [",", ";", "\t"]; // a spreadsheet that writes decimal commas parts its cells by semicolons

/** The delimiter of a CSV: that which its first line has most of, outside of quotes. */
export function guessDelimiter(text) {
  const header = text.replace(/"[^"]*"/g, "").match(/[^\r\n]*/)[0];
  const counts = DELIMITERS.map((delimiter) => header.split(delimiter).length);
  return DELIMITERS[counts.indexOf(Math.max(...counts))];
}

/** The rows that aren't blank, each an array of cells and its line's number; throws an Error that names the line. */
export function parseDelimited(text, delimiter) {
  const quoted = /"([^"]*(?:""[^"]*)*)"/y;
  const plain = new RegExp(`[^${delimiter}\\r\\n]*`, "y");
  const rows = [];
  let row = { line: 1, cells: [] };
  let line = 1;
  let at = 0;
  while (at < text.length) {
    const pattern = text[at] === '"' ? quoted : plain;
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (!found) throw new Error(`Line ${line}: a quote is opened and never closed.`);
    at = pattern.lastIndex;
    row.cells.push(pattern === quoted ? found[1].replaceAll('""', '"') : found[0]);
    line += lineEnds(found[0]);
    if (text[at] === delimiter) {
      at += 1;
      if (at < text.length) continue;
      row.cells.push("");
    } else if (at < text.length && !"\r\n".includes(text[at])) {
      throw new Error(`Line ${line}: something follows a closing quote; write each quote inside a cell twice.`);
    }
    if (row.cells.length > 1 || row.cells[0] !== "" || pattern === quoted) rows.push(row);
    at += text.startsWith("\r\n", at) ? 2 : 1;
    line += 1;
    row = { line, cells: [] };
  }
  return rows;
}

const lineEnds = (text) => text.match(/\r\n|\r|\n/g)?.length ?? 0;

/** Rows of cells as CSV that is safe to open in a spreadsheet; null is an empty cell. */
export function toCsv(rows) {
  return rows.map((cells) => `${cells.map(cellOf).join(",")}\n`).join("");
}

function cellOf(value) {
  if (value === null) return "";
  const text = typeof value === "string" ? inert(value) : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
