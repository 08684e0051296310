"""The scripts in the documentation do what the documentation says."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_bundles import tiny_bundle

import foreshot

DOCS = Path(__file__).resolve().parents[1] / "docs"


def scripts(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def test_ten_lines_without_foreshot_give_the_bundles_scores(tmp_path):
    bundle = tiny_bundle(tmp_path / "bundle")
    (script,) = [found for found in scripts("bundles.md") if "onnxruntime" in found]
    assert "foreshot" not in script.replace("foreshot.json", "")
    told = "print(dict(zip(facts["
    assert told in script
    script = script.replace(told, "print(json.dumps(dict(zip(facts[").replace(".ravel())))", ".ravel().tolist()))))")
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (expected,) = foreshot.load(bundle, file="model.onnx")("you absolute walnut")
    assert json.loads(done.stdout) == pytest.approx(expected.scores, abs=1e-6)


def test_the_page_of_the_commands_is_what_they_say_themselves(tmp_path: Path) -> None:
    typer = Path(sys.executable).parent / "typer"
    command = [typer, "foreshot.cli", "utils", "docs", "--name", "foreshot", "--title", "Commands", "--output"]
    done = subprocess.run([*command, tmp_path / "cli.md"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "cli.md").read_text(encoding="utf-8")
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == written, "make docs"
    assert "`foreshot compare`" in written


PAGES = [page for page in DOCS.parent.rglob("*.md") if not {".venv", "node_modules", "runs"} & set(page.parts)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS.parent)))
def test_links_lead_to_pages_and_headings_that_are_there(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for name, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", text):
        target = page.parent / name if name else page
        assert target.exists(), (page, name)
        if anchor and target.suffix == ".md":
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in slugs, (page, name, anchor)
