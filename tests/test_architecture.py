"""What the sources as a whole must keep to: imports run downward, nothing unsafe.

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

# Highest first. A module may import from its own folder (without a cycle) and from those below.
FOLDERS = [
    "__main__", "cli", "perspective", "serving", "comparison", "exporting", "explaining", "checking", "reporting",
    "words", "judging", "training", "models", "suites", "runtime", "results", "data", "settings", "files",
]  # fmt: skip
GROUND = ["progress", "threads", "errors"]
RANK = {part: rank for rank, part in enumerate([*FOLDERS, *GROUND])}

# The base install is enough for these: they import nothing of the train extra,
DEPLOYED = {"files", "results", "runtime", "serving", "settings"}
# and for these: they load it, inside a function, for a model that needs it.
LIGHT = {"cli", "checking", "data", "explaining", "perspective", "suites"}
TRAINING_ONLY = {
    "accelerate", "captum", "datasets", "matplotlib", "onnx", "onnxscript", "peft", "psutil", "safetensors", "scipy",
    "sklearn", "torch", "transformers",
}  # fmt: skip
HEAVY = TRAINING_ONLY | {"onnxruntime", "pyarrow", "tokenizers"}

# Reading any of these formats can run what a stranger put into the file.
UNSAFE_MODULES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}

Sources = dict[str, ast.Module]  # by dotted name; a package by its own name


def read_sources() -> Sources:
    sources = {}
    for path in sorted((SRC / "foreshot").rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        sources[name] = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return sources


def imported(tree: ast.Module, *, at_once: bool = False) -> Iterator[str]:
    """Every module that a source imports, wherever in it, or `at_once` when it is imported itself, as dotted names.

    `from a import b` gives `a.b`, since `b` may be a module; callers cut the name where it isn't.
    """
    for node in run_at_once(tree) if at_once else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write imports in full, from foreshot. ..."
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def run_at_once(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a source that run when it is imported: all but what stands inside functions."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from run_at_once(node)


def own_imports(sources: Sources, *, at_once: bool = False) -> dict[str, set[str]]:
    """For each module, the modules of foreshot that it imports. The package's own lazy names are left out."""
    graph: dict[str, set[str]] = {}
    for name, tree in sources.items():
        targets = {target for target in imported(tree, at_once=at_once) if target.split(".")[0] == "foreshot"}
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
        if RANK[part(target)] < RANK[part(name)]
    ]


def cycles(sources: Sources) -> list[str]:
    try:
        TopologicalSorter(own_imports(sources)).prepare()
    except CycleError as error:
        return [" -> ".join(error.args[1])]
    return []


def training_imports_in_deployed_parts(sources: Sources) -> list[str]:
    """What deployed folders import of the train extra, anywhere, or by way of other modules of foreshot."""
    graph = own_imports(sources)
    return training_imports(sources, graph, [name for name in graph if name != "foreshot" and part(name) in DEPLOYED])


def training_imports_of_light_modules(sources: Sources) -> list[str]:
    """What loads the train extra as soon as one of these modules is imported."""
    graph = own_imports(sources, at_once=True)
    return training_imports(sources, graph, [name for name in graph if name != "foreshot" and part(name) in LIGHT])


def training_imports(sources: Sources, graph: dict[str, set[str]], starts: list[str]) -> list[str]:
    """Direct imports and those by way of other modules; outside the deployed parts one inside a function may stand."""
    complaints = []
    for start in starts:
        reached, waiting = set(), [start]
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += graph[name]
        for name in sorted(reached):
            found = imported(sources[name], at_once=part(name) not in DEPLOYED)
            heavy = {target.split(".")[0] for target in found} & TRAINING_ONLY
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


RULES = [
    upward_imports,
    cycles,
    training_imports_in_deployed_parts,
    training_imports_of_light_modules,
    unsafe_loading,
]


@pytest.mark.parametrize("rule", RULES)
def test_sources_keep_the_rule(rule):
    assert rule(read_sources()) == []


@pytest.mark.parametrize("statement", ["import foreshot", "import foreshot.cli", "import foreshot.__main__"])
def test_importing_loads_nothing_heavy(statement):
    assert loaded_by(statement) & HEAVY == set()


def test_what_needs_no_train_extra_loads_nothing_of_it():
    light = [name for name in read_sources() if name != "foreshot" and part(name) in LIGHT | DEPLOYED]
    assert loaded_by(f"import {', '.join(light)}") & TRAINING_ONLY == set()


def test_help_loads_nothing_heavy():
    script = "import sys; from foreshot.cli import main; sys.argv = ['foreshot', 'compare', '--help']; main()"
    guarded = f"try:\n    {script}\nexcept SystemExit as stop:\n    assert not stop.code, stop.code"
    assert loaded_by(guarded) & HEAVY == set()


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
    sources = sources_of(runtime__classifier="from foreshot.suites.x import y", suites__x="import torch.nn")
    assert training_imports_in_deployed_parts(sources) == [
        "foreshot.runtime.classifier imports torch in foreshot.suites.x"
    ]


@pytest.mark.parametrize("statement", ["import scipy.stats", "def later():\n    from scipy import stats"])
def test_a_deployed_module_imports_nothing_of_the_train_extra_anywhere(statement):
    assert training_imports_in_deployed_parts(sources_of(runtime__scoring=statement)) == [
        "foreshot.runtime.scoring imports scipy in foreshot.runtime.scoring"
    ]


def test_a_module_below_a_deployed_one_may_load_the_train_extra_in_a_function():
    later = "def read_hub():\n    import datasets"
    sources = sources_of(runtime__scoring="from foreshot.data.files import open_sheet", data__files=later)
    assert training_imports_in_deployed_parts(sources) == []


@pytest.mark.parametrize(
    ("statement", "complaints"),
    [
        ("from foreshot.judging import a", ["foreshot.checking imports scipy in foreshot.judging.a"]),
        ("if True:\n    from foreshot.judging import a", ["foreshot.checking imports scipy in foreshot.judging.a"]),
        ("class Lazy:\n    def load(self):\n        from foreshot.judging import a", []),
    ],
)
def test_light_modules_load_the_train_extra_in_functions_alone(statement, complaints):
    sources = sources_of(checking=statement, judging__a="import scipy")
    assert training_imports_of_light_modules(sources) == complaints


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
