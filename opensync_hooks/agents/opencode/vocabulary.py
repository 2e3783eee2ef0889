"""The names that OpenCode 1.2 to 1.18 writes in its database, and the events of its plugins.

The tests play conversations with the newest version and compare its names with these.
"""

from __future__ import annotations

from opensync_hooks.agents.vocabulary import words

TABLES = words(
    """
    account account_state control_account credential data_migration event event_sequence
    message migration part permission project project_directory session session_context_epoch
    session_entry session_input session_message session_share session_v2 todo workspace
    """
)
SESSION_COLUMNS = words(
    """
    agent cost directory fork_session_id id metadata model parent_id path permission
    project_id revert share_url slug summary_additions summary_deletions summary_diffs
    summary_files time_archived time_compacting time_created time_idle time_updated title
    tokens_cache_read tokens_cache_write tokens_input tokens_output tokens_reasoning version
    workspace_id
    """
)
MESSAGE_COLUMNS = frozenset({"id", "session_id", "time_created", "time_updated", "data"})
PART_COLUMNS = MESSAGE_COLUMNS | {"message_id"}
ROLES = frozenset({"user", "assistant", "system"})
MESSAGE_FIELDS = words(
    """
    agent cost error finish format mode model modelID parentID path providerID role structured
    summary system time tokens tools variant
    """
)
TOKENS = words("input output reasoning total cache cache. cache.read cache.write")
"""Counts of tokens; those of `cache` are in an object of their own."""
PART_TYPES = words(
    """
    agent compaction file patch reasoning retry snapshot step-finish step-start subtask text
    tool tool-invocation
    """
)
PART_FIELDS = words(
    """
    agent attempt auto callID command cost description error files filename hash id ignored
    metadata mime model name overflow prompt reason snapshot source state synthetic
    tail_start_id text time tokens tool toolInvocation type url
    """
)
TOOL_STATE_FIELDS = frozenset(
    {"attachments", "error", "input", "metadata", "output", "raw", "status", "time", "title"}
)
EVENTS = words(
    """
    account.added account.removed account.switched command.executed file.edited
    file.watcher.updated catalog.updated installation.update-available installation.updated
    integration.updated lsp.client.diagnostics lsp.updated mcp.tools.changed
    message.part.delta message.part.removed message.part.updated message.removed
    message.updated models-dev.refreshed permission.asked permission.replied
    permission.updated plugin.added project.updated pty.created pty.deleted pty.exited
    pty.updated question.asked question.rejected question.replied reference.updated
    server.connected server.heartbeat server.instance.disposed session.compacted
    session.created session.deleted session.diff session.error session.idle session.status
    session.updated todo.updated tui.command.execute tui.prompt.append tui.session.select
    tui.toast.show vcs.branch.updated workspace.failed workspace.ready worktree.failed
    worktree.ready
    """
)
"""What plugins hear. A session's delivery begins with `session.*` and `message.part.updated`."""
