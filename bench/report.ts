// A result as a table for people.

import type { LatencySummary } from './measure/latency-recorder.js'
import type { Machine, Source } from './measure/machine.js'
import type { BrokerUsage } from './process/calls.js'
import type { BenchResult, ContenderSummary, Spread } from './result.js'
import { spread } from './summarize.js'
import type { Workload } from './workload.js'

/** The result as text, several lines. */
export function reportTable (result: BenchResult): string {
  const { workload, machine } = result
  const latency = result.summaries.some(summary => summary.serviceLatency !== null)
  const intended = result.summaries.some(summary => summary.intendedLatency !== null)
  const header = ['', 'records/s', 'min–max', 'MiB/s', 'records/batch', ...(latency ? ['p50 ms', 'p99 ms', 'p99.9 ms'] : []),
    ...(intended ? ['service p50', 'service p99'] : []),
    'client cores', 'server cores', 'client GC', 'server GC', 'client RSS', 'server RSS', 'client loop p99', 'server loop p99']
  const rows = result.summaries.map(summary => summaryRow(summary, latency, intended))
  const window = workload.name === 'backlog'
    ? 'a backlog'
    : result.count === null ? `${(result.durationMs ?? 0) / 1000} s` : `${result.count} records`
  return [
    workloadText(workload),
    `${result.rounds} rounds of ${window} after ${result.warmupMs / 1000} s, medians; ${machineText(machine)}`,
    sourceText(result),
    '',
    ...columns([header, ...rows]),
    ...ratioLines(result),
    ...clusterLines(result),
  ].join('\n')
}

/** A workload in a line. */
export function workloadText (workload: Workload): string {
  const settings = Object.entries(workload).filter(([name]) => name !== 'name')
    .map(([name, value]) => `${name} ${value ?? 'default'}`).join(', ')
  return `${workload.name}: ${settings}`
}

/** A machine in a line. */
export function machineText ({ cores, processor, kernel, node, disk }: Machine): string {
  return `${cores} × ${processor}, ${kernel}, Node ${node}, ${disk?.fileSystem ?? 'unknown file system'} on ${disk?.device ?? 'unknown'}`
}

/** What was measured and when, in a line. */
export function sourceText (
  { source, startedAt, loadAverageAtStart }: { source: Source, startedAt: string, loadAverageAtStart: number },
): string {
  return `commit ${source.commit ?? 'unknown'}${source.dirty === true ? ' with changes' : ''}, ${startedAt}, ` +
    `load average ${loadAverageAtStart.toFixed(1)} before`
}

function summaryRow (summary: ContenderSummary, latency: boolean, intended: boolean): string[] {
  const { recordsPerSecond: rate } = summary
  const found = summary.intendedLatency ?? summary.serviceLatency
  return [
    summary.contender,
    count(rate.median),
    `${count(rate.min)}–${count(rate.max)}`,
    (summary.bytesPerSecond.median / 2 ** 20).toFixed(1),
    summary.recordsPerBatch === null ? '–' : count(summary.recordsPerBatch.median),
    ...(latency ? latencyCells(found) : []),
    ...(intended ? latencyCells(summary.serviceLatency).slice(0, 2) : []),
    summary.clientCores.median.toFixed(2),
    summary.serverCores.median.toFixed(2),
    percent(summary.clientGcShare),
    percent(summary.serverGcShare),
    mebibytes(summary.clientRssBytesMax),
    mebibytes(summary.serverRssBytesMax),
    milliseconds(summary.clientLoopDelayP99Us.median),
    milliseconds(summary.serverLoopDelayP99Us.median),
  ]
}

function latencyCells (latency: LatencySummary | null): string[] {
  if (latency === null) return ['–', '–', '–']
  return [latency.p50Us, latency.p99Us, latency.p999Us].map(us => (us / 1000).toFixed(2))
}

function ratioLines (result: BenchResult): string[] {
  const lines = result.ratios.map(({ to, recordsPerSecond, latencyP50, latencyP99 }) => {
    const parts = [`rate ${quotient(recordsPerSecond)}`]
    if (latencyP50 !== null) parts.push(`p50 ${quotient(latencyP50)}`)
    if (latencyP99 !== null) parts.push(`p99 ${quotient(latencyP99)}`)
    return `sluice by ${to}: ${parts.join(', ')}`
  })
  return lines.length === 0 ? [] : ['', ...lines]
}

/** What a record costs each broker of a cluster, the leader first. */
function clusterLines ({ samples }: BenchResult): string[] {
  const inClusters = samples.flatMap(({ records, server: { brokers } }) =>
    brokers === undefined ? [] : [{ records, brokers }])
  if (inClusters.length === 0) return []
  const rows = inClusters[0]!.brokers.map((_, index) => {
    const perRecord = (value: (usage: BrokerUsage) => number): string =>
      spread(inClusters.map(({ records, brokers }) => value(brokers[index]!) / Math.max(1, records))).median.toFixed(2)
    return [
      index === 0 ? 'leader' : `follower ${index}`,
      perRecord(usage => usage.cpuSeconds * 1e6),
      perRecord(usage => usage.peerSentBytes),
      perRecord(usage => usage.peerSentFrames * 1000),
    ]
  })
  return ['', ...columns([['for each record', 'processor µs', 'bytes to other brokers', 'frames × 1000'], ...rows])]
}

/** Rows as lines, the first column to the left, the others to the right. */
export function columns (rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  return rows.map(row => row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)).join('  ').trimEnd())
}

export function count (value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

export function quotient ({ median, min, max }: Spread): string {
  return `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`
}

function percent (share: Spread): string {
  return `${(share.median * 100).toFixed(1)} %`
}

function mebibytes (bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`
}

function milliseconds (us: number): string {
  return `${(us / 1000).toFixed(1)} ms`
}
