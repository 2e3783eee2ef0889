"""One hook call: read the payload, write it to the spool, start the worker, exit with 0.

The agent waits for this, so nothing here may wait, print or fail. A hook call imports only what is
built into the interpreter: that takes 6 ms to start, and `json` alone would double it.
"""

import sys

from opensync_hooks.hook import paths

if sys.platform != "win32":
    import fcntl
    import posix
    import select
    import time

WORKER = (
    "import sys, time; time.sleep(0.2); sys.path.insert(0, sys.argv[1]); "
    "from opensync_hooks.queue import worker; worker.main(owns_process=True)"
)
"""Sleeps first, so as not to take the processor from an agent that is about to exit."""
PLUGIN_WORKER = (
    "import sys, time; time.sleep(0.2); sys.path.insert(0, sys.argv[1]); "
    "from opensync_hooks.setup import plugin_worker; plugin_worker.main(sys.argv[1])"
)
"""Finds or builds an environment for the worker first."""
PRIVATE = "OPENSYNC_HOOKS_PRIVATE"
EVENT_OPTION = "--event"
"""Passes the payload as an argument: a pipe is still empty if its writer is killed too early."""
PRIVATE_PREFIX = b'{"private":true'
"""How the event of a private session begins."""
MAX_WAIT_MS = 1_000
QUIET_MS = 40
_ID_FIELDS = (b"session_id", b"conversation_id")
_CHUNK = 1 << 18


def run(agent: str, root: str, variables: "tuple[str, ...]", answer: bytes = b"") -> int:
    """Serve a hook, or deliver the session that the arguments name.

    `root` is the folder of the package, `variables` say where the agent keeps its sessions, and
    `answer` is what it expects on stdout. The agent's description has the last two as well, but
    importing it would slow each hook call down by 3 %.
    """
    has_stdin = sys.stdin is not None and not sys.stdin.isatty()
    if not _has_payload_argument() and (len(sys.argv) > 1 or not has_stdin):
        return _run_in_foreground(agent, answer, has_stdin=has_stdin)
    if sys.platform == "win32":
        from opensync_hooks.hook import entry_windows

        entry_windows.serve(agent, root, variables, answer)
    else:
        try:
            _serve(agent, root, variables)
        finally:
            write_answer(answer)
            posix._exit(0)  # noqa: SLF001 - nothing is left to fail, and finalising takes 1 ms
    return 0


def _run_in_foreground(agent: str, answer: bytes, *, has_stdin: bool) -> int:
    from opensync_hooks.cli import foreground  # too slow for a hook call

    # Before stdin is read: this may start over with another Python, which needs it.
    foreground.find_packages()
    if sys.argv[1:] != ["--wait"] or not has_stdin:
        return foreground.main(agent, sys.argv[1:])
    if sys.platform == "win32":
        from opensync_hooks.hook import entry_windows

        foreground.synchronous_hook(agent, entry_windows.read_payload())
        entry_windows.write_answer(answer)
    else:
        foreground.synchronous_hook(agent, read_payload())
        write_answer(answer)
    return 0


def payload_argument() -> "bytes | None":
    return sys.argv[2].encode("utf-8", "surrogateescape") if _has_payload_argument() else None


def _has_payload_argument() -> bool:
    return len(sys.argv) == 3 and sys.argv[1] == EVENT_OPTION


def is_private(value: "str | None") -> bool:
    """Whether this value of the variable PRIVATE means yes."""
    return (value or "").strip().lower() not in ("", "0", "false", "no", "off")


def without_texts(payload: bytes, private: "str | None") -> bytes:
    """Return what of the payload may touch the disk; `private` is the value of PRIVATE."""
    return ids_only(payload) if is_private(private) else without_prompt(payload)


def without_prompt(payload: bytes) -> bytes:
    """Empty the prompt, which may hold a secret, and which the agent's own files have as well."""
    start = 0
    while start := payload.find(b'"prompt"', start) + 1:
        colon, _, value = payload[start + 7 :].partition(b'"')
        if colon.strip(b" \t\r\n") == b":":
            plain = value.replace(b"\\\\", b"__").replace(b'\\"', b"__")
            size = plain.find(b'"')
            rest = value[size:] if size >= 0 else b'"}'
            return payload[: start + 7] + b': "' + rest
    return payload


def ids_only(payload: bytes) -> bytes:
    """Reduce a private session's payload to its ids, so that no text touches the disk."""
    fields = [PRIVATE_PREFIX]
    for name in _ID_FIELDS:
        value = payload.partition(b'"%s"' % name)[2].lstrip(b" :\t\r\n")
        if value[:1] == b'"':
            fields.append(b'"%s":"%s"' % (name, value[1:].partition(b'"')[0]))
    return b",".join(fields) + b"}"


def worker_code(env: "paths.Lookup") -> str:
    return WORKER if env(paths.PLUGIN) is None else PLUGIN_WORKER


# ---- POSIX; for Windows see `entry_windows` ----


