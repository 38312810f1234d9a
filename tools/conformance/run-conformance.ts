// Finds out whether a server speaks the protocol as PROTOCOL.md says: one scripted dialogue after the other, each with
// connections, topics and groups of its own, which are removed afterwards.

import { Stage, type Dialogue } from './dialogue.js'
import { Deviation } from './deviation.js'
import { FETCH_DIALOGUE_LIST } from './fetch-dialogues.js'
import { FRAME_DIALOGUE_LIST } from './frame-dialogues.js'
import { GROUP_DIALOGUE_LIST } from './group-dialogues.js'
import { PRODUCE_DIALOGUE_LIST } from './produce-dialogues.js'
import { QUEUE_DIALOGUE_LIST } from './queue-dialogues.js'
import { TOPIC_DIALOGUE_LIST } from './topic-dialogues.js'

/** Every dialogue, in the order in which they are held. */
export const DIALOGUES: readonly Dialogue[] = [
  ...FRAME_DIALOGUE_LIST, ...TOPIC_DIALOGUE_LIST, ...PRODUCE_DIALOGUE_LIST, ...FETCH_DIALOGUE_LIST,
  ...GROUP_DIALOGUE_LIST, ...QUEUE_DIALOGUE_LIST,
]

/** How one dialogue went. */
export interface DialogueResult {
  readonly name: string
  readonly passed: boolean
  /** What was expected and what came; empty where it passed. */
  readonly text: string
  readonly durationMs: number
}

export interface ConformanceOptions {
  host: string
  port: number
  /** Called after each dialogue. */
  report?: (result: DialogueResult) => void
  /** Only dialogues whose name contains this, in any case. */
  only?: string
  /** How long any one answer may take, in milliseconds; 10,000 where it is left out. */
  timeoutMs?: number
  /** Ends the run before the next dialogue. */
  signal?: AbortSignal
}

export interface ConformanceResult {
  readonly passed: number
  readonly failed: number
  readonly results: readonly DialogueResult[]
}

const TIMEOUT_MS_DEFAULT = 10_000

/**
 * Holds all dialogues with a server. Deviations are results, not exceptions.
 *
 * @throws Error where nothing listens at host and port, or `signal` is aborted.
 */
export async function runConformance (options: ConformanceOptions): Promise<ConformanceResult> {
  const { host, port, report, only = '', timeoutMs = TIMEOUT_MS_DEFAULT, signal } = options
  const probe = new Stage(host, port, timeoutMs)
  await probe.connect()
  await probe.leave()
  const results: DialogueResult[] = []
  for (const dialogue of DIALOGUES) {
    signal?.throwIfAborted()
    if (!dialogue.name.toLowerCase().includes(only.toLowerCase())) continue
    const result = await hold(dialogue, new Stage(host, port, timeoutMs))
    results.push(result)
    report?.(result)
  }
  const passed = results.filter(result => result.passed).length
  return { passed, failed: results.length - passed, results }
}

async function hold (dialogue: Dialogue, stage: Stage): Promise<DialogueResult> {
  const startedMs = performance.now()
  let text = ''
  try {
    await dialogue.run(stage)
  } catch (cause) {
    text = describe(cause)
  }
  try {
    await stage.leave()
  } catch (cause) {
    // What the dialogue found is the better news.
    if (text === '') text = `cleaning up: ${describe(cause)}`
  }
  return { name: dialogue.name, passed: text === '', text, durationMs: performance.now() - startedMs }
}

function describe (cause: unknown): string {
  if (cause instanceof Deviation) return cause.message
  return cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)
}
