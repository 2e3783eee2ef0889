"""A placeholder for the npm package that OpenCode installs at its start, and waits for.

OpenCode 1.14 and newer installs @opencode-ai/plugin into each folder of settings, in the background
unless there is a plugin. With one, each start waits until the install has succeeded or failed: 71 s
where the registry refuses connections, minutes where a firewall swallows them. Our plugin needs no
package. OpenCode takes it as installed if these exist:

    package-lock.json                      names the package among the dependencies of the folder
    node_modules/@opencode-ai/plugin/      ours; the first plugin that imports it has it installed

A fork has a package of its own name.

The files are made only where there is neither a package nor a lock file, and no package.json that
asks for another package. OpenCode's own .gitignore covers them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from opensync_hooks.agents.json_access import decode_dict, get_dict
from opensync_hooks.agents.opencode import plugin_list
from opensync_hooks.agents.opencode.product import Product
from opensync_hooks.agents.settings_files.file_change import FileChange, read
from opensync_hooks.hook import paths

_MARK = "opensync-hooks: a placeholder, removed by its uninstall"
_LOCK = "package-lock.json"
_FOLDERS_OF_OURS = 3
"""node_modules, the scope of the package, and the package."""
_MODULE = """// %(mark)s
// Another plugin needs %(package)s: install it now, with the Bun that OpenCode itself is made of.
// Without the lock file, OpenCode replaces it with the version of its own at the next start.
import { spawnSync } from "node:child_process"
import { rmSync } from "node:fs"
import { fileURLToPath } from "node:url"

const cwd = fileURLToPath(new URL("../../..", import.meta.url))
rmSync(`${cwd}/%(lock)s`, { force: true })
const env = { ...process.env, BUN_BE_BUN: "1" }
spawnSync(process.execPath, ["add", "%(package)s"], { cwd, env, stdio: "ignore", timeout: 60_000 })
let real
try {
  real = await import("./dist/index.js")
} catch {
  throw new Error("%(package)s could not be installed: check the network, then restart %(label)s")
}
export const tool = real.tool
"""


def plan(product: Product, env: paths.Lookup) -> FileChange | None:
    """Plan the next missing file; the lock file, which makes the others count, comes last."""
    for folder in _folders(product, env):
        for path, content in _files(product, folder) if _is_free(product, folder) else ():
            before = read(path)
            if before != content:
                return FileChange(path, before, content)
    return None


def plan_removal(product: Product, env: paths.Lookup) -> FileChange | None:
    for folder in _folders(product, env):
        for path, _ in reversed(_files(product, folder)):
            content = read(path)
            if content is not None and _is_ours(content):
                prune = 0 if path.name == _LOCK else _FOLDERS_OF_OURS
                return FileChange(path, content, None, prune=prune)
    return None


def lacking_folders(product: Product, env: paths.Lookup) -> Iterator[Path]:
    """Yield the folders with neither the package nor the placeholder."""
    for folder in _folders(product, env):
        if not _package_folder(product, folder).is_dir():
            yield folder


def _folders(product: Product, env: paths.Lookup) -> Iterator[Path]:
    """Yield where OpenCode would install the package: the folders that exist and may be written."""
    for folder in plugin_list.config_folders(product, env):
        if folder.is_dir() and os.access(folder, os.W_OK):
            yield folder


def _package_folder(product: Product, folder: Path) -> Path:
    return folder / "node_modules" / product.npm_package


def _files(product: Product, folder: Path) -> list[tuple[Path, bytes]]:
    package = product.npm_package
    names = {"mark": _MARK, "package": package, "lock": _LOCK, "label": product.description.label}
    manifest = {
        "description": _MARK,
        "name": package,
        "version": "0.0.0",
        "type": "module",
        "exports": {".": "./index.js", "./*": "./index.js"},
    }
    lock = {
        "//": _MARK,
        "lockfileVersion": 3,
        "packages": {"": {"dependencies": {package: "*"}}},
    }
    package_folder = _package_folder(product, folder)
    return [
        (package_folder / "index.js", (_MODULE % names).encode()),
        (package_folder / "package.json", _encode(manifest)),
        (folder / _LOCK, _encode(lock)),
    ]


def _encode(value: object) -> bytes:
    return f"{json.dumps(value, indent=2)}\n".encode()


def _is_free(product: Product, folder: Path) -> bool:
    """Whether nothing but our own files is there, and the user's package.json asks for nothing."""
    existing = [read(path) for path, _ in _files(product, folder)]
    is_ours = all(content is None or _is_ours(content) for content in existing)
    has_node_modules = (folder / "node_modules").exists() and existing[0] is None
    manifest = decode_dict(read(folder / "package.json") or b"{}")
    is_manifest_silent = manifest is not None and not any(
        set(get_dict(manifest, name)) - {product.npm_package}
        for name in ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies")
    )
    return is_ours and not has_node_modules and is_manifest_silent


def _is_ours(content: bytes) -> bool:
    return _MARK.encode() in content
