// Which rows are shown, and in which order.

import { DECISIONS, verdictOf } from "./wording.js";

const ORDER = Object.keys(DECISIONS); // mildest first

/** The score that a model's column shows: the positive class's, or the label's own where no class is positive. */
export const scoreOf = (model, result) => result.scores[model.positive ?? result.label];

/** What can be sorted by: the row's number, its text, and each model's decision and score. */
export function columnsOf(models) {
  const ofModels = models.flatMap((model) => [
    { key: `${model.name} decision`, model, title: "Decision", value: (row) => rankOf(model, row.results[model.name]) },
    {
      key: `${model.name} score`,
      model,
      title: "Score",
      numeric: true,
      value: (row) => row.results[model.name] && scoreOf(model, row.results[model.name]),
    },
  ]);
  return [
    { key: "row", title: "Row", numeric: true, value: (row) => row.place },
    { key: "text", title: "Comment", value: (row) => row.text },
    ...ofModels,
  ];
}

function rankOf(model, result) {
  if (!result) return undefined;
  return result.decision ? ORDER.indexOf(result.decision) : result.label;
}

/** The rows in the order of a column; those that have nothing there come last, either way. */
export function sorted(rows, column, descending) {
  const decorated = rows.map((row) => ({ row, value: column.value(row) }));
  const sign = descending ? -1 : 1;
  decorated.sort((a, b) => {
    if (a.value === undefined || b.value === undefined) return (a.value === undefined) - (b.value === undefined);
    return sign * compare(a.value, b.value);
  });
  return decorated.map(({ row }) => row);
}

const alphabet = new Intl.Collator("en", { numeric: true });
const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : alphabet.compare(a, b));

/** What rows can be filtered by: name, what the choice says, and whether a row fits. */
export function filtersOf(models) {
  const verdicts = (row) => models.map((model) => row.results[model.name]).filter(Boolean);
  const decided = models.some((model) => model.positive !== null);
  const byLabel = models.filter(({ positive, by_label }) => positive === null || by_label);
  const labels = [...new Set(byLabel.flatMap((model) => model.labels))];
  const words = (row) =>
    models.filter(({ name }) => row.results[name]).map((model) => verdictOf(model, row.results[model.name]).word);
  return [
    { name: "all", title: "every row", fits: () => true },
    ...(decided ? ORDER : []).map((decision) => ({
      name: decision,
      title: `${models.length > 1 ? "any model: " : ""}${DECISIONS[decision].toLowerCase()}`,
      fits: (row) => verdicts(row).some((result) => result.decision === decision),
    })),
    ...labels.map((label) => ({
      name: `label ${label}`,
      title: label,
      fits: (row) => byLabel.some(({ name }) => row.results[name]?.labels.includes(label)),
    })),
    ...(models.length > 1
      ? [{ name: "differ", title: "the models disagree", fits: (row) => new Set(words(row)).size > 1 }]
      : []),
    { name: "none", title: "not scored", fits: (row) => verdicts(row).length < models.length },
  ];
}
