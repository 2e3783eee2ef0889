// opensync-hooks: install.py wrote this file, updates it and removes it. Changes are lost.
//
// A bridge without logic: each event that may end a turn starts hooks/opencode.py as a detached process
// with --event {"session_id", "hook_event_name"}, and nothing waits for it. So does the beginning of a
// turn, because a killed OpenCode sends no event of its end. The process is detached because
// `opencode run` exits 30 ms after its last event, and a closed terminal ends the whole process group.
// It is an argument because a child's stdin is written one tick later, which a killed OpenCode never
// reaches. Tested with OpenCode 0.5.29 to 1.18.33; the events of 2.x are the documented ones.
import { spawn } from "node:child_process"

const COMMAND = [] // install.py: the Python and the script

const TRIGGERS = new Set([
  "session.idle", "session.error", "session.compacted", "session.updated", // 1.x
  "session.execution.succeeded", "session.execution.failed", "session.execution.interrupted", // 2.x
  "session.renamed", "session.compaction.ended", "session.revert.committed",
])
const BEGINNINGS = new Set(["session.status", "message.part.updated", "session.execution.started"])
const ACTIVITY = new Set([...BEGINNINGS, "session.created"])
const TURN_BEGINS = "turn.begin" // our own name: the session is not finished
const WINDOW_MS = 250 // one start covers the events of this time; the worker waits until all is written
const OPTIONS = { detached: true, stdio: "ignore", windowsHide: true }

// Another copy of this file may be loaded beside it: together they start what one would.
const state = (globalThis[Symbol.for("opensync-hooks")] ??= {
  pending: new Set(), // sessions with events since their last start
  startedAt: new Map(),
  busy: new Set(),
  begun: new Set(), // sessions whose turn has been reported to begin
})
const { pending, startedAt, busy, begun } = state

function hasJustStarted(sessionID) {
  return Date.now() - (startedAt.get(sessionID) ?? 0) < WINDOW_MS
}

function start(sessionID, eventName) {
  begun.delete(sessionID)
  pending.delete(sessionID)
  if (hasJustStarted(sessionID)) return
  startedAt.set(sessionID, Date.now())
  launch(sessionID, eventName)
}

function launch(sessionID, eventName) {
  const event = JSON.stringify({ session_id: sessionID, hook_event_name: eventName })
  const child = spawn(COMMAND[0], [...COMMAND.slice(1), "--event", event], OPTIONS)
  child.on("error", () => {}) // without a listener, a missing Python would end OpenCode
  child.unref()
}

function handle(event) {
  try {
    const payload = event.properties ?? event.data ?? {}
    const infoID = String(payload.info?.id ?? "").startsWith("ses") ? payload.info.id : undefined
    const id = payload.sessionID ?? payload.info?.sessionID ?? infoID ?? payload.part?.sessionID
    if (!COMMAND.length || typeof id !== "string") return
    if (event.type === "session.deleted") return void pending.delete(id)
    pending.add(id)
    const isIdle = event.type === "session.idle" || payload.status?.type === "idle"
    if (isIdle) busy.delete(id)
    else if (ACTIVITY.has(event.type)) busy.add(id)
    if (!isIdle && BEGINNINGS.has(event.type) && !begun.has(id) && !hasJustStarted(id)) {
      begun.add(id)
      launch(id, TURN_BEGINS)
    }
    // A new title in the middle of a turn starts nothing: the end of the turn delivers it.
    const isMidTurn = event.type === "session.updated" && busy.has(id)
    if (isIdle || (TRIGGERS.has(event.type) && !isMidTurn)) start(id, event.type)
  } catch {}
}

function flush() {
  try {
    for (const id of pending) start(id, "dispose")
  } catch {}
}

async function server() {
  return { event: async ({ event }) => handle(event), dispose: async () => flush() }
}

async function setup(context) {
  if (!context?.event?.subscribe) return // OpenCode 1.18 calls this, too, beside server()
  const stop = new AbortController()
  listen(context, stop.signal) // not awaited: the stream has no end
  return () => {
    stop.abort()
    flush()
  }
}

async function listen(context, signal) {
  try {
    for await (const event of context.event.subscribe({ signal })) handle(event)
  } catch {}
}

export const OpenSyncHooks = server
export default { id: "opensync-hooks", server, setup } // 1.2.6 and older accept only functions
