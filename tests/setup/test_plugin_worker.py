"""The worker of a plugin starts in the right environment, which is built once and in background."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opensync_hooks import __version__
from opensync_hooks.hook import entry, paths
from opensync_hooks.setup import plugin_worker
from tests.setup.homes import write_program

ROOT = Path(__file__).parents[2]


class PluginHome:
    """A plugin whose install.py and environments only say that they were started."""

    def __init__(self, folder: Path) -> None:
        self.root, self.data = folder / "plugin", folder / "data"
        self.ours, self.starts = folder / "ours", folder / "starts"
        (self.root / "opensync_hooks").parent.mkdir()
        (self.root / "opensync_hooks").symlink_to(ROOT / "opensync_hooks")
        self.write_installer("sys.exit('no network')")

    def write_installer(self, code: str) -> None:
        start = f"import sys; open({str(self.starts)!r}, 'a').write('build ')"
        (self.root / "install.py").write_text(f"{start}\n{code}\n")

    def add_environment(self, folder: Path) -> None:
        (folder / "bin").mkdir(parents=True)
        write_program(folder / "bin" / "python", f'printf "%s " "$0" >> {self.starts}')

    def start(self, python: str = sys.executable) -> str:
        """Start a worker as the hook does; returns what was started."""
        self.starts.write_text("")
        environ = {
            **os.environ,
            paths.PLUGIN: str(self.data),
            "OPENSYNC_HOOKS_HOME": str(self.ours),
        }
        code = entry.worker_code(environ.get)
        command = [python, "-I", "-c", code, str(self.root)]
        subprocess.run(command, env=environ, capture_output=True, timeout=120, check=False)
        return self.starts.read_text().strip()


@pytest.fixture
def plugin(tmp_path: Path) -> PluginHome:
    return PluginHome(tmp_path)


def test_environment_of_an_installation_is_used(plugin: PluginHome) -> None:
    plugin.add_environment(plugin.ours / "env")
    plugin.add_environment(plugin.data / "env")
    assert plugin.start() == str(plugin.ours / "env" / "bin" / "python")
    assert not (plugin.data / paths.PLUGIN_LOG).exists()


def test_own_environment_is_used_while_it_was_built_from_this_version(plugin: PluginHome) -> None:
    plugin.add_environment(plugin.data / "env")
    built_from = plugin.data / "built-from"
    built_from.write_text(f"{__version__} {plugin.root}")
    own = str(plugin.data / "env" / "bin" / "python")
    assert plugin.start() == own
    built_from.write_text(f"0.0.9 {plugin.root}")
    assert plugin.start() == "build", "after an update"
    assert plugin.start() == own, "the older version works on where an update fails"


def test_failed_attempt_leaves_its_reason_and_is_repeated_later(plugin: PluginHome) -> None:
    log = plugin.data / paths.PLUGIN_LOG
    assert plugin.start() == "build"
    assert "no network" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0
    assert plugin.start() == ""
    late = time.time() - plugin_worker.RETRY_SECONDS
    os.utime(log, (late, late))
    assert plugin.start() == "build"


def test_environment_that_was_deleted_is_built_again_at_once(plugin: PluginHome) -> None:
    plugin.data.mkdir()
    (plugin.data / paths.PLUGIN_LOG).touch()
    assert plugin.start() == "build"


def test_hook_without_a_plugin_starts_the_usual_worker() -> None:
    assert entry.worker_code(lambda _: None) == entry.WORKER
    assert entry.worker_code(lambda _: "") == entry.PLUGIN_WORKER


@pytest.mark.parametrize(
    "path",
    ["hooks/claude_code.py", *(f"opensync_hooks/{name}.py" for name in (
        "__init__", "hook/__init__", "hook/entry", "hook/paths", "setup/__init__",
        "setup/plugin_worker",
    ))],
)  # fmt: skip
def test_what_runs_before_a_newer_python_is_found_is_python_3_8(path: str) -> None:
    ast.parse((ROOT / path).read_text(), feature_version=(3, 8))
