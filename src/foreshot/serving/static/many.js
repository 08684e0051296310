// Many comments: pasted lines or a file, scored in pieces, as a table and as a file.

import { Problem } from "./api.js";
import { scoreAll } from "./batch.js";
import { find, element } from "./dom.js";
import { download } from "./download.js";
import { readSheet, sheetOfLines } from "./sheet.js";
import { makeTable } from "./table.js";
import { choose } from "./tabs.js";
import { capital, count, counted, whyNot } from "./wording.js";

export function startMany(models, limits, noticeReplaced) {
  const table = makeTable(models);
  let file = null; // the sheet of the file that was chosen
  let run = null; // what is scored: its sheet, its rows, and while it is being scored the controller that stops it

  const sheet = () => file ?? sheetOfLines(find("lines").value);
  const offer = () => {
    const rows = sheet().rows.length;
    find("run").disabled = rows === 0;
    find("run").textContent = rows ? `Score ${counted(rows, "comment")}` : "Score";
  };
  const take = async (chosen) => {
    find("many-problem").textContent = "";
    try {
      file = await readSheet(chosen);
      showFile(chosen.name, file);
    } catch (error) {
      find("many-problem").textContent = error.message;
    }
    find("file").value = ""; // so that the same file can be chosen again
    offer();
  };
  const forget = () => {
    file = null;
    find("chosen").hidden = true;
    offer();
    find("lines").focus();
  };
  const start = async () => {
    run = { sheet: sheet(), stop: new AbortController() };
    run.rows = rowsOf(run.sheet, limits);
    table.show(run.rows);
    showRunning(true);
    await score(run, models, limits, { noticeReplaced, refresh: table.refresh });
    run.stop = null;
    showRunning(false);
  };
  const cancel = () => run?.stop?.abort();

  find("lines").addEventListener("input", offer);
  find("file").addEventListener("change", (event) => event.target.files[0] && take(event.target.files[0]));
  find("column").addEventListener("change", (event) => {
    file = { ...file, textColumn: Number(event.target.value) };
  });
  find("forget").addEventListener("click", forget);
  find("run").addEventListener("click", start);
  find("cancel").addEventListener("click", cancel);
  find("download").addEventListener("click", () => download(run.sheet, models, run.rows));
  document.addEventListener("keydown", (event) => event.key === "Escape" && cancel());
  acceptDrops((dropped) => {
    choose(find("tab-many"));
    if (!run?.stop) take(dropped);
  });
  offer(); // a browser that goes back in its history fills the lines in again
}

function rowsOf(sheet, limits) {
  return sheet.rows.map((cells, place) => {
    const text = cells[sheet.textColumn];
    return { place, text, problem: whyNot(text, limits), results: {} };
  });
}

async function score(run, models, limits, { noticeReplaced, refresh }) {
  const sound = run.rows.filter((row) => row.problem === null);
  const texts = sound.map((row) => row.text);
  const whole = sound.length * models.length;
  const { signal } = run.stop;
  let done = 0;
  showProgress(done, whole, models);
  const ofModel = (model) => (places, results) => {
    places.forEach((place, number) => {
      sound[place].results[model.name] = results[number];
    });
    noticeReplaced(model, results[0]);
    done += results.length;
    showProgress(done, whole, models);
    refresh();
  };
  let problem = null;
  try {
    await Promise.all(models.map((model) => scoreAll(model, texts, limits, { signal, onResults: ofModel(model) })));
  } catch (error) {
    if (!signal.aborted && !(error instanceof Problem)) throw error;
    problem = signal.aborted ? "Cancelled. What was scored so far stays in the table." : `${capital(error.message)}.`;
    run.stop.abort(); // the other models' requests
  }
  for (const row of sound) row.problem ??= models.some(({ name }) => !row.results[name]) ? "stopped before it" : null;
  refresh();
  find("many-problem").textContent = problem ?? "";
  find("tally").textContent = tally(run.rows, models);
  find("many-announcement").textContent = problem ? "" : `Done. ${tally(run.rows, models)}`;
}

function tally(rows, models) {
  const left = rows.filter((row) => models.some(({ name }) => !row.results[name])).length;
  const scored = `${counted(rows.length - left, "comment")} scored${left ? `, ${count(left)} not` : ""}.`;
  const each = models
    .filter((model) => model.positive !== null)
    .map((model) => {
      const found = rows.map((row) => row.results[model.name]?.decision);
      const parts = ["block", "review", "allow"]
        .map((decision) => [decision, found.filter((other) => other === decision).length])
        .filter(([decision, rows]) => rows || decision !== "review")
        .map(([decision, rows]) => `${count(rows)} to ${decision}`);
      return `${models.length > 1 ? `${model.name}: ` : ""}${parts.join(", ")}.`;
    });
  return [scored, ...each].join(" ");
}

function showProgress(done, whole, models) {
  find("done").max = Math.max(whole, 1);
  find("done").value = done;
  find("progress-text").textContent = `${count(done)} of ${count(whole)} ${models.length > 1 ? "answers" : "comments"}`;
}

function showRunning(running) {
  const held = running ? find("run") === document.activeElement : find("cancel") === document.activeElement;
  find("run").hidden = running;
  find("cancel").hidden = find("progress").hidden = !running;
  for (const id of ["lines", "file", "column", "forget"]) find(id).disabled = running;
  find("results").hidden = false;
  if (running) {
    for (const id of ["many-problem", "many-announcement", "tally"]) find(id).textContent = "";
  }
  if (held) find(running ? "cancel" : "run").focus(); // a button that is hidden would lose the keyboard's place
}

function showFile(name, sheet) {
  const title = (column, number) => column.trim() || `column ${number + 1}`;
  const options = sheet.columns.map((column, number) => element("option", { value: number }, title(column, number)));
  find("file-name").textContent = name;
  const guess = sheet.guessed ? "; which column has the comments is a guess" : "";
  find("file-rows").textContent = `${counted(sheet.rows.length, "row")}${guess}`;
  find("column").replaceChildren(...options);
  find("column").value = sheet.textColumn;
  find("chosen").hidden = false;
}

/** Files that are dropped anywhere on the page; a browser would otherwise leave the page to show them. */
function acceptDrops(take) {
  const hasFile = (event) => event.dataTransfer.types.includes("Files");
  const mark = (over) => find("drop").classList.toggle("over", over);
  document.addEventListener("dragover", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    mark(true);
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget === null && mark(false));
  document.addEventListener("drop", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    mark(false);
    take(event.dataTransfer.files[0]);
  });
}
