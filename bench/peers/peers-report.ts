// A comparison with peers for people: one table, one plot.

import { dotPlot, dotPlotFile, type Dot, type DotGroup, type DotPanel } from '../html/dot-plot.js'
import { htmlPage, htmlTable } from '../html/page.js'
import { columns, count, machineText, quotient } from '../report.js'
import type { Spread } from '../result.js'
import { SLUICE } from '../summarize.js'
import { peerWorkloadTitle } from './peer-workloads.js'
import type { PeerRow, PeersResult, PeerWorkloadResult } from './peers-result.js'

const TITLE = 'Sluice and what could stand in its place'
const HEADER = ['', 'acknowledged', 'records/s', 'min–max', 'MiB/s', 'p50 ms', 'p99 ms', 'client cores', 'server cores',
  'server RSS', 'Sluice by it', 'p50 by it', 'p99 by it']
const PLOT_NOTE = 'Filled: synced before it is acknowledged; open: not. A line goes from the slowest round to the fastest, and with ' +
  'latencies from the median to the 99th percentile.'

/** The result as text, several lines. */
export function peersTable (result: PeersResult): string {
  const rows = result.workloads.flatMap(work => [titleRow(work), ...work.rows.map(row => rowCells(row, '  '))])
  const lines = [...columns([HEADER, ...rows])]
  for (const title of [...lines.keys()].reverse()) {
    if (title > 0 && !lines[title]!.startsWith(' ')) lines.splice(title, 0, '')
  }
  return [...factLines(result), '', ...lines, ...closing(bestLines(result)), ...closing(noteLines(result))].join('\n')
}

/** The same as a page of HTML with the plot. */
export function peersPage (result: PeersResult): string {
  const rows: string[][] = []
  const marked = new Set<number>()
  for (const work of result.workloads) {
    marked.add(rows.length)
    rows.push(titleRow(work))
    for (const row of work.rows) rows.push(rowCells(row, ''))
  }
  const notes = [...bestLines(result), ...noteLines(result)]
  return htmlPage(`Benchmarks: ${TITLE}`, factLines(result), [
    `<figure><figcaption>${PLOT_NOTE}</figcaption>${dotPlot(TITLE, panels(result))}</figure>`,
    htmlTable(HEADER, rows, marked),
    htmlTable(['In short'], notes.map(note => [note])),
  ])
}

/** The plot alone, as a file of SVG. */
export function peersPlot (result: PeersResult): string {
  return dotPlotFile(TITLE, panels(result))
}

function factLines (result: PeersResult): string[] {
  const [first] = result.workloads
  const commits = [...new Set(result.workloads.map(({ source: { commit, dirty } }) =>
    `${commit?.slice(0, 12) ?? 'unknown'}${dirty === true ? ' with changes' : ''}`))]
  const loads = result.workloads.map(work => work.loadAverageAtStart)
  return [
    ...((result.brokers ?? 1) === 1 ? [] : [`clusters of ${result.brokers} on one machine, the clients beside them`]),
    `${result.rounds} rounds of ${result.durationMs / 1000} s after ${result.warmupMs / 1000} s in turns, medians; ${machineText(result.machine)}`,
    `commit ${commits.join(', ')}, from ${first?.startedAt ?? '–'}, load average ${Math.min(...loads).toFixed(1)} to ` +
      `${Math.max(...loads).toFixed(1)} before`,
    ...versionLines(result),
  ]
}

function versionLines ({ workloads }: PeersResult): string[] {
  const versions = new Set(workloads.flatMap(({ rows }) => rows.map(row => row.versions)).filter(text => text !== null))
  return versions.size === 0 ? [] : [`beside it: ${[...versions].sort().join('; ')}`]
}

function titleRow ({ name }: PeerWorkloadResult): string[] {
  return HEADER.map((_, index) => index === 0 ? peerWorkloadTitle(name) : '')
}

