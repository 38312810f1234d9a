// Measures the machine: disk, loopback, checksum, and all of them together in the bare loop, in one run.

import os from 'node:os'
import { crc32c } from '@sluice/protocol'
import { BARE_FORMS } from '../bare-loop/commit-loop.js'
import { runWorkload, type RunSettings } from '../bench-run.js'
import { LatencyRecorder } from '../measure/latency-recorder.js'
import { describeMachine, describeSource } from '../measure/machine.js'
import { withScratchFolder } from '../process/scratch-folder.js'
import { spread } from '../summarize.js'
import { PLAIN_PRODUCE } from '../workload.js'
import { measureDisk, type DiskWindow } from './disk-limit.js'
import {
  LIMIT_FORMAT, WRITE_MODES, type ChecksumLimit, type DiskLimit, type LimitResult, type TcpLimit,
} from './limit-result.js'
import { TcpPair } from './tcp-pair.js'

/** Bytes of the writes that are measured. */
export const WRITE_SIZES = [4_096, 65_536, 262_144, 1_048_576] as const
/** Bytes of the values that the bare loop is measured with, unless told otherwise. */
export const RECORD_SIZES = [100, 1_024] as const
const CHECKSUM_SIZES = [4_096, 65_536, 1_048_576] as const
const CHECKSUM_SHARE = 0.25

/** Measures the machine in rounds. @throws BenchError where the folder cannot be written. */
export async function measureLimit (
  settings: RunSettings, recordSizes: readonly number[] = RECORD_SIZES,
): Promise<LimitResult> {
  const startedAt = new Date().toISOString()
  const loadAverageAtStart = os.loadavg()[0]!
  const machine = await describeMachine(settings.folder)
  const source = await describeSource()
  const disk = await measureDisks(settings)
  const tcp = await measureTcp(settings)
  settings.onProgress?.('checksums')
  const checksum = CHECKSUM_SIZES.map(size => measureChecksum(size, settings))
  const bareLoop = []
  for (const size of recordSizes) {
    bareLoop.push(await runWorkload({ ...PLAIN_PRODUCE, size }, { ...settings, sluice: false, bare: BARE_FORMS }))
  }
  return {
    format: LIMIT_FORMAT,
    startedAt,
    rounds: settings.rounds,
    durationMs: settings.durationMs,
    machine,
    loadAverageAtStart,
    source,
    disk,
    tcp,
    checksum,
    bareLoop,
  }
}

async function measureDisks (settings: RunSettings): Promise<DiskLimit[]> {
  const cases = WRITE_MODES.flatMap(mode => WRITE_SIZES.map(size => ({ mode, size, windows: [] as DiskWindow[] })))
  for (let round = 1; round <= settings.rounds; round++) {
    settings.onProgress?.(`disk: round ${round} of ${settings.rounds}`)
    await withScratchFolder(settings.folder, async folder => {
      for (const { mode, size, windows } of cases) windows.push(measureDisk(folder, { mode, size }, settings))
    })
  }
  return cases.map(({ mode, size, windows }) => {
    const merged = new LatencyRecorder()
    for (const { latency } of windows) merged.merge(latency)
    return {
      mode,
      size,
      syncsPerSecond: spread(windows.map(({ syncs, seconds }) => syncs / seconds)),
      bytesPerSecond: spread(windows.map(({ syncs, seconds }) => syncs * size / seconds)),
      latency: merged.summary(),
    }
  })
}

async function measureTcp (settings: RunSettings): Promise<TcpLimit> {
  const rates: number[] = []
  const merged = new LatencyRecorder()
  const tcp = await TcpPair.start()
  try {
    for (let round = 1; round <= settings.rounds; round++) {
      settings.onProgress?.(`loopback: round ${round} of ${settings.rounds}`)
      rates.push(await tcp.throughput(settings.durationMs))
      merged.merge(await tcp.roundTrip(settings.durationMs))
    }
  } finally {
    await tcp.stop()
  }
  return { bytesPerSecond: spread(rates), roundTrip: merged.summary() }
}

function measureChecksum (size: number, { rounds, durationMs }: RunSettings): ChecksumLimit {
  const bytes = Buffer.alloc(size, 'sluice checks every byte')
  const rates = Array.from({ length: rounds }, () => {
    const startMs = performance.now()
    let done = 0
    let nowMs = startMs
    do {
      for (let count = 0; count < 64; count++) crc32c(bytes)
      done += 64 * size
      nowMs = performance.now()
    } while (nowMs < startMs + durationMs * CHECKSUM_SHARE)
    return done / ((nowMs - startMs) / 1000)
  })
  return { size, bytesPerSecond: spread(rates) }
}
