"""What an agent waits for: drain stdin, leave an event in the spool, start the worker, end with 0.

Nothing here may wait, print or fail. Only what is built into the interpreter is imported on the way
of a hook: a bare interpreter takes 6 ms, and `json` alone would add as much again.
"""

import sys

from opensync_hooks.hook import paths

WORKER = (
    "import sys, time; time.sleep(0.2); sys.path.insert(0, sys.argv[1]); "
    "from opensync_hooks.queue import worker; worker.main(owns_process=True)"
)
"""It waits first: an agent that is just ending would share its processors with it for as long."""
PRIVATE = "OPENSYNC_HOOKS_PRIVATE"
EVENT = "--event"
"""Before a payload that comes as an argument: a pipe is empty still when its writer is killed."""
IS_PRIVATE = b'{"private":true'
"""How the event of a private session begins."""
_NAMES = (b"session_id", b"conversation_id")
LONGEST_WAIT_MS = 1_000
QUIET_MS = 40
_CHUNK = 1 << 18


def is_private(value: "str | None") -> bool:
    """Whether the variable PRIVATE asks for it: by any word but a no."""
    return (value or "").strip().lower() not in ("", "0", "false", "no", "off")


def names_only(payload: bytes) -> bytes:
    """Of a private session's event the id, and that it is private: no text touches the disk."""
    found = [IS_PRIVATE]
    for name in _NAMES:
        value = payload.partition(b'"%s"' % name)[2].lstrip(b" :\t\r\n")
        if value[:1] == b'"':
            found.append(b'"%s":"%s"' % (name, value[1:].partition(b'"')[0]))
    return b",".join(found) + b"}"


def run(agent: str, root: str, variables: "tuple[str, ...]", answer: bytes = b"") -> int:
    """Serve a hook; or by hand, the session that the arguments name. `root` holds the package.

    `variables` say where the agent keeps its sessions, and `answer` is what it wants to read. Both
    are in the agent's description, too, but to import that would slow each hook down by 3 %.
    """
    if not _is_given() and (len(sys.argv) > 1 or sys.stdin is None or sys.stdin.isatty()):
        return _by_hand(agent, answer)
    if sys.platform == "win32":
        from opensync_hooks.hook import entry_windows

        return entry_windows.hook(agent, root, variables, answer)
    import posix

    try:
        _hook(agent, root, variables)
    finally:
        _say(answer)
        posix._exit(0)  # noqa: SLF001 - nothing can fail any more, and finalising costs 1 ms


def _is_given() -> bool:
    return len(sys.argv) == 3 and sys.argv[1] == EVENT


def given() -> "bytes | None":
    """The payload, where it is an argument."""
    return sys.argv[2].encode("utf-8", "surrogateescape") if _is_given() else None


def _by_hand(agent: str, answer: bytes) -> int:
    from opensync_hooks.cli import foreground  # no hook call must pay for it

    foreground.find_packages()  # which may begin anew with another Python: stdin is for that one
    if sys.argv[1:] != ["--wait"] or sys.stdin is None or sys.stdin.isatty():
        return foreground.main(agent, sys.argv[1:])
    if sys.platform == "win32":
        from opensync_hooks.hook.entry_windows import say, take
    else:
        say, take = _say, _take
    foreground.synchronous_hook(agent, take())
    say(answer)
    return 0


