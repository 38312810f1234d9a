// What a soak measured, line by line, each with the bound that it is held to, if there is one.

export interface Figure {
  readonly scenario: string
  readonly name: string
  readonly value: number
  readonly unit: 'bytes' | 'ms' | 'records' | 'records/s'
  /** The highest value that passes; null where nothing is promised. */
  readonly max: number | null
}

/** Takes down what one scenario measures. */
export class FigureSheet {
  readonly figures: Figure[] = []
  private readonly scenario: string
  private readonly say: (figure: Figure) => void

  /** @param say hears each figure at once */
  constructor (scenario: string, say: (figure: Figure) => void) {
    this.scenario = scenario
    this.say = say
  }

  note (name: string, value: number, unit: Figure['unit'], max: number | null = null): void {
    const figure = { scenario: this.scenario, name, value: Math.round(value), unit, max }
    this.figures.push(figure)
    this.say(figure)
  }
}

export function isWithin ({ value, max }: Figure): boolean { return max === null || value <= max }

/** A line for people. */
export function formatFigure (figure: Figure): string {
  const { scenario, name, value, unit, max } = figure
  const bound = max === null ? '' : `  ${isWithin(figure) ? 'ok' : 'MISSED'}: at most ${formatValue(max, unit)}`
  return `${scenario.padEnd(10)} ${name.padEnd(52)} ${formatValue(value, unit).padStart(14)}${bound}`
}

function formatValue (value: number, unit: Figure['unit']): string {
  switch (unit) {
    case 'bytes': return `${(value / 1e6).toFixed(1)} MB`
    case 'ms': return value < 10_000 ? `${Math.round(value)} ms` : `${(value / 1_000).toFixed(1)} s`
    case 'records': return Math.round(value).toLocaleString('en')
    case 'records/s': return `${Math.round(value).toLocaleString('en')}/s`
  }
}
