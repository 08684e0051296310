"""Adapters: where a LoRA student says that its base model stands."""

from pathlib import Path
from types import SimpleNamespace

from tiny_models import tiny_model_folder

from foreshot.comparison.folder import RunFolder
from foreshot.comparison.students import keep_base
from foreshot.models.encoders import find_model


def test_an_adapters_base_is_named_so_that_it_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    depth = find_model(str(tiny_model_folder(tmp_path / "tiny"))).depth

    def base(source):
        job = SimpleNamespace(layers=tuple(range(1, depth + 1)), source=source)
        inputs = SimpleNamespace(origin=SimpleNamespace(depth=depth))
        return keep_base(job, None, inputs, RunFolder(Path("runs/demo")))

    assert base(find_model("tiny")) == str(tmp_path / "tiny")
    assert base(find_model("../" + tmp_path.name + "/tiny")) == str(tmp_path / "tiny")
    assert base(None) == str(tmp_path / "runs" / "demo" / "teacher")
    of_the_hub = SimpleNamespace(depth=depth, name="owner/encoder", folder=tmp_path / "cache" / "snapshot")
    assert base(of_the_hub) == "owner/encoder"
