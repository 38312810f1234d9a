// What many runs came to, added up; so that parts can be run by several processes, and on another day.

import type { SimulationResult } from './simulation.js'

export interface FailedSeed { readonly seed: number, readonly message: string }

export interface SeedTotals {
  seeds: number
  simulatedMs: number
  /** Of the processor, not of the clock: other work on the machine does not change it. */
  cpuMs: number
  events: number
  /** Batches. */
  commits: number
  /** Batches acknowledged to producers, each checked. */
  acks: number
  /** How often what happened; 'fault …' and 'aimed at …' among them. */
  counts: Record<string, number>
  failed: FailedSeed[]
}

export function noTotals (): SeedTotals {
  return { seeds: 0, simulatedMs: 0, cpuMs: 0, events: 0, commits: 0, acks: 0, counts: {}, failed: [] }
}

/** Adds one run. */
export function addResult (totals: SeedTotals, result: SimulationResult): void {
  totals.seeds++
  totals.simulatedMs += result.simulatedMs
  totals.events += result.eventCount
  totals.commits += result.committedCount
  totals.acks += result.ackCount
  for (const [kind, times] of result.counts) totals.counts[kind] = (totals.counts[kind] ?? 0) + times
  if (result.violation !== null) totals.failed.push({ seed: result.seed, message: result.violation.message })
}

/** Adds what another part came to. */
export function addTotals (totals: SeedTotals, part: SeedTotals): void {
  totals.seeds += part.seeds
  totals.simulatedMs += part.simulatedMs
  totals.cpuMs += part.cpuMs
  totals.events += part.events
  totals.commits += part.commits
  totals.acks += part.acks
  for (const [kind, times] of Object.entries(part.counts)) totals.counts[kind] = (totals.counts[kind] ?? 0) + times
  totals.failed.push(...part.failed)
}

/** One line of it all. */
export function describeTotals (totals: SeedTotals): string {
  let faults = 0
  for (const [kind, times] of Object.entries(totals.counts)) {
    if (kind.startsWith('fault ') || kind.startsWith('aimed at ')) faults += times
  }
  const speed = totals.cpuMs === 0 ? 0 : Math.round(totals.simulatedMs / totals.cpuMs)
  return `${totals.seeds} seeds, ${(totals.simulatedMs / 3_600_000).toFixed(2)} simulated hours, ` +
    `${speed} × real time per core, ${totals.commits} batches committed, ${totals.acks} acknowledgements checked, ` +
    `${faults} faults, ${totals.failed.length} violations`
}