if sys.platform != "win32":
    import fcntl
    import posix
    import select
    import time

    def _hook(agent: str, root: str, variables: tuple[str, ...]) -> None:
        payload = _take()
        if not payload:
            return
        posix.umask(0o077)
        spool = paths.spool(_env)
        if _is_foreign(spool):
            return
        _leave(spool, agent, variables, payload)
        if _worker_is_free(spool + "/worker.lock"):
            _start_worker(root)

    def _is_foreign(folder: str) -> bool:
        """Whether another user owns it: then nothing is left there, and `status` says why."""
        try:
            return posix.stat(folder).st_uid != posix.geteuid()
        except FileNotFoundError:
            return False

    def _say(answer: bytes) -> None:
        try:
            posix.write(1, answer)
        except OSError:  # nobody listens, and that is no reason to fail
            return

    def _env(name: str) -> str | None:
        value = posix.environ.get(name.encode())
        return value.decode("utf-8", "surrogateescape") if value is not None else None

    def _take() -> bytes:
        payload = given() or _drain()
        return names_only(payload) if payload and is_private(_env(PRIVATE)) else payload

    def _drain() -> bytes:
        """All of stdin. Agents have been seen to leave it open, and to fail when it is not read."""
        payload = b""
        end = time.monotonic() + LONGEST_WAIT_MS / 1000
        poll = select.poll()
        poll.register(0, select.POLLIN)
        quiet = QUIET_MS
        while (left := int((end - time.monotonic()) * 1000)) > 0:
            looks_whole = payload[-8:].rstrip()[-1:] == b"}"
            if poll.poll(min(left, quiet) if looks_whole else left):
                chunk = posix.read(0, _CHUNK)
                if not chunk:
                    break
                payload += chunk
            elif looks_whole and _is_whole(payload):
                break
            else:
                quiet = LONGEST_WAIT_MS
        return payload

    def _is_whole(payload: bytes) -> bool:
        import json  # only where the agent keeps the pipe open

        try:
            json.loads(payload)
        except ValueError:
            return False
        except RecursionError:  # nested deeper than anybody looks here
            return True
        return True

    def _leave(spool: str, agent: str, variables: tuple[str, ...], payload: bytes) -> None:
        """The event under a name of its own, there whole or not at all."""
        path = f"{spool}/{time.time_ns()}-{posix.getpid()}.{agent}"
        environ = ((name, _env(name)) for name in variables)
        head = "\0".join(f"{name}={value}" for name, value in environ if value)
        try:
            fd = _create(path)
        except FileNotFoundError:
            _make_folders(spool)
            fd = _create(path)
        rest = memoryview(head.encode("utf-8", "surrogateescape") + b"\n" + payload)
        while rest:
            rest = rest[posix.write(fd, rest) :]
        posix.close(fd)
        is_kept = payload.startswith(IS_PRIVATE)
        if is_kept:  # forgotten in a power cut, it would have `sync` deliver the session
            _settle(path)
        posix.rename(path, path + ".event")
        if is_kept:
            _settle(spool)

    def _create(name: str) -> int:
        return posix.open(name, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL, 0o600)

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
            _settle(parent or "/")  # once in a machine's life

    def _settle(path: str) -> None:
        """What is at `path`, a file or the names in a folder, survives a power cut from now on."""
        try:
            fd = posix.open(path, posix.O_RDONLY)
            posix.fsync(fd)
            posix.close(fd)
        except OSError:  # it is there all the same
            return

    def _worker_is_free(lock: str) -> bool:
        """Whether no worker runs. One that does looks at the spool again after it lets go."""
        fd = posix.open(lock, posix.O_RDWR | posix.O_CREAT | posix.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        return True  # held until this process closes everything, some microseconds later

    def _start_worker(root: str) -> None:
        # Whatever the agent leaked into the hook, its end would wait for the worker's.
        posix.closerange(3, 1024)
        null = posix.open("/dev/null", posix.O_RDWR)
        arguments = [sys.executable, "-I", "-c", WORKER, root]
        streams = [(posix.POSIX_SPAWN_DUP2, null, stream) for stream in (0, 1, 2)]
        try:
            posix.posix_spawn(
                sys.executable, arguments, posix.environ, setsid=True, file_actions=streams
            )
        except NotImplementedError:  # a C library without POSIX_SPAWN_SETSID
            _start_by_two_forks(arguments, null)

    def _start_by_two_forks(arguments: list[str], null: int) -> None:
        middle = posix.fork()
        if middle:
            posix.waitpid(middle, 0)
            return
        try:
            posix.setsid()
            if not posix.fork():
                for stream in (0, 1, 2):
                    posix.dup2(null, stream)
                posix.execve(sys.executable, arguments, posix.environ)
        finally:
            posix._exit(0)  # noqa: SLF001
