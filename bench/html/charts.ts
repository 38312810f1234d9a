// Plots as SVG, without scripts and without anything from elsewhere. Colours come from the page (see page.ts), so that
// they fit light and dark.
//
//   bars    label │██████████──┤ 1,234        one row each, a whisker from the least to the most
//   lines   a value that grows along a logarithmic axis, a band from the least to the most

import { escapeHtml } from './page.js'

/** A value with its range. */
export interface Range { readonly median: number, readonly min: number, readonly max: number }

/** A row of a bar chart. */
export interface Bar extends Range {
  readonly label: string
  /** Drawn in the colour of what is meant to be looked at. */
  readonly isMarked?: boolean
}

/** A point of a line. */
export interface LinePoint extends Range { readonly x: number }
export interface Line { readonly label: string, readonly points: readonly LinePoint[] }

const WIDTH = 720
const ROW_HEIGHT = 28
const LABEL_WIDTH = 220
const VALUE_WIDTH = 110
const BAR_WIDTH = WIDTH - LABEL_WIDTH - VALUE_WIDTH

/** Horizontal bars from zero, or along a logarithmic axis where values lie far apart. */
export function barChart (
  title: string, bars: readonly Bar[], options: { format?: (value: number) => string, logarithmic?: boolean } = {},
): string {
  const { format = thousands, logarithmic = false } = options
  const most = Math.max(...bars.map(bar => bar.max))
  const least = 10 ** Math.floor(Math.log10(Math.min(...bars.map(bar => bar.min).filter(value => value > 0))))
  const place = (value: number): number => logarithmic
    ? BAR_WIDTH * Math.max(0, Math.log(value / least) / Math.log(most / least))
    : BAR_WIDTH * value / most
  const rows = bars.map((bar, index) => {
    const middle = index * ROW_HEIGHT + ROW_HEIGHT / 2
    const at = (value: number): string => (LABEL_WIDTH + place(value)).toFixed(1)
    const kind = bar.isMarked === true ? 'bar marked' : 'bar'
    return `<g><title>${escapeHtml(bar.label)}: ${format(bar.median)} (${format(bar.min)}–${format(bar.max)})</title>` +
      `<text x="${LABEL_WIDTH - 8}" y="${middle}" class="label" text-anchor="end">${escapeHtml(shortened(bar.label))}</text>` +
      `<rect x="${LABEL_WIDTH}" y="${middle - 9}" width="${Math.max(1, place(bar.median)).toFixed(1)}" height="18" rx="2" class="${kind}"/>` +
      `<path d="M${at(bar.min)} ${middle}H${at(bar.max)}M${at(bar.min)} ${middle - 4}v8M${at(bar.max)} ${middle - 4}v8" class="whisker"/>` +
      `<text x="${(LABEL_WIDTH + place(bar.max) + 8).toFixed(1)}" y="${middle}" class="value">${format(bar.median)}</text></g>`
  })
  return figure(title, WIDTH, bars.length * ROW_HEIGHT, rows.join(''))
}

const PLOT = { left: 90, right: 150, top: 12, bottom: 40, height: 300 }

/** Lines over a logarithmic axis of whole numbers, from zero upwards. */
export function lineChart (title: string, xTitle: string, lines: readonly Line[]): string {
  const all = lines.flatMap(line => line.points)
  const xs = [...new Set(all.map(point => point.x))].sort((a, b) => a - b)
  const most = Math.max(...all.map(point => point.max))
  const [first, last] = [xs[0]!, xs.at(-1)!]
  const width = WIDTH - PLOT.left - PLOT.right
  const height = PLOT.height - PLOT.top - PLOT.bottom
  const decades = Math.log(last / first)
  const atX = (x: number): number => PLOT.left + (decades === 0 ? width / 2 : width * Math.log(x / first) / decades)
  const atY = (y: number): number => PLOT.top + height * (1 - y / most)
  const grid = [0, 0.25, 0.5, 0.75, 1].map(share =>
    `<path d="M${PLOT.left} ${atY(most * share)}h${width}" class="grid"/>` +
    `<text x="${PLOT.left - 8}" y="${atY(most * share)}" class="label" text-anchor="end">${thousands(most * share)}</text>`)
  const ticks = xs.map(x => `<text x="${atX(x).toFixed(1)}" y="${PLOT.height - 24}" class="label" text-anchor="middle">${thousands(x)}</text>`)
  const drawn = lines.map((line, index) => drawLine(line, index, atX, atY))
  return figure(title, WIDTH, PLOT.height, [
    ...grid, ...ticks, ...drawn,
    `<text x="${PLOT.left + width / 2}" y="${PLOT.height - 6}" class="label" text-anchor="middle">${escapeHtml(xTitle)}</text>`,
  ].join(''))
}

function drawLine (line: Line, index: number, atX: (x: number) => number, atY: (y: number) => number): string {
  const points = [...line.points].sort((a, b) => a.x - b.x)
  const path = (of: (point: LinePoint) => number): string[] =>
    points.map(point => `${atX(point.x).toFixed(1)} ${atY(of(point)).toFixed(1)}`)
  const band = [...path(point => point.max), ...path(point => point.min).reverse()]
  const dots = points.map(point => `<circle cx="${atX(point.x).toFixed(1)}" cy="${atY(point.median).toFixed(1)}" r="4" class="dot line${index % 4}">` +
    `<title>${escapeHtml(line.label)}, ${thousands(point.x)}: ${thousands(point.median)} (${thousands(point.min)}–${thousands(point.max)})</title></circle>`)
  const last = points.at(-1)!
  return `<path d="M${band.join('L')}Z" class="band line${index % 4}"/>` +
    `<path d="M${path(point => point.median).join('L')}" class="line line${index % 4}"/>${dots.join('')}` +
    `<text x="${(atX(last.x) + 10).toFixed(1)}" y="${atY(last.median).toFixed(1)}" class="value">${escapeHtml(line.label)}</text>`
}

function figure (title: string, width: number, height: number, content: string): string {
  return `<figure><figcaption>${escapeHtml(title)}</figcaption>` +
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}">${content}</svg></figure>`
}

function thousands (value: number): string {
  return value !== 0 && Math.abs(value) < 10 ? value.toPrecision(3) : Math.round(value).toLocaleString('en-US')
}

function shortened (label: string): string {
  return label.length > 34 ? `${label.slice(0, 33)}…` : label
}