function rowCells (row: PeerRow, indent: string): string[] {
  const { recordsPerSecond: rate, latency, ratio, keptUp } = row
  const milliseconds = (us: number): string => (us / 1000).toFixed(2)
  const short = (spread: Spread | null): string => spread === null ? '–' : quotient(spread)
  return [
    `${indent}${row.title}`, row.durability, `${count(rate.median)}${keptUp === false ? ' (fell behind)' : ''}`,
    `${count(rate.min)}–${count(rate.max)}`, (row.bytesPerSecond.median / 2 ** 20).toFixed(1),
    latency === null ? '–' : milliseconds(latency.p50Us), latency === null ? '–' : milliseconds(latency.p99Us),
    row.clientCores.median.toFixed(2), row.serverCores?.median.toFixed(2) ?? '–',
    row.serverRssBytesMax === null ? '–' : `${Math.round(row.serverRssBytesMax / 2 ** 20)} MiB`,
    ratio === null || latency !== null ? '–' : quotient(ratio.recordsPerSecond),
    latency === null ? '–' : short(ratio?.latencyP50 ?? null), latency === null ? '–' : short(ratio?.latencyP99 ?? null),
  ]
}

/** What it comes to: Sluice by the best of those that sync, and by the best of all. */
function bestLines ({ workloads }: PeersResult): string[] {
  return workloads.flatMap(({ name, rows }) => {
    const peers = rows.filter(row => row.versions !== null && row.ratio !== null)
    const parts = [
      bestText(peers.filter(({ isSynced }) => isSynced), 'the best peer that syncs before it acknowledges'),
      bestText(peers, 'the best of all peers'),
    ].filter(text => text !== null)
    return parts.length === 0 ? [] : [`${peerWorkloadTitle(name)}: ${parts.join('; ')}`]
  })
}

function bestText (peers: readonly PeerRow[], what: string): string | null {
  const kept = peers.filter(({ keptUp }) => keptUp !== false)
  const [best] = [...kept].sort((a, b) => a.latency === null || b.latency === null
    ? b.recordsPerSecond.median - a.recordsPerSecond.median
    : a.latency.p99Us - b.latency.p99Us)
  if (best?.ratio == null) return null
  const { recordsPerSecond, latencyP50, latencyP99 } = best.ratio
  return best.latency !== null && latencyP50 !== null && latencyP99 !== null
    ? `p50 ${quotient(latencyP50)}, p99 ${quotient(latencyP99)} of ${what} (${best.title})`
    : `${quotient(recordsPerSecond)} times ${what} (${best.title})`
}

/** Who is missing, each reason once. */
function noteLines ({ workloads }: PeersResult): string[] {
  const reasons = workloads.flatMap(({ skipped }) => skipped.map(({ title, reason }) => `not measured: ${title}: ${reason}`))
  return [...new Set(reasons)]
}

function closing (lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', ...lines]
}

function panels ({ workloads }: PeersResult): DotPanel[] {
  const rates = workloads.filter(({ rows, workload }) => rows.length > 0 && workload.name !== 'e2e')
  const latencies = workloads.filter(({ rows, workload }) => rows.length > 0 && workload.name === 'e2e')
  const groupOf = (work: PeerWorkloadResult, spreadOf: (row: PeerRow) => Spread): DotGroup => ({
    title: peerWorkloadTitle(work.name),
    dots: work.rows.map((row): Dot => ({
      label: row.title, ...positive(spreadOf(row)), isMarked: row.contender.startsWith(SLUICE), isOpen: !row.isSynced,
    })),
  })
  const latencyOf = ({ latency }: PeerRow): Spread =>
    ({ median: latency!.p50Us / 1000, min: latency!.p50Us / 1000, max: latency!.p99Us / 1000 })
  return [
    { title: 'records a second', format: count, groups: rates.map(work => groupOf(work, row => row.recordsPerSecond)) },
    { title: 'latency, ms', format: String, groups: latencies.map(work => groupOf(work, latencyOf)) },
  ].filter(({ groups }) => groups.length > 0)
}

/** A logarithmic axis has no zero: a window in which nothing was done lies at its left end. */
function positive ({ median, min, max }: Spread): Spread {
  const lift = (value: number): number => Math.max(value, 1e-3)
  return { median: lift(median), min: lift(min), max: lift(max) }
}
