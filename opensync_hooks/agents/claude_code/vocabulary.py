"""The names that Claude Code 1.0 to 2.1.332 writes in its transcripts, and its hook events.

Reader and census decide by these whether they know a line; what becomes of it is written there.
The tests play conversations with the newest version and compare its names with these.
"""

from __future__ import annotations

from opensync_hooks.agents.vocabulary import words

UTTERANCES = ("user", "assistant")
LINE_TYPES = frozenset(
    {
        *UTTERANCES,
        *("system", "attachment", "summary", "progress", "result"),
        *("custom-title", "ai-title", "agent-name", "agent-color", "agent-setting", "tag"),
        *("last-prompt", "queue-operation", "relocated", "continued-in", "derived-from"),
        *("mode", "permission-mode", "worktree-state", "pr-link", "speculation-accept"),
        *("file-history-snapshot", "file-history-delta", "attribution-snapshot"),
        *("content-replacement", "cost-state", "atis-latch", "isolation-latch", "tools-used"),
        *("marble-origami-commit", "marble-origami-snapshot", "task-summary"),
        *("api-request", "api-request-shape", "api-request-blob", "api-request-resumed"),
        *("fork-context-ref", "observer-ref", "resume-head-vouch", "frame-link", "host-row"),
        *("data-flow-records", "data-flow-incomplete", "ended-by-model", "bridge-session"),
        *("artifact-comment-monitor", "artifact-autoreact-ledger", "history-suppression"),
        *("session-owner", "dev-mods", "memory-mode", "repl-mode", "hybrid-organization"),
    }
)
NOTICES = frozenset({"local_command", "informational", "voice_call_talk"})
"""Subtypes of `system` lines whose `content` is shown in the conversation."""
SYSTEM_SUBTYPES = NOTICES | {
    *("stop_hook_summary", "turn_duration", "compact_boundary", "microcompact_boundary"),
    *("api_error", "api_metrics", "away_summary", "agents_killed", "memory_saved"),
    *("bridge_status", "cloud_session_status", "permission_retry", "scheduled_task_fire"),
    *("model_fallback", "model_refusal_fallback", "model_refusal_no_fallback"),
    *("model_consent_fallback", "per_turn_effort_changed", "file_snapshot", "thinking"),
}
QUEUED_COMMAND = "queued_command"
"""The type of an attachment that is a prompt, typed while the agent worked."""
COMMAND_MODES = frozenset(
    {"prompt", "bash", "task-notification", "orphaned-permission", "poll-event"}
)
QUEUE_OPERATIONS = frozenset({"enqueue", "dequeue", "remove", "popAll"})
BLOCK_TYPES = {
    "text": "text",
    "thinking": "thinking",
    "redacted_thinking": "data",
    "image": "source",
    "document": "source",
    "tool_reference": "tool_name",
}
"""With the field that has their content. Others end with `tool_use` or `tool_result`."""
USAGE_COUNTS = (
    *("input_tokens", "output_tokens"),
    *("cache_read_input_tokens", "cache_creation_input_tokens"),
)
USAGE_FIELDS = frozenset(
    {
        *USAGE_COUNTS,
        *("cache_creation", "output_tokens_details", "iterations", "server_tool_use"),
        *("service_tier", "speed", "inference_geo", "fallback_credit"),
        *("cache_creation.", "cache_creation.ephemeral_5m_input_tokens"),
        *("cache_creation.ephemeral_1h_input_tokens", "output_tokens_details."),
        *("output_tokens_details.thinking_tokens", "server_tool_use."),
        *("server_tool_use.web_search_requests", "server_tool_use.web_fetch_requests"),
    }
)
ORIGINS = frozenset(
    {
        *("human", "task-notification", "peer", "teammate", "coordinator", "channel", "plugin"),
        *("auto-continuation", "observer", "observer-activity", "voice-call", "unclassified"),
    }
)
"""Who wrote a prompt. All but `human` become system messages."""
PROMPT_SOURCES = frozenset({"typed", "queued", "sdk", "system"})
HOOK_EVENTS = frozenset(
    {
        *("SessionStart", "SessionEnd", "Stop", "StopFailure", "SubagentStart", "SubagentStop"),
        *("UserPromptSubmit", "UserPromptExpansion", "PreToolUse", "PostToolUse"),
        *("PostToolUseFailure", "PostToolBatch", "PermissionRequest", "PermissionDenied"),
        *("PreCompact", "PostCompact", "PreModelSwitch", "PostModelSwitch", "Notification"),
        *("Elicitation", "ElicitationResult", "TeammateIdle", "TaskCreated", "TaskCompleted"),
        *("WorktreeCreate", "WorktreeRemove", "CwdChanged", "DirectoryAdded", "FileChanged"),
        *("ConfigChange", "InstructionsLoaded", "MessageDisplay", "PreSkillShellCommand", "Setup"),
    }
)
ATTACHMENT_TYPES = words(
    """
    account_memory_recall advisor_stripped advisor_tool agent_ask_notice agent_listing_delta
    agent_mention already_read_file artifact_opening_prefetch async_hook_response
    async_hook_response_batch at_mention_reference attention_budget auto_mode auto_mode_exit
    bash_output_audience_note batching_reminder batching_reminder_sent budget_usd
    claude_app_notice command_permissions compact_file_reference context_efficiency
    context_sections coordinator_context cowork_memory_context credential_org
    critical_system_reminder date date_change deferred_tools_delta deferred_tools_record
    diagnostics directory dynamic_skill edited_image_file edited_text_file
    elapsed_time_reminder environment file first_week fork_briefing goal_status goals
    hook_additional_context hook_blocking_error hook_cancelled hook_deferred_tool
    hook_error_during_execution hook_non_blocking_error hook_permission_decision
    hook_stopped_continuation hook_success hook_system_message inlined_image_paths
    instructions invoked_skills language linked_plugin_tools_note max_turns_reached
    mcp_dropped_tools_delta mcp_instructions_delta mcp_resource memory_update
    message_pdf_reads model nested_memory opened_file_in_ide output_limit_note output_style
    output_style_instructions output_token_usage pdf_reference peer_mention
    plan_file_reference plan_mode plan_mode_exit plan_mode_reentry plugin_note poll_events
    prefix_delta proactivity progress_reminder_sent project_doc_reads projects_thread_ask
    prompt_as_file prompt_render_point prompt_snapshot queued_command read_truncation_notice
    relevant_memories remote_session_change sandbox_instructions secondary_reminder
    secondary_reminder_sent selected_lines_in_diff selected_lines_in_ide session_context
    session_cron_carry silent_turn_reminder skill_listing skill_mention structured_output
    task_reminder task_status team_context teammate_mailbox teammate_shutdown_batch
    thinking_drop thinking_stripped thread_state todo_reminder token_usage
    tool_host_result_lines tool_hosts_correction tool_hosts_notice tool_offer_record
    tool_results_cut tool_search_usage_reminder total_tokens_reminder ultra_effort_enter
    ultra_effort_exit ultrathink_effort unknown_command_fallback whole_texts_withdrawn
    widget_context_hint withheld_memory workflow_keyword_request
    workflow_size_guideline_change
    """
)
"""Context for the model, which stays here; only a queued command is a part of the conversation."""
LINE_FIELDS = words(
    """
    agentId apiBlockIndex apiErrorStatus apiErrorType attachment attributionAgent
    attributionMcpServer attributionMcpTool attributionSkill commandRun compactMetadata
    content cwd durationMs effort entrypoint error failedHookErrorIndexes
    failedResponseHadNoToolCall gitBranch hasOutput hookAdditionalContext hookCount hookErrors
    hookInfos interruptedMessageId isAbortedMidStream isApiErrorMessage isCompactSummary
    isMeta isSidechain isVisibleInTranscriptOnly level logicalParentUuid madeBy
    mcpCallNotReadOnly mcpMeta message messageCount origin parentUuid
    pendingBackgroundAgentCount perTurnEffort permissionDecision permissionMode
    preventedContinuation promptCacheRequested promptId promptSource queueSkipAttachments
    rendered renderedBesideToolResult renderedRole requestId requestRef requestSessionId
    requestedModel rowSource sandboxed sentAtMs sentAsUuid serverClassifierRequest sessionId
    sessionKind session_id slug sourceToolAssistantUUID sourceToolUseID stopReason subtype
    thinkingDisplay thinkingDurationMs timestamp toolInputStreamMs toolUseID toolUseResult
    turnCompanion turnOrigin turnPosition type userType uuid version
    """
)
"""Of the lines that have a place in the conversation."""
MESSAGE_FIELDS = words(
    """
    container content context_management diagnostics id model role stop_details stop_reason
    stop_sequence type usage
    """
)
BLOCK_FIELDS = words(
    """
    cache_control caller citations content data id input is_error name signature source text
    thinking title tool_name tool_use_id type
    """
)
