(() => {
  "use strict";
  const FIRST = 50;
  const form = document.getElementById("ledger-filters");
  const status = document.getElementById("ledger-status");
  const more = document.getElementById("ledger-more");
  const frame = document.querySelector(".frame.ledger");
  const total = status.textContent;
  const rows = Array.from(document.querySelectorAll("#ledger-table tbody tr"), (row) => ({
    row,
    text: row.querySelector("th").textContent.toLocaleLowerCase(),
  }));
  let all = false;

  const show = () => {
    const asked = Object.fromEntries(new FormData(form));
    const text = asked.text.trim().toLocaleLowerCase();
    const names = Object.keys(asked).filter((name) => name !== "text" && asked[name]);
    const fits = (one) => names.every((name) => one.row.dataset[name] === asked[name]) && one.text.includes(text);
    let found = 0;
    for (const one of rows) {
      const is = fits(one);
      if (is) found += 1;
      one.row.hidden = !is || (!all && found > FIRST);
    }
    const shown = all ? found : Math.min(found, FIRST);
    const narrowed = names.length > 0 || text !== "";
    status.textContent = narrowed ? `${shown} shown of ${found} that fit. ${total}` : `${shown} shown. ${total}`;
    more.hidden = shown === found;
    more.textContent = `Show all ${found}`;
  };

  form.addEventListener("input", () => { all = false; show(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => { all = true; show(); frame.focus(); });
  form.hidden = false;
  show();
})();
