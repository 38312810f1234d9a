// One HTML file with all that it needs: style in it, no scripts, no fonts or pictures from elsewhere; light or dark as
// the reader's system has it.

/** Colours, light and dark, and what plots are drawn with: `svg` is what they lie in. */
const COLOURS = `
:root { color-scheme: light dark; --text: #1a1d21; --dim: #5b6470; --back: #ffffff; --rule: #d9dee4;
  --bar: #9db4cc; --marked: #1f6feb; --code: #f3f5f7; --line0: #1f6feb; --line1: #b35900; --line2: #1a7f37; --line3: #8250df }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ec; --dim: #9aa5b1; --back: #14171a; --rule: #31383f;
  --bar: #47607a; --marked: #58a6ff; --code: #1f2429; --line0: #58a6ff; --line1: #e3a04f; --line2: #56d364; --line3: #bc8cff } }
`
const PLOTS = `
svg { font: 13px system-ui, sans-serif }
svg text { fill: var(--text); dominant-baseline: central } svg .label { fill: var(--dim) }
svg .heading { font-weight: 600; font-size: 15px } svg .group { font-weight: 600 }
svg .bar { fill: var(--bar) } svg .marked { fill: var(--marked) } svg .whisker { stroke: var(--text); fill: none }
svg .point { fill: var(--bar); stroke: var(--bar); stroke-width: 2 } svg .point.marked { fill: var(--marked); stroke: var(--marked) }
svg .point.open { fill: var(--back) }
svg .grid { stroke: var(--rule); fill: none } svg .line { fill: none; stroke-width: 2 } svg .band { opacity: .15; stroke: none }
svg .line0 { stroke: var(--line0) } svg .line1 { stroke: var(--line1) } svg .line2 { stroke: var(--line2) } svg .line3 { stroke: var(--line3) }
svg .line0.dot, svg .line0.band { fill: var(--line0) } svg .line1.dot, svg .line1.band { fill: var(--line1) }
svg .line2.dot, svg .line2.band { fill: var(--line2) } svg .line3.dot, svg .line3.band { fill: var(--line3) }
`
const PAGE = `
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.5rem } p.facts { color: var(--dim) }
figure { margin: 1.5rem 0; overflow-x: auto } figcaption { font-weight: 600; margin-bottom: .5rem }
figure svg { width: 100%; min-width: 36rem; height: auto }
.table { overflow-x: auto } table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap }
th:first-child, td:first-child { text-align: left } tr.marked td { font-weight: 600 }
pre { background: var(--code); padding: 1rem; overflow-x: auto; border-radius: 4px }
`

/** The style of a plot that is a file of its own. */
export function figureStyle (): string {
  return `<style>${COLOURS}${PLOTS}svg { background: var(--back) }</style>`
}

/** The page. `content` is HTML already. */
export function htmlPage (title: string, facts: readonly string[], content: readonly string[]): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${COLOURS}${PAGE}${PLOTS}</style>
<h1>${escapeHtml(title)}</h1>
${facts.map(fact => `<p class="facts">${escapeHtml(fact)}</p>`).join('\n')}
${content.join('\n')}
</html>
`
}

/** A table; the rows of `marked` are set off. */
export function htmlTable (
  header: readonly string[], rows: readonly (readonly string[])[], marked: ReadonlySet<number> = new Set(),
): string {
  const cells = (row: readonly string[], tag: 'th' | 'td'): string =>
    row.map(cell => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')
  const lines = rows.map((row, index) => `<tr${marked.has(index) ? ' class="marked"' : ''}>${cells(row, 'td')}</tr>`)
  return `<div class="table"><table><thead><tr>${cells(header, 'th')}</tr></thead><tbody>\n${lines.join('\n')}\n</tbody></table></div>`
}

export function escapeHtml (text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
