"""The whole way of docs/migrating.md, command by command, with a model of ours in the API's place."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from live_app import live_app, post

from cli_runs import FAST, make_comments

PAGE = (Path(__file__).resolve().parents[1] / "docs/migrating.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
(SCRIPT,) = re.findall(r"```python\n(# score_cases\.py\n.*?)```", PAGE, re.DOTALL)
ADDRESS = re.search(r'ADDRESS = "(.*)"', SCRIPT)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, foreshot: Callable[..., Any], finished_run: Path) -> Any:
    """A server of a teacher's bundle, which answers as the API does."""
    bundle = tmp_path_factory.mktemp("api") / "teacher"
    done = foreshot("export", finished_run / "teacher", "--out", bundle, "--bits", "32")
    assert done.exit_code == 0, done.stderr
    with live_app({"teacher": bundle}) as address:
        yield address


def stored_answer(api: str, text: str) -> dict[str, Any]:
    """A row of the store: the comment with what the API said."""
    asked = {"comment": {"text": text}, "requestedAttributes": {"TOXICITY": {}}}
    status, answer = post(f"{api}/v1alpha1/comments:analyze", asked)
    assert status == 200
    return {"comment": text, "response": answer}


def test_the_whole_way(
    api: str,
    foreshot: Callable[..., Any],
    encoder: Path,
    suite: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [shlex.split(command)[1] for command in COMMANDS] == ["suite", "compare", "export", "migrate"]
    monkeypatch.chdir(tmp_path)
    texts = [text for text, _ in make_comments(300)]
    for name, part in (("stored", texts[:240]), ("later", texts[240:])):
        rows = "".join(json.dumps(stored_answer(api, text)) + "\n" for text in part)
        (tmp_path / f"{name}.jsonl").write_text(rows, encoding="utf-8")

    for command in COMMANDS:
        words = shlex.split(command)[1:]
        words = [
            {"builtin": str(suite), "microsoft/MiniLM-L12-H384-uncased": str(encoder)}.get(word, word) for word in words
        ]
        if words[0] == "compare":
            run_the_script(api, tmp_path)
            words += ["--suite", str(suite), "--recipes", "odd", *FAST, "--epochs", "8"]
        if words[0] == "export":
            words += ["--bits", "32"]
        done = foreshot(*words)
        assert done.exit_code == 0, (command, done.stderr)

    assert "Spearman" in done.stdout
    results = json.loads((tmp_path / "runs/stored/results.json").read_text(encoding="utf-8"))
    teacher = next(found for found in results["suite_results"] if found["model"] == "teacher")
    assert teacher["accuracy"]["value"] > 0.9  # that of the run it stands for
    assert results["models"][1]["scores"][0]["agreement"]["spearman"]["value"] > 0.5
    with live_app({"model": tmp_path / "bundle"}) as changed:
        answers = [stored_answer(address, "the stupid cook read this page")["response"] for address in (api, changed)]
    before, after = (answer["attributeScores"]["TOXICITY"] for answer in answers)
    assert before.keys() == after.keys()
    assert after["summaryScore"]["value"] > 0.5


def run_the_script(api: str, folder: Path) -> None:
    """The page's script, in a process of its own, asking the address that stands for the API's."""
    assert ADDRESS
    script = SCRIPT.replace(ADDRESS[1], f"{api}/v1alpha1/comments:analyze").replace("PAUSE = 1.0", "PAUSE = 0.0")
    assert api in script
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "scored-cases.csv").exists()