def _serve(agent: str, root: str, variables: "tuple[str, ...]") -> None:
    payload = read_payload()
    if not payload:
        return
    posix.umask(0o077)
    spool = paths.spool(_env)
    if _belongs_to_another_user(spool):  # which `status` reports
        return
    write_event(spool, agent, variables, payload)
    if is_worker_needed(spool + "/worker.lock"):
        _start_worker(root)


def read_payload() -> bytes:
    payload = payload_argument() or _read_stdin()
    return without_texts(payload, _env(PRIVATE)) if payload else payload


def _env(name: str) -> "str | None":
    value = posix.environ.get(name.encode())
    return value.decode("utf-8", "surrogateescape") if value is not None else None


def _read_stdin() -> bytes:
    """Read to the end, at most for MAX_WAIT_MS; some agents never close the pipe."""
    payload = b""
    end = time.monotonic() + MAX_WAIT_MS / 1000
    poll = select.poll()
    poll.register(0, select.POLLIN)
    quiet = QUIET_MS
    while (left := int((end - time.monotonic()) * 1000)) > 0:
        may_be_complete = payload[-8:].rstrip()[-1:] == b"}"
        if poll.poll(min(left, quiet) if may_be_complete else left):
            chunk = posix.read(0, _CHUNK)
            if not chunk:
                break
            payload += chunk
        elif may_be_complete and _is_json(payload):
            break
        else:
            quiet = MAX_WAIT_MS
    return payload


def _is_json(payload: bytes) -> bool:
    import json  # only if the agent keeps the pipe open

    try:
        json.loads(payload)
    except ValueError:
        return False
    except RecursionError:  # too deep to tell
        return True
    return True


def _belongs_to_another_user(folder: str) -> bool:
    try:
        return posix.stat(folder).st_uid != posix.geteuid()
    except FileNotFoundError:
        return False


def write_event(spool: str, agent: str, variables: "tuple[str, ...]", payload: bytes) -> None:
    """Write the event under a name of its own, and rename it once it is complete.

    The NUL before its first line feed tells it from the events of versions that had one queue.
    """
    path = f"{spool}/{time.time_ns()}-{posix.getpid()}.{agent}"
    environ = ((name, _env(name)) for name in variables)
    head = "".join(f"{name}={value}\0" for name, value in environ if value) or "\0"
    try:
        fd = _create(path)
    except FileNotFoundError:
        _make_folders(spool)
        fd = _create(path)
    unwritten = memoryview(head.encode("utf-8", "surrogateescape") + b"\n" + payload)
    while unwritten:
        unwritten = unwritten[posix.write(fd, unwritten) :]
    posix.close(fd)
    # If a power cut took this event away, `sync` would deliver a private session.
    is_durable = payload.startswith(PRIVATE_PREFIX)
    if is_durable:
        _sync_to_disk(path)
    posix.rename(path, path + ".event")
    if is_durable:
        _sync_to_disk(spool)


def _create(path: str) -> int:
    return posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL, 0o600)


def _make_folders(path: str) -> None:
    parent = path.rpartition("/")[0]
    try:
        posix.mkdir(path, 0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        if not parent:
            raise
        _make_folders(parent)
        _make_folders(path)
    else:
        _sync_to_disk(parent or "/")


def _sync_to_disk(path: str) -> None:
    """Make a file, or the names in a folder, survive a power cut."""
    try:
        fd = posix.open(path, posix.O_RDONLY)
        posix.fsync(fd)
        posix.close(fd)
    except OSError:  # not supported; the file is there all the same
        return


def is_worker_needed(lock: str) -> bool:
    """Whether no worker runs. One that does looks at the spool again after it releases the lock.

    The lock is shared with other hooks until this process exits, some microseconds later.
    """
    fd = posix.open(lock, posix.O_RDWR | posix.O_CREAT | posix.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _start_worker(root: str) -> None:
    # An agent that waits until its pipes are closed would wait for the worker that inherits them.
    posix.closerange(3, 1024)
    null = posix.open("/dev/null", posix.O_RDWR)
    arguments = [sys.executable, "-I", "-c", worker_code(_env), root]
    streams = [(posix.POSIX_SPAWN_DUP2, null, stream) for stream in (0, 1, 2)]
    try:
        posix.posix_spawn(
            sys.executable, arguments, posix.environ, setsid=True, file_actions=streams
        )
    except NotImplementedError:  # a C library without POSIX_SPAWN_SETSID
        _start_with_two_forks(arguments, null)


def _start_with_two_forks(arguments: "list[str]", null: int) -> None:
    intermediate = posix.fork()
    if intermediate:
        posix.waitpid(intermediate, 0)
        return
    try:
        posix.setsid()
        if not posix.fork():
            for stream in (0, 1, 2):
                posix.dup2(null, stream)
            posix.execve(sys.executable, arguments, posix.environ)
    finally:
        posix._exit(0)  # noqa: SLF001


def write_answer(answer: bytes) -> None:
    try:
        posix.write(1, answer)
    except OSError:  # nobody reads it
        return
