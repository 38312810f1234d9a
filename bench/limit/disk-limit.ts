// Sequential writes, each made durable before the next: what the disk gives a program that does nothing else.

import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { LatencyRecorder, type LatencySummary } from '../measure/latency-recorder.js'
import type { WriteMode } from './limit-result.js'

/** Most bytes of the file that is written over: more makes no difference. */
const OVERWRITTEN_BYTES_MAX = 64 * 1024 * 1024

/** One window of writes. */
export interface DiskWindow { readonly syncs: number, readonly seconds: number, readonly latency: LatencySummary }

/** Writes `size` bytes and syncs them, again and again for `durationMs`. Blocks the event loop meanwhile. */
export function measureDisk (
  folder: string, { mode, size }: { mode: WriteMode, size: number },
  { durationMs, prewrittenBytes }: { durationMs: number, prewrittenBytes: number },
): DiskWindow {
  const file = openSync(join(folder, `${mode}-${size}`), 'w')
  try {
    const block = Buffer.alloc(size, 'sluice')
    const overwrittenBytes = Math.max(size, Math.min(OVERWRITTEN_BYTES_MAX, prewrittenBytes))
    if (mode === 'overwrite') prewrite(file, overwrittenBytes)
    const latency = new LatencyRecorder()
    const startMs = performance.now()
    const endMs = startMs + durationMs
    let syncs = 0
    let position = 0
    let nowMs = startMs
    while (nowMs < endMs || syncs === 0) {
      writeSync(file, block, 0, size, position)
      fdatasyncSync(file)
      const doneMs = performance.now()
      latency.record(doneMs - nowMs)
      nowMs = doneMs
      syncs++
      position += size
      if (mode === 'overwrite' && position + size > overwrittenBytes) position = 0
    }
    return { syncs, seconds: (nowMs - startMs) / 1000, latency: latency.summary() }
  } finally {
    closeSync(file)
  }
}

function prewrite (file: number, bytes: number): void {
  const block = Buffer.alloc(1024 * 1024)
  for (let position = 0; position < bytes; position += block.length) {
    writeSync(file, block, 0, block.length, position)
  }
  fdatasyncSync(file)
}
