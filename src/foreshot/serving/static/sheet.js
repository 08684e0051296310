// What is to be scored: lines that were pasted, or a file's rows; with their columns, which the download keeps.

import { guessDelimiter, parseDelimited } from "./delimited.js";
import { count } from "./wording.js";

// As `foreshot predict` guesses them.
const TEXT_NAMES = new Set([
  "text", "texts", "comment", "comments", "comment_text", "tweet", "tweets", "tweet_text", "sentence",
  "content", "message", "post", "body", "utterance", "document", "review",
]);
const LARGEST_FILE = 50e6; // bytes
const BYTE_ORDER_MARK = "\ufeff";
const LOOKED_AT = 100; // rows, where no column has a known name

/** Pasted lines as a sheet of one column. */
export const sheetOfLines = (text) => ({ name: "comments", ...oneColumn(text) });

/** A file as a sheet; throws an Error with a sentence on what is wrong with it. */
export async function readSheet(file) {
  const [, name, ending] = file.name.match(/^(.*?)(?:\.([^.]*))?$/);
  const kind = (ending ?? "txt").toLowerCase();
  if (!["csv", "tsv", "txt"].includes(kind)) {
    throw new Error(`${file.name} is no CSV, TSV or plain text; “foreshot predict” reads JSON Lines and Parquet.`);
  }
  if (file.size > LARGEST_FILE) {
    throw new Error(`${file.name} is larger than 50 MB; “foreshot predict” scores files of any length.`);
  }
  const text = decoded(await file.arrayBuffer(), file.name);
  const content = text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
  const table = kind === "txt" ? oneColumn(content) : parsed(content, kind, file.name);
  return { name, ...table, mark: text === content ? "" : BYTE_ORDER_MARK };
}

function decoded(bytes, name) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Error(`${name} is not in UTF-8; save it as “CSV UTF-8” or as text in UTF-8.`);
  }
}

function oneColumn(text) {
  const rows = text.split(/\r\n|\r|\n/).filter((line) => line.trim()).map((line) => [line]);
  return { columns: ["text"], rows, textColumn: 0, guessed: false, mark: "" };
}

function parsed(text, kind, name) {
  const [header, ...below] = parseDelimited(text, kind === "tsv" ? "\t" : guessDelimiter(text));
  if (!below.length) throw new Error(`${name} has no row below its header.`);
  const columns = header.cells;
  const odd = below.find(({ cells }) => cells.length !== columns.length);
  if (odd) {
    throw new Error(
      `Line ${count(odd.line)} of ${name} has ${odd.cells.length} cells where the header has ${columns.length}; ` +
        "a cell that holds the separator or a line end must stand in double quotes.",
    );
  }
  const rows = below.map(({ cells }) => cells);
  const known = columns.findIndex((column) => TEXT_NAMES.has(column.trim().toLowerCase()));
  return { columns, rows, textColumn: known < 0 ? wordiest(rows) : known, guessed: known < 0 && columns.length > 1 };
}

/** The column whose cells are the longest. */
function wordiest(rows) {
  const lengths = rows[0].map((_, column) =>
    rows.slice(0, LOOKED_AT).reduce((sum, row) => sum + row[column].length, 0),
  );
  return lengths.indexOf(Math.max(...lengths));
}
