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
