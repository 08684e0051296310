"""What the sources as a whole must keep to: imports run downward, nothing unsafe, no file too long.

Each rule is a function from parsed sources to complaints, so that the tests at the end can hand it
a source that breaks the rule.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[1] / "src"

# Lowest first. A module may import from its own layer (without a cycle) and from those before it.
LAYERS = [
    {"errors"},
    {"environment", "progress"},
    {"config", "facts", "results"},
    {"rundir"},
    {"data"},
    {"runtime"},
    {"serving"},
    {"models"},
    {"training"},
    {"judging"},
    {"plan", "trained"},
    {"findings"},
    {"stages"},
    {"tuning"},
    {"checking"},
    {"reporting"},
    {"compare"},
    {"cli"},
    {"__main__"},
]
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}

# These run where torch is not installed.
DEPLOYED = {"runtime", "serving"}
TRAINING_ONLY = {"accelerate", "datasets", "peft", "sklearn", "torch", "transformers"}

# Reading any of these formats can run what a stranger put into the file.
UNSAFE_MODULES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
LONGEST_FILE = 400

Sources = dict[str, ast.Module]  # by dotted name; a package by its own name


def read_sources() -> Sources:
    sources = {}
    for path in sorted((SRC / "foreshot").rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        sources[name] = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return sources


def imported(tree: ast.Module) -> Iterator[str]:
    """Every module that a source imports, wherever in it, as dotted names.

    `from a import b` gives `a.b`, since `b` may be a module; callers cut the name where it isn't.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write imports in full, from foreshot. ..."
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(sources: Sources) -> dict[str, set[str]]:
    """For each module, the modules of foreshot that it imports. The package's own lazy names are left out."""
    graph: dict[str, set[str]] = {}
    for name, tree in sources.items():
        targets = {target for target in imported(tree) if target.split(".")[0] == "foreshot"}
        found = {target if target in sources else target.rpartition(".")[0] for target in targets}
        graph[name] = found - {name, "foreshot"} if name != "foreshot" else set()
    return graph


def part(name: str) -> str:
    """`data` for `foreshot.data.table`, `cli` for `foreshot.cli`."""
    return name.split(".")[1]


def upward_imports(sources: Sources) -> list[str]:
    return [
        f"{name} imports {target}, which stands above it"
        for name, targets in own_imports(sources).items()
        for target in sorted(targets)
        if RANK[part(target)] > RANK[part(name)]
    ]


def cycles(sources: Sources) -> list[str]:
    try:
        TopologicalSorter(own_imports(sources)).prepare()
    except CycleError as error:
        return [" -> ".join(error.args[1])]
    return []


def training_imports_in_deployed_parts(sources: Sources) -> list[str]:
    """Direct imports and those by way of other modules of foreshot."""
    graph = own_imports(sources)
    complaints = []
    for start in (name for name in graph if name != "foreshot" and part(name) in DEPLOYED):
        reached, waiting = set(), [start]
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += graph[name]
        for name in sorted(reached):
            heavy = {target.split(".")[0] for target in imported(sources[name])} & TRAINING_ONLY
            complaints += [f"{start} imports {target} in {name}" for target in sorted(heavy)]
    return complaints


def unsafe_loading(sources: Sources) -> list[str]:
    complaints = []
    for name, tree in sources.items():
        for target in imported(tree):
            if target.split(".")[0] in UNSAFE_MODULES or target == "torch.load":
                complaints.append(f"{name} imports {target}")
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.load":
                complaints.append(f"{name}:{node.lineno} uses torch.load")
            if isinstance(node, ast.keyword) and node.arg in {"trust_remote_code", "allow_pickle"}:
                refused = isinstance(node.value, ast.Constant) and node.value.value is False
                complaints += [] if refused else [f"{name}:{node.value.lineno} sets {node.arg}"]
    return complaints


def test_every_module_has_a_layer():
    assert {part(name) for name in read_sources() if name != "foreshot"} <= RANK.keys()


@pytest.mark.parametrize("rule", [upward_imports, cycles, training_imports_in_deployed_parts, unsafe_loading])
def test_sources_keep_the_rule(rule):
    assert rule(read_sources()) == []


def test_no_file_is_too_long():
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in (SRC / "foreshot").rglob("*.py")}
    assert lengths
    assert {str(path): length for path, length in lengths.items() if length > LONGEST_FILE} == {}


@pytest.mark.parametrize("statement", ["import foreshot", "import foreshot.cli", "import foreshot.__main__"])
def test_importing_loads_nothing_heavy(statement):
    heavy = {"datasets", "matplotlib", "peft", "pyarrow", "scipy", "sklearn", "torch", "transformers"}
    assert loaded_by(statement) & heavy == set()


def test_help_loads_nothing_heavy():
    script = "import sys; from foreshot.cli import main; sys.argv = ['foreshot', 'compare', '--help']; main()"
    guarded = f"try:\n    {script}\nexcept SystemExit as stop:\n    assert not stop.code, stop.code"
    heavy = {"datasets", "matplotlib", "peft", "pyarrow", "scipy", "sklearn", "torch", "transformers"}
    assert loaded_by(guarded) & heavy == set()


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a new interpreter holds after running the code."""
    report = "\nimport sys; print('\\nLOADED', *{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("LOADED ")[2].split())


# ---- the rules can fail ----


def sources_of(**texts: str) -> Sources:
    """Sources by keyword, `__` for the dot: `data__table` is foreshot.data.table."""
    return {f"foreshot.{name.replace('__', '.')}": ast.parse(text) for name, text in texts.items()}


@pytest.mark.parametrize(
    "statement",
    [
        "import foreshot.cli",
        "from foreshot import cli",
        "from foreshot.cli import main",
        "def later():\n    from foreshot.cli import main",
    ],
)
def test_an_upward_import_is_seen(statement):
    assert upward_imports(sources_of(data__table=statement, cli="")) == [
        "foreshot.data.table imports foreshot.cli, which stands above it"
    ]


def test_a_downward_import_is_allowed():
    assert upward_imports(sources_of(cli="from foreshot.data.table import read", data__table="")) == []


def test_a_cycle_is_seen():
    sources = sources_of(data__a="from foreshot.data import b", data__b="import foreshot.data.a")
    assert len(cycles(sources)) == 1
    assert cycles(sources_of(data__a="from foreshot.data import b", data__b="")) == []


def test_training_imports_are_seen_through_other_modules():
    sources = sources_of(runtime__classifier="from foreshot.rundir import x", rundir="import torch.nn")
    assert training_imports_in_deployed_parts(sources) == [
        "foreshot.runtime.classifier imports torch in foreshot.rundir"
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "import pickle",
        "from joblib import load",
        "from torch import load",
        "import torch\ntorch.load('weights.bin', weights_only=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=trusted)",
        "numpy.load(path, allow_pickle=True)",
    ],
)
def test_unsafe_loading_is_seen(statement):
    assert len(unsafe_loading(sources_of(models__encoders=statement))) == 1


def test_refusing_remote_code_is_allowed():
    statement = "AutoModel.from_pretrained(name, trust_remote_code=False)"
    assert unsafe_loading(sources_of(models__encoders=statement)) == []


def test_loaded_modules_are_seen():
    assert "colorsys" in loaded_by("import colorsys")
    assert "colorsys" not in loaded_by("")
