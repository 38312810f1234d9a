// A sweep for people: a table for the terminal, a page with plots for the browser.

import { barChart, lineChart, type Bar } from '../html/charts.js'
import { escapeHtml, htmlPage, htmlTable } from '../html/page.js'
import { columns, count, machineText, quotient, sourceText } from '../report.js'
import { DIMENSION_NAMES, DIMENSIONS, type Dimension } from './sweep-plan.js'
import type { SweepPoint, SweepResult } from './sweep-result.js'

const HEADER = [
  'setting', 'records/s', 'min–max', 'by first', 'records/batch', 'batch p50 ms', 'batch p99 ms', 'client cores',
  'broker cores', 'broker RSS',
]

/** The result as text, several lines. */
export function sweepTable (result: SweepResult): string {
  const { points, recommendation } = result
  return [
    `sweep of produce, ${baseText(result)}`,
    ...factLines(result),
    '',
    ...columns([HEADER, ...points.map(rowOf)]),
    '',
    `recommended: ${labelOf(points[recommendation.point]!)}: ${recommendation.reason}`,
    ...recommendedCode(result),
  ].join('\n')
}

/** The result as a page of HTML. */
export function sweepPage (result: SweepResult): string {
  const { points, recommendation } = result
  const varied = DIMENSION_NAMES.filter(name =>
    points.some(({ changed }) => changed.length === 1 && changed[0] === name))
  return htmlPage('Sluice: sweep of produce', [`Base: ${baseText(result)}`, ...factLines(result)], [
    '<h2>Recommended</h2>',
    `<p>${escapeHtml(labelOf(points[recommendation.point]!))}: ${escapeHtml(recommendation.reason)}.</p>`,
    `<pre>${escapeHtml(recommendedCode(result).join('\n'))}</pre>`,
    '<h2>One setting at a time</h2>',
    '<p>Records a second, medians; a whisker goes from the slowest round to the fastest. The base is marked.</p>',
    ...varied.map(name => barChart(DIMENSIONS[name], barsOf(points, name))),
    ...(varied.length === 0 ? ['<p>Nothing was varied by itself.</p>'] : []),
    '<h2>All settings</h2>',
    htmlTable(HEADER, points.map(rowOf), new Set([recommendation.point])),
  ])
}

/** How the rate goes with the number of partitions, as text. */
export function partitionsTable (result: SweepResult): string {
  const rows = result.points.map(({ workload, summary, ratio }) => [
    count(workload.partitions), count(summary.recordsPerSecond.median), quotient(ratio),
    summary.serverCores.median.toFixed(2), `${Math.round(summary.serverRssBytesMax / 2 ** 20)} MiB`,
  ])
  return [
    `produce over partitions, ${baseText(result)}`,
    ...factLines(result),
    '',
    ...columns([['partitions', 'records/s', `by ${count(result.points[0]!.workload.partitions)}`, 'broker cores', 'broker RSS'], ...rows]),
  ].join('\n')
}

/** The same as a page of HTML. */
export function partitionsPage (result: SweepResult): string {
  const points = result.points.map(({ workload, summary }) => ({ x: workload.partitions, ...summary.recordsPerSecond }))
  const memory = result.points.map(({ workload, summary }) => {
    const mebibytes = summary.serverRssBytesMax / 2 ** 20
    return { x: workload.partitions, median: mebibytes, min: mebibytes, max: mebibytes }
  })
  return htmlPage('Sluice: produce over partitions', [`Base: ${baseText(result)}`, ...factLines(result)], [
    lineChart('Records a second', 'partitions', [{ label: 'records/s', points }]),
    lineChart('Memory of the broker, MiB', 'partitions', [{ label: 'RSS', points: memory }]),
    htmlTable(HEADER, result.points.map(rowOf)),
  ])
}

function barsOf (points: readonly SweepPoint[], name: Dimension): Bar[] {
  return points
    .filter(({ changed }) => changed.length === 0 || (changed.length === 1 && changed[0] === name))
    .map(({ workload, summary, changed }) => ({
      label: levelText(workload[name]), ...summary.recordsPerSecond, isMarked: changed.length === 0,
    }))
}

function rowOf (point: SweepPoint): string[] {
  const { summary, ratio } = point
  const { recordsPerSecond: rate, serviceLatency: latency } = summary
  return [
    labelOf(point), count(rate.median), `${count(rate.min)}–${count(rate.max)}`, quotient(ratio),
    summary.recordsPerBatch === null ? '–' : count(summary.recordsPerBatch.median),
    latency === null ? '–' : (latency.p50Us / 1000).toFixed(2), latency === null ? '–' : (latency.p99Us / 1000).toFixed(2),
    summary.clientCores.median.toFixed(2), summary.serverCores.median.toFixed(2),
    `${Math.round(summary.serverRssBytesMax / 2 ** 20)} MiB`,
  ]
}

function labelOf ({ workload, changed }: SweepPoint): string {
  return changed.length === 0 ? 'base' : changed.map(name => `${DIMENSIONS[name]} ${levelText(workload[name])}`).join(', ')
}

function levelText (level: string | number | null): string {
  return level === null ? 'default' : typeof level === 'number' ? count(level) : level
}

function baseText ({ points }: SweepResult): string {
  const { workload } = points[0]!
  return [`${workload.size} B`, ...DIMENSION_NAMES.map(name => `${DIMENSIONS[name]} ${levelText(workload[name])}`)].join(', ')
}

function factLines (result: SweepResult): string[] {
  return [
    `${result.rounds} rounds of ${result.durationMs / 1000} s after ${result.warmupMs / 1000} s in turns, medians; ${machineText(result.machine)}`,
    sourceText(result),
  ]
}

function recommendedCode ({ recommendation: { producerOptions, topicSettings } }: SweepResult): string[] {
  const literal = (values: Record<string, string | number>): string => {
    const fields = Object.entries(values).map(([name, value]) => `${name}: ${typeof value === 'string' ? `'${value}'` : value}`)
    return fields.length === 0 ? '' : `{ ${fields.join(', ')} }`
  }
  const lines = [`client.topic(name).producer(${literal(producerOptions)})`]
  if (Object.keys(topicSettings).length > 0) lines.unshift(`await client.admin.createTopic(name, ${literal(topicSettings)})`)
  return lines
}
