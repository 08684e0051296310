"""Schemathesis makes up requests from the server's own OpenAPI document, right and wrong ones, and believes nothing."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from served import make_bundles
from server_process import serving
from tiny_bundles import label_decisions, tiny_bundle

from waiting import PATIENCE

KEY = "open sesame"
SMALL = {"texts": 20, "text_length": 200}  # so that what is just within and just beyond the limits is quickly sent


@pytest.mark.parametrize("keys", [False, True])
def test_all_that_is_answered_is_what_openapi_says(tmp_path: Path, keys: bool) -> None:
    known = [{"name": "tests", "sha256": hashlib.sha256(KEY.encode()).hexdigest()}] if keys else []
    config = tmp_path / "serve.yaml"
    config.write_text(yaml.safe_dump({"limits": SMALL, "keys": known}), encoding="utf-8")
    several = tiny_bundle(tmp_path / "several", decisions=label_decisions("toxic", "insult"))
    bundles = [*make_bundles(tmp_path).values(), *([several] if keys else [])]
    kept = ("--feedback", tmp_path / "feedback.jsonl") if keys else ()
    with serving(bundles, "--config", config, *kept) as server:
        command = [
            *(Path(sys.executable).parent / "schemathesis", "run", f"{server.url}/openapi.json", "--no-color"),
            *("--checks", "all", "--phases", "examples,coverage,fuzzing,stateful", "--mode", "all"),
            *("--max-examples", "30", "--generation-deterministic"),
            *("--request-timeout", str(PATIENCE), "--suppress-health-check", "too_slow"),
            *(("--header", f"X-API-Key: {KEY}") if keys else ()),
        ]
        done = subprocess.run(
            [str(part) for part in command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        paths = server.ask("GET", "/openapi.json").json()["paths"]
        assert "Traceback" not in server.stderr()
    shown = "\n".join(line[:300] for line in done.stdout.splitlines())
    assert done.returncode == 0, shown + done.stderr
    operations = sum(len(path) for path in paths.values())
    assert operations >= (8 if keys else 6)  # both APIs, with corrections, and what watches them
    assert f"Tested: {operations}\n" in shown
    tested = re.search(r"(\d+) generated, (\d+) passed", shown)
    assert tested
    assert int(tested[2]) > 200, shown
