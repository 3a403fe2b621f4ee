"""The layout: which way imports point, what is not imported at the start, and where tests stand."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: the exporter from top to bottom: files and folders import only from rows below their own
LAYERS = (
    ("__main__",),
    ("demo",),
    ("commands",),
    ("replaying",),
    ("app",),
    ("api", "recovery"),
    ("anomalies",),
    ("web",),
    ("http",),
    ("sources",),
    ("metrics", "canary"),
    ("ledger",),
    ("pipeline",),
    ("counting",),
    ("history",),
    ("grouping", "judging", "record", "unweighed"),
    ("models",),
    ("watched_model",),
    ("tally",),
    ("clients", "drift", "health"),
    ("formats",),
    ("delivery", "body", "pseudonyms"),
    ("config_file", "config_change", "registration"),
    ("access",),
    ("config",),
    ("promql", "logs", "memory", "version", "storage", "addresses", "labels", "fair_lock"),
    ("series_file", "series_plot"),
)
ROW = {name: row for row, names in enumerate(LAYERS) for name in names}
#: what takes long to import or much memory, and is imported when it is first used
LATE = {"scipy", "sklearn", "promql_parser", "PIL", "pandas", "torch", "sqlalchemy", "alembic", "matplotlib"}


def sources(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


def imports(file: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            yield from (_module(f"{node.module}.{alias.name}") for alias in node.names)


def _module(name: str) -> str:
    """The module of a dotted name: the name itself where it is a module of ours, else what stands before the dot."""
    path = ROOT.joinpath(*name.split("."))
    return name if path.with_suffix(".py").exists() or path.is_dir() else name.rpartition(".")[0]


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def unit(module: str) -> str:
    """The file or folder right below `exporter` that a module belongs to."""
    return module.split(".")[1]


def test_every_file_and_folder_of_the_exporter_has_its_row() -> None:
    names = {
        unit(module_name(file))
        for file in sources("exporter")
        if file.parent.name != "exporter" or file.stem != "__init__"
    }
    assert names == set(ROW)


def test_imports_of_the_exporter_only_point_down() -> None:
    upward = [
        f"{module_name(file)} imports {target}"
        for file in sources("exporter")
        for target in imports(file)
        if target.startswith("exporter.") and unit(target) != unit(module_name(file))
        if ROW[unit(target)] <= ROW[unit(module_name(file))]
    ]
    assert upward == []


@pytest.mark.parametrize("package", ["exporter", "detectors"])
def test_imports_run_in_no_circle(package: str) -> None:
    below = {
        module_name(file): {name for name in imports(file) if name.startswith(package)} for file in sources(package)
    }
    while leaves := {module for module, targets in below.items() if not targets & set(below) - {module}}:
        below = {module: targets for module, targets in below.items() if module not in leaves}
    assert below == {}


def test_detectors_never_import_the_exporter() -> None:
    assert [file for file in sources("detectors") if any(name.startswith("exporter") for name in imports(file))] == []


@pytest.mark.parametrize("package", ["exporter", "detectors"])
def test_no_private_name_of_a_library_is_used(package: str) -> None:
    private = [f"{module_name(file)}: {name}" for file in sources(package) for name in _private_names(file)]
    assert private == []


def _private_names(file: Path) -> Iterator[str]:
    tree = ast.parse(file.read_text())
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
            yield from (alias.name for alias in node.names if "._" in alias.name or alias.name.startswith("_"))
        elif isinstance(node, ast.ImportFrom):
            modules |= {alias.asname or alias.name for alias in node.names}
            parts = [part for alias in node.names for part in f"{node.module}.{alias.name}".split(".")]
            yield from (part for part in parts if _is_private(part))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in modules
            and _is_private(node.attr)
        ):
            yield f"{node.value.id}.{node.attr}"


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def test_what_is_heavy_is_not_imported_to_start_the_service() -> None:
    program = """
import sys
from exporter.commands import serve
from exporter.config import Config
from exporter.app import Service, ServeOptions
service = Service(Config(), Config, ServeOptions())
assert service.pipeline.models.of(None).tallies
print(*sorted(name for name in sys.modules if "." not in name))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"numpy", "uvicorn", "exporter"} <= loaded
    assert loaded & LATE == set()


def test_to_show_the_version_needs_no_web_framework_and_no_numpy() -> None:
    program = "import sys, exporter.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"fastapi", "numpy", "uvicorn", "msgspec"} & set(done.stdout.split()) == set()


def test_every_test_file_of_the_exporter_stands_where_its_source_does() -> None:
    """`x/y.py` is tested by `x/test_y.py`, or by the files of a folder `x/y/`, one for each subject."""
    modules = {file.relative_to(ROOT).with_suffix("") for file in sources("exporter")} | {Path("exporter/main")}
    tests = sorted((ROOT / "tests" / "exporter").rglob("test_*.py"))
    assert tests
    tested = {file.relative_to(ROOT / "tests").with_name(file.stem.removeprefix("test_")) for file in tests}
    assert {name for name in tested if name not in modules and name.parent not in modules} == set()
