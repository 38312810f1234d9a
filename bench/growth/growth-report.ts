// A growth run for people: a table for the terminal, a page with a plot for each axis.

import { lineChart } from '../html/charts.js'
import { escapeHtml, htmlPage, htmlTable } from '../html/page.js'
import { columns, count, machineText, sourceText } from '../report.js'
import type { GrowthCurve, GrowthResult } from './growth-result.js'

const HEADER = ['', 'level', 'broker us', 'min–max', 'client us', 'records/s', 'broker RSS']
/** Steeper than this in either direction is called so: less may be chance. */
const STEEP = 0.1

/** The result as text, several lines. */
export function growthTable (result: GrowthResult): string {
  return [
    'processor time for a record, in microseconds, as something grows',
    ...factLines(result),
    ...result.axes.flatMap(({ title, curves }) => [
      '',
      title,
      ...columns([HEADER, ...curves.flatMap(rowsOf)]),
      ...curves.map(curve => `${curve.label}: ${verdict(curve)}`),
    ]),
  ].join('\n')
}

/** The result as a page of HTML. */
export function growthPage (result: GrowthResult): string {
  return htmlPage('Sluice: what a record costs as something grows', factLines(result), [
    '<p>Processor time of the broker for each record, all threads together. A line that stays level is work that grows with ' +
    'the records alone.</p>',
    ...result.axes.flatMap(({ title, curves }) => [
      `<h2>${escapeHtml(capital(title))}</h2>`,
      lineChart('Processor time of the broker, microseconds a record', title, curves.map(({ label, points }) => ({
        label, points: points.map(({ level, brokerMicroseconds }) => ({ x: level, ...brokerMicroseconds })),
      }))),
      ...curves.map(curve => `<p>${escapeHtml(`${capital(curve.label)}: ${verdict(curve)}`)}.</p>`),
      htmlTable(HEADER, curves.flatMap(rowsOf)),
    ]),
  ])
}

/** What the exponent means. */
function verdict ({ exponent }: GrowthCurve): string {
  if (exponent === null) return 'one level only'
  const power = `goes with the power ${exponent.toFixed(2)}`
  if (exponent > 1 + STEEP) return `${power}: worse than linear`
  if (exponent > STEEP) return `${power}: a record costs more`
  return exponent < -STEEP ? `${power}: a record costs less` : `${power}: a record costs the same`
}

function rowsOf ({ label, points }: GrowthCurve): string[][] {
  return points.map(({ level, brokerMicroseconds: broker, ...point }) => [
    label, count(level), number(broker.median), `${number(broker.min)}–${number(broker.max)}`,
    number(point.clientMicroseconds.median), count(point.recordsPerSecond.median),
    `${Math.round(point.brokerRssBytesMax / 2 ** 20)} MiB`,
  ])
}

function factLines (result: GrowthResult): string[] {
  return [
    `${result.rounds} rounds of ${result.durationMs / 1000} s after ${result.warmupMs / 1000} s in turns, medians; ${machineText(result.machine)}`,
    sourceText(result),
  ]
}

function number (microseconds: number): string {
  return microseconds < 10 ? microseconds.toPrecision(3) : count(microseconds)
}

function capital (text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
