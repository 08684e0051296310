// The table of results: sorted by its headings, filtered, a page at a time so that it stays quick with many rows.

import { element, find, icon } from "./dom.js";
import { columnsOf, filtersOf, scoreOf, sorted } from "./ranking.js";
import { count, counted, otherLabels, verdictOf } from "./wording.js";

const PAGE = 100; // rows
const LONGEST_SHOWN = 600; // characters of a text

/** The table for models; `show(rows)` shows rows, `refresh()` what has become of them. */
export function makeTable(models) {
  const columns = columnsOf(models);
  const filters = filtersOf(models);
  const several = models.length > 1;
  const state = { rows: [], column: columns[0], descending: false, filter: filters[0], page: 0 };
  const body = element("tbody");
  const buttons = columns.map((column) => makeHeading(column, several));

  const refresh = () => {
    const fitting = sorted(state.rows.filter(state.filter.fits), state.column, state.descending);
    const pages = Math.max(1, Math.ceil(fitting.length / PAGE));
    state.page = Math.min(state.page, pages - 1);
    const start = state.page * PAGE;
    const shown = fitting.slice(start, start + PAGE);
    body.replaceChildren(...shown.map((row) => makeRow(row, models)));
    const range = shown.length ? `Rows ${count(start + 1)} to ${count(start + shown.length)} of` : "None of";
    const fit = fitting.length === state.rows.length ? "" : ` that fit, of ${count(state.rows.length)}`;
    const total = shown.length ? `${count(fitting.length)}${fit}` : counted(state.rows.length, "row");
    const shows = `${range} ${total}`;
    if (find("shown").textContent !== shows) find("shown").textContent = shows; // it is read aloud when it is set
    find("previous").disabled = state.page === 0;
    find("next").disabled = state.page === pages - 1;
    buttons.forEach(({ heading }, number) => {
      const direction = state.descending ? "descending" : "ascending";
      heading.setAttribute("aria-sort", columns[number] === state.column ? direction : "none");
    });
  };
  const turn = (change) => {
    Object.assign(state, change);
    refresh();
    find("frame").scrollTop = 0;
  };

  buttons.forEach(({ button }, number) =>
    button.addEventListener("click", () => {
      const column = columns[number];
      // The highest score is what one looks for first.
      const descending = column === state.column ? !state.descending : Boolean(column.model);
      turn({ column, descending, page: 0 });
    }),
  );
  find("previous").addEventListener("click", () => turn({ page: state.page - 1 }));
  find("next").addEventListener("click", () => turn({ page: state.page + 1 }));
  find("filter").replaceChildren(...filters.map(({ name, title }) => element("option", { value: name }, title)));
  find("filter").addEventListener("change", (event) =>
    turn({ filter: filters.find(({ name }) => name === event.target.value), page: 0 }),
  );
  find("table").replaceChildren(makeHead(models, buttons, several), body);
  return { refresh, show: (rows) => turn({ rows, page: 0 }) };
}

function makeHeading(column, several) {
  const name = several && column.model ? element("span", { class: "of" }, `${column.model.name} `) : null;
  const button = element("button", { type: "button" }, name, column.title);
  const heading = element("th", { scope: "col", class: column.numeric ? "n" : null, "aria-sort": "none" }, button);
  return { button, heading };
}

function makeHead(models, buttons, several) {
  const groups = models.map((model) => element("th", { scope: "colgroup", colspan: 2 }, model.name));
  return element(
    "thead",
    {},
    several ? element("tr", { class: "groups" }, element("td", { colspan: 2 }), ...groups) : null,
    element("tr", {}, ...buttons.map(({ heading }) => heading)),
  );
}

function makeRow(row, models) {
  const text = row.text.length > LONGEST_SHOWN ? `${row.text.slice(0, LONGEST_SHOWN)} …` : row.text;
  const cells = models.flatMap((model) => cellsOf(model, row, models.length > 1));
  return element(
    "tr",
    {},
    element("td", { class: "n" }, count(row.place + 1)),
    element("th", { scope: "row", class: "text" }, element("bdi", {}, text)),
    ...cells,
  );
}

function cellsOf(model, row, several) {
  const result = row.results[model.name];
  const of = several ? element("span", { class: "of" }, `${model.name} `) : null;
  if (!result) {
    return [
      element("td", { class: "unscored" }, of, row.problem ? "not scored" : "waiting", remark(row.problem)),
      element("td", { class: "n" }, "–"),
    ];
  }
  const { kind, word } = verdictOf(model, result);
  const remarks = [...otherLabels(model, result), ...(result.truncated ? ["cut"] : [])];
  return [
    element("td", { class: "decision", "data-kind": kind }, of, icon(kind), word, remark(remarks.join(", "))),
    element("td", { class: "n" }, scoreOf(model, result).toFixed(2)),
  ];
}

const remark = (text) => (text ? element("small", {}, text) : null);
