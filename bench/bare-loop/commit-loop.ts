// Group commit at its barest: what has come in is written with one `writev`, made durable with one `fdatasync`, and
// then acknowledged. What comes meanwhile joins the next commit.
//
//   append       [write][sync]              one commit at a time, the file grows
//                             [write][sync]
//   overlap      [write][sync]              two commits at a time, the file grows
//                   [write][sync]
//   prewritten   as overlap, but over blocks that were written and synced before, from the start again at the end
//
// Invariant: commits are acknowledged in the order in which they began.

import { closeSync, fdatasync, fdatasyncSync, openSync, writeSync, writev } from 'node:fs'
import type { BatchRun } from './batch-intake.js'

/** The forms of the loop. */
export const BARE_FORM = {
  append: { commitsInFlight: 1, prewritten: false },
  overlap: { commitsInFlight: 2, prewritten: false },
  prewritten: { commitsInFlight: 2, prewritten: true },
} as const

export type BareForm = keyof typeof BARE_FORM
export const BARE_FORMS = Object.keys(BARE_FORM) as BareForm[]

/** Who gave a run and wants to know when it is durable. */
export interface RunSource { onDurable (run: BatchRun): void, onCommitted (): void }

interface Commit { readonly runs: BatchRun[], readonly sources: RunSource[], done: boolean }

/** Commits of this size leave the page cache faster than larger ones. */
const COMMIT_BYTES_MAX = 256 * 1024
const COMMIT_BUFFERS_MAX = 1024
const ZEROS = Buffer.alloc(256 * 1024)

export class CommitLoop {
  private readonly fileDescriptor: number
  private readonly commitsInFlight: number
  /** Where a pre-written file begins again; Infinity for one that grows. */
  private readonly wrapPosition: number
  private position = 0
  private queue: BatchRun[] = []
  private queueSources: RunSource[] = []
  private queueStart = 0
  private inFlight: Commit[] = []
  /** Commits so far. */
  commits = 0

  /** @param path a file that is made anew. */
  constructor (path: string, form: BareForm, prewrittenBytes: number) {
    const { commitsInFlight, prewritten } = BARE_FORM[form]
    this.commitsInFlight = commitsInFlight
    this.wrapPosition = prewritten ? prewrittenBytes : Infinity
    this.fileDescriptor = openSync(path, 'w')
    if (!prewritten) return
    for (let position = 0; position < prewrittenBytes; position += ZEROS.length) {
      writeSync(this.fileDescriptor, ZEROS, 0, ZEROS.length, position)
    }
    fdatasyncSync(this.fileDescriptor)
  }

  /** Queues a run; its source hears of it when it is durable. */
  add (run: BatchRun, source: RunSource): void {
    this.queue.push(run)
    this.queueSources.push(source)
    this.pump()
  }

  close (): void { closeSync(this.fileDescriptor) }

  private pump (): void {
    while (this.queueStart < this.queue.length && this.inFlight.length < this.commitsInFlight) this.begin()
  }

  private begin (): void {
    const first = this.queueStart
    let next = first
    let size = 0
    do size += this.queue[next++]!.bytes.length
    while (next < this.queue.length && next - first < COMMIT_BUFFERS_MAX &&
      size + this.queue[next]!.bytes.length <= COMMIT_BYTES_MAX)
    const runs = this.queue.slice(first, next)
    const commit: Commit = { runs, sources: this.queueSources.slice(first, next), done: false }
    this.queueStart = next
    if (next === this.queue.length) {
      this.queue = []
      this.queueSources = []
      this.queueStart = 0
    }
    if (this.position + size > this.wrapPosition) this.position = 0
    const position = this.position
    this.position += size
    this.inFlight.push(commit)
    this.commits++
    this.write(commit, runs.map(run => run.bytes), position, size)
  }

  private write (commit: Commit, buffers: Buffer[], position: number, size: number): void {
    writev(this.fileDescriptor, buffers, position, (error, written) => {
      if (error !== null) throw error
      if (written !== size) throw new Error(`a write of ${size} bytes wrote ${written}`)
      fdatasync(this.fileDescriptor, syncError => {
        if (syncError !== null) throw syncError
        commit.done = true
        this.advance()
      })
    })
  }

  private advance (): void {
    while (this.inFlight[0]?.done === true) {
      const { runs, sources } = this.inFlight.shift()!
      for (let index = 0; index < runs.length; index++) sources[index]!.onDurable(runs[index]!)
      for (const source of sources) source.onCommitted()
    }
    this.pump()
  }
}
