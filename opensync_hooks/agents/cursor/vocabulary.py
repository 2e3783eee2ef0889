"""The names that Cursor's SDK 1.1 uses: hook events, tables, and fields of protobuf messages.

The tests take the names out of the newest SDK and compare them with these.
"""

from __future__ import annotations

from opensync_hooks.agents.vocabulary import words

HOOK_EVENTS = words(
    """
    afterAgentResponse afterAgentThought afterFileEdit afterMCPExecution afterShellExecution
    afterTabFileEdit beforeMCPExecution beforeReadFile beforeShellExecution beforeSubmitPrompt
    beforeTabFileRead postToolUse postToolUseFailure preCompact preToolUse sessionEnd
    sessionStart stop subagentStart subagentStop workspaceOpen
    """
)
TABLES = frozenset({"blobs", "meta", "agents", "runs", "run_events"})
_NUMBERED = {
    "ConversationStateStructure": """
        1 root_prompt_messages_json,3 todos,4 pending_tool_calls,5 token_details,6 summary,7 plan,
        8 turns,9 previous_workspace_uris,10 mode,11 summary_archive,12 file_states,
        13 summary_archives,14 turn_timings,15 file_states_v2,16 subagent_states,
        17 self_summary_count,18 read_paths,19 active_branch_name,20 plans,
        21 tracked_git_repo_branches,22 agent_type,23 communicate_update_history,
        24 subagent_threads,25 communicate_update_final_summary,
        26 conversation_started_timestamp_ms,27 conversation_started_time_zone,
        28 communicate_update_completed_subtitle,
        29 communicate_update_states_by_parent_tool_call_id,
        30 subagent_runs_by_parent_tool_call_id,31 subagent_state_refs,32 goal_state,
        33 is_root_project_conversation,34 completed_ask_question_tool_call_ids,
        35 durable_skill_blocks,36 durable_custom_mode_id,37 message_count_at_last_compaction,
        38 recent_user_message_ids,39 recent_user_message_ids_older_turn_count,40 turn_telemetry,
        42 mentioned_agent_ids,43 voice_call_utterances,44 voice_call_pending_answer,
        45 voice_call_time_task_ids,46 writes_voice_call_utterances,47 voice_calls_read_utterances,
        49 user_time_zone,50 project_coordinator_system_section""",
    "ConversationSummaryArchive": """
        1 summarized_messages,2 summary,3 window_tail,4 summary_message""",
    "ConversationTurnStructure": "1 agent_conversation_turn,2 shell_conversation_turn",
    "AgentConversationTurnStructure": """
        1 user_message,2 steps,3 request_id,4 encrypted_model,5 dynamic_tool_count,
        6 send_message_step_indices,7 routed_model_display_name,8 subagent_dispatch_steps,
        9 dynamic_tool_names,10 user_message_id,11 long_reasoning_reminder,
        12 long_reasoning_reminder_exposure_logged,13 assistant_text_step_indices,
        14 assistant_text_steps_recorded,15 app_secrets_request_step_indices""",
    "UserMessage": """
        1 text,2 message_id,3 selected_context,4 mode,5 is_simulated_msg,6 best_of_n_group_id,
        7 try_use_best_of_n_promotion,8 rich_text,9 simulated_msg_reason,
        10 conversation_state_blob_id,11 subagent_system_reminder,13 triggering_user_info,
        14 execute_plan_info,15 simulated_message_metadata,16 prompt_reference_id,17 thread_id,
        18 text_blob_id,19 rich_text_blob_id,21 hook_additional_contexts,22 custom_mode_intent,
        23 project_details,24 turn_steer,25 started_at_ms,26 completed_at_ms,27 sent_by_agent_id,
        28 sent_by_voice_call,29 sender,30 forked_context,31 reply_to,32 reply_audience,
        33 reply_to_tool_call_id,34 during_voice_call,35 inherits_voice_call,
        36 voice_calls_read_utterances,37 summarized_tool_call_id,38 sender_time_zone""",
    "ConversationStep": "1 assistant_message,2 tool_call,3 thinking_message",
    "AssistantMessage": "1 text,2 started_at_ms,3 completed_at_ms",
    "ThinkingMessage": "1 text,2 duration_ms,3 started_at_ms,4 completed_at_ms",
}
MESSAGES = {
    message: frozenset(" ".join(field.split()) for field in fields.split(","))
    for message, fields in _NUMBERED.items()
}
"""The fields of each message that is read, as `number name`."""
READ_FIELDS = {
    "ConversationStateStructure": frozenset(
        {
            *("1 root_prompt_messages_json", "4 pending_tool_calls", "8 turns"),
            *("9 previous_workspace_uris", "11 summary_archive", "13 summary_archives"),
            *("19 active_branch_name", "26 conversation_started_timestamp_ms"),
        }
    ),
    "ConversationSummaryArchive": frozenset(
        {"1 summarized_messages", "2 summary", "4 summary_message"}
    ),
    "AgentConversationTurnStructure": frozenset({"1 user_message", "2 steps", "3 request_id"}),
    "UserMessage": frozenset({"1 text", "25 started_at_ms"}),
    "ConversationStep": MESSAGES["ConversationStep"],
    "AssistantMessage": MESSAGES["AssistantMessage"],
    "ThinkingMessage": frozenset({"1 text"}),
}
