// The scored rows as a CSV file: all columns of the input in their order, then those that `foreshot predict` adds.

import { toCsv } from "./delimited.js";
import { element } from "./dom.js";

/** Hands the file to the browser. Rows that weren't scored have empty cells. */
export function download(sheet, models, rows) {
  const added = newColumns(models, sheet.columns);
  const scored = rows.map((row) => [...sheet.rows[row.place], ...cellsOf(models, row)]);
  const text = toCsv([[...sheet.columns, ...added], ...scored]);
  const file = new Blob([sheet.mark, text], { type: "text/csv;charset=utf-8" });
  const address = URL.createObjectURL(file);
  element("a", { href: address, download: `${sheet.name}.scored.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** As `foreshot predict` names them; with several models, each name begins with the model's. */
function newColumns(models, taken) {
  let names = models.flatMap((model) =>
    [
      model.by_label ? "labels" : "label",
      ...model.labels.map((label) => `score_${label}`),
      "decision",
      "truncated",
    ].map((name) => (models.length > 1 ? `${model.name}_${name}` : name)),
  );
  while (names.some((name) => taken.includes(name))) names = names.map((name) => `predicted_${name}`);
  return names;
}

function cellsOf(models, row) {
  return models.flatMap((model) => {
    const result = row.results[model.name];
    if (!result) return Array(model.labels.length + 3).fill(null);
    const first = model.by_label ? JSON.stringify(result.labels) : result.label;
    return [first, ...model.labels.map((label) => result.scores[label]), result.decision, result.truncated];
  });
}
