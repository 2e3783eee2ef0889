"""The loader and the executor of hooks in Cursor's own SDK, whose wheel brings its own Node.

OPENSYNC_TEST_CURSOR_SDK names the folder into which `pip install --target` has put `cursor-sdk`.
The SDK exports neither, so they are run in a copy of its program that does.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SDK = os.environ.get("OPENSYNC_TEST_CURSOR_SDK", "")
needs_cursor_sdk = pytest.mark.skipif(
    not SDK, reason="OPENSYNC_TEST_CURSOR_SDK does not name a Cursor SDK"
)
_BRIDGE = Path(SDK, "cursor_sdk", "_vendor", "bridge")
_PROGRAM = _BRIDGE / "node_modules" / "@cursor" / "sdk" / "dist" / "cjs"
_IMPORT = re.compile(
    r'Promise\.all\(\[[^\]]*\]\)\.then\((\w)\.bind\(\1,"\./src/agent/local-executor\.ts"\)\)'
)
_HOOKS = re.compile(r"function ([\w$]+)\(\w=\{\}\)\{return\{createHooksRuntime:")
_DRIVER = """
const { folder, version, steps } = JSON.parse(require("fs").readFileSync(0))
require("./index.js").localExecutor().then(async ({ createHooks }) => {
  const workspaceState = { projectRoot: folder, workspaceRoots: [folder], workingDirectory: folder }
  const hooks = createHooks({ globalContext: { cursor_version: version } })
  const runtime = await hooks.createHooksRuntime({ workspaceState })
  const { hookExecutor } = runtime.createSessionRuntime({})
  const answers = []
  for (const [step, fields] of steps) {
    answers.push(await hookExecutor.executeHookForStep(step, fields))
  }
  const { errors, userHooks } = runtime.hooksConfig
  console.log(JSON.stringify({ errors, hooks: userHooks?.hooks ?? null, answers }))
})
"""


@dataclass(frozen=True, slots=True)
class CursorSdk:
    """A copy of the SDK's program with its own loader and executor exported."""

    folder: Path

    @classmethod
    def copied_to(cls, folder: Path) -> CursorSdk:
        shutil.copytree(_PROGRAM, folder)
        (folder.parent / "node_modules").symlink_to(_BRIDGE / "node_modules")
        index = (folder / "index.js").read_text()
        loading = _IMPORT.search(index)
        assert loading
        exports = f"module.exports=o;o.localExecutor=()=>{loading[0]}"
        assert "module.exports=o" in index
        (folder / "index.js").write_text(index.replace("module.exports=o", exports))
        (chunk,) = (path for path in folder.glob("*.js") if _HOOKS.search(path.read_text()))
        program = chunk.read_text()
        function = _HOOKS.search(program)
        assert function
        names = f"{{createHooks:()=>{function[1]},createLocalExecutor:"
        chunk.write_text(program.replace("{createLocalExecutor:", names, 1))
        (folder / "driver.js").write_text(_DRIVER)
        return cls(folder)

    def run(
        self, project: Path, steps: list[tuple[str, dict[str, Any]]], version: str = "3.18.25"
    ) -> dict[str, Any]:
        """Load the hooks of the user and the project, execute those of each step, in their order.

        Returns the loader's `errors`, the user's `hooks`, and what the executor made of the hooks'
        answers.
        """
        command = [_BRIDGE / "bin" / "node", self.folder / "driver.js"]
        request = json.dumps({"folder": str(project), "version": version, "steps": steps})
        done = subprocess.run(command, input=request, capture_output=True, text=True, check=True)
        result: dict[str, Any] = json.loads(done.stdout)
        return result
