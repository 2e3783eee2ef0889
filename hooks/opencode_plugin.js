// opensync-hooks: install.py wrote this file, renews it and takes it away again. Changes are lost.
//
// A mere bridge: whatever may end a turn of a session starts hooks/opencode.py, in a session of its
// own, with --event {"session_id", "hook_event_name"}, and waits for nothing. `opencode run` ends 30 ms
// after its last event, and a terminal that is closed takes all that belongs to it along. An argument,
// because what is written to a child's stdin leaves OpenCode a tick later, and is lost if it is killed.
// Checked against OpenCode 0.5.29 to 1.18.33; the events of 2.x are those that it documents.
import { spawn } from "node:child_process"

const COMMAND = [] // install.py: the Python and the script

const FIRES = new Set([
  "session.idle", "session.error", "session.compacted", "session.updated", // 1.x
  "session.execution.succeeded", "session.execution.failed", "session.execution.interrupted", // 2.x
  "session.renamed", "session.compaction.ended", "session.revert.committed",
])
const BEGINS = new Set(["session.created", "session.status", "message.part.updated"])
const WINDOW_MS = 250 // for longer than this the worker waits until nothing is written any more
const OPTIONS = { detached: true, stdio: "ignore", windowsHide: true }

const touched = new Set() // sessions of which something was heard since they were started last
const started = new Map() // when
const busy = new Set()

function start(id, name) {
  if (Date.now() - (started.get(id) ?? 0) < WINDOW_MS) return
  started.set(id, Date.now())
  touched.delete(id)
  const event = JSON.stringify({ session_id: id, hook_event_name: name })
  const child = spawn(COMMAND[0], [...COMMAND.slice(1), "--event", event], OPTIONS)
  child.on("error", () => {}) // Python is gone; without a listener that would end OpenCode
  child.unref()
}

function heard(event) {
  try {
    const said = event.properties ?? event.data ?? {}
    const own = String(said.info?.id ?? "").startsWith("ses") ? said.info.id : undefined
    const id = said.sessionID ?? said.info?.sessionID ?? own ?? said.part?.sessionID
    if (!COMMAND.length || typeof id !== "string") return
    if (event.type === "session.deleted") return void touched.delete(id)
    touched.add(id)
    const rests = event.type === "session.idle" || said.status?.type === "idle"
    if (rests) busy.delete(id)
    else if (BEGINS.has(event.type)) busy.add(id)
    // In the middle of a turn a new title is no reason: the end of the turn will bring it along.
    const waits = event.type === "session.updated" && busy.has(id)
    if (rests || (FIRES.has(event.type) && !waits)) start(id, event.type)
  } catch {}
}

async function server() {
  return {
    event: async ({ event }) => heard(event),
    dispose: async () => flush(),
  }
}

function flush() {
  try {
    for (const id of touched) start(id, "dispose")
  } catch {}
}

async function setup(context) {
  const subscribe = context?.event?.subscribe
  if (!subscribe) return // OpenCode 1.18 calls this beside server()
  const stop = new AbortController()
  listen(context, stop.signal)
  return () => {
    stop.abort()
    flush()
  }
}

async function listen(context, signal) {
  try {
    for await (const event of context.event.subscribe({ signal })) heard(event)
  } catch {}
}

export const OpenSyncHooks = server
export default { id: "opensync-hooks", server, setup } // from 1.2.11 on; before, no other export may be
