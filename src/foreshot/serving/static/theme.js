// Light or dark: the system's, until somebody chooses the other one here. Loaded before the page is painted.
{
  const KEY = "foreshot-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;

  const remembered = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is switched off
    }
  };
  const remember = (theme) => {
    try {
      if (theme) localStorage.setItem(KEY, theme);
      else localStorage.removeItem(KEY);
    } catch {
      // then the choice lasts as long as the page
    }
  };
  const ofSystem = () => (system.matches ? "dark" : "light");
  const show = (theme) => {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    document.querySelector("#theme")?.setAttribute("aria-checked", String((theme ?? ofSystem()) === "dark"));
  };

  let chosen = ["light", "dark"].find((theme) => theme === remembered()) ?? null;
  show(chosen);
  system.addEventListener("change", () => show(chosen));
  document.addEventListener("DOMContentLoaded", () => {
    show(chosen);
    document.querySelector("#theme").addEventListener("click", () => {
      const other = (chosen ?? ofSystem()) === "dark" ? "light" : "dark";
      chosen = other === ofSystem() ? null : other; // back at the system's: follow it again
      remember(chosen);
      show(chosen);
    });
  });
}
