// Rows of dots along a logarithmic axis, for values that lie decades apart. One SVG, as a part of a page or as a file
// of its own, which has its colours with it.
//
//   panel     heading
//             group
//             label │        ├──●──┤          a dot at the median, a line over the range
//             label │   ├○┤
//                   └──┬────────┬────────┬    decades

import { escapeHtml, figureStyle } from './page.js'

/** A row. An `open` dot is set off from a filled one, and what is marked from what is not. */
export interface Dot {
  readonly label: string
  readonly median: number
  readonly min: number
  readonly max: number
  readonly isMarked: boolean
  readonly isOpen: boolean
}

export interface DotGroup { readonly title: string, readonly dots: readonly Dot[] }

/** Groups over one axis. */
export interface DotPanel {
  readonly title: string
  readonly groups: readonly DotGroup[]
  format (value: number): string
}

const WIDTH = 820
const LABEL_WIDTH = 260
const VALUE_WIDTH = 80
const AXIS_WIDTH = WIDTH - LABEL_WIDTH - VALUE_WIDTH
const ROW_HEIGHT = 20
const HEADING_HEIGHT = 34
const AXIS_HEIGHT = 30

/** The plot as an SVG element. Values have to be positive. */
export function dotPlot (title: string, panels: readonly DotPanel[]): string {
  return svg(title, panels, '')
}

/** The same as a file. */
export function dotPlotFile (title: string, panels: readonly DotPanel[]): string {
  return `${svg(title, panels, ` xmlns="http://www.w3.org/2000/svg" width="${WIDTH}"`, figureStyle())}\n`
}

function svg (title: string, panels: readonly DotPanel[], attributes: string, style = ''): string {
  let top = 0
  const drawn = panels.map(panel => {
    const { content, height } = drawPanel(panel, top)
    top += height
    return content
  })
  return `<svg${attributes} viewBox="0 0 ${WIDTH} ${top}" role="img" aria-label="${escapeHtml(title)}">` +
    `<title>${escapeHtml(title)}</title>${style}${drawn.join('')}</svg>`
}

function drawPanel ({ title, groups, format }: DotPanel, top: number): { content: string, height: number } {
  const dots = groups.flatMap(group => group.dots)
  const first = Math.floor(Math.log10(Math.min(...dots.map(({ min }) => min))))
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...dots.map(({ max }) => max)))))
  const atX = (value: number): number => LABEL_WIDTH + AXIS_WIDTH * (Math.log10(value) - first) / (last - first)
  const parts = [text(0, top + HEADING_HEIGHT / 2, 'heading', title)]
  let y = top + HEADING_HEIGHT
  const axisTop = y
  for (const group of groups) {
    parts.push(text(0, y + HEADING_HEIGHT / 2, 'group', group.title))
    y += HEADING_HEIGHT
    for (const dot of group.dots) {
      parts.push(drawDot(dot, y + ROW_HEIGHT / 2, atX, format))
      y += ROW_HEIGHT
    }
  }
  for (let decade = first; decade <= last; decade++) {
    const x = atX(10 ** decade).toFixed(1)
    parts.unshift(`<path d="M${x} ${axisTop}V${y}" class="grid"/>`)
    parts.push(text(Number(x), y + AXIS_HEIGHT / 2, 'label', format(10 ** decade), 'middle'))
  }
  return { content: parts.join(''), height: y + AXIS_HEIGHT - top }
}

function drawDot (dot: Dot, y: number, atX: (value: number) => number, format: (value: number) => string): string {
  const { label, median, min, max, isMarked, isOpen } = dot
  const kind = `point${isMarked ? ' marked' : ''}${isOpen ? ' open' : ''}`
  return `<g><title>${escapeHtml(label)}: ${format(median)} (${format(min)}–${format(max)})</title>` +
    text(LABEL_WIDTH - 10, y, isMarked ? 'value' : 'label', label, 'end') +
    `<path d="M${atX(min).toFixed(1)} ${y}H${atX(max).toFixed(1)}" class="whisker"/>` +
    `<circle cx="${atX(median).toFixed(1)}" cy="${y}" r="5" class="${kind}"/>` +
    text(Math.max(atX(max), atX(median)) + 10, y, 'value', format(median)) + '</g>'
}

function text (x: number, y: number, kind: string, content: string, anchor = 'start'): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" class="${kind}" text-anchor="${anchor}">${escapeHtml(content)}</text>`
}
