// Words about what was done, for people: on standard error, which leaves standard output to data.

/** Says `text` on a line of its own. */
export function note (text: string): void {
  process.stderr.write(`${text}\n`)
}

/** `1 record`, `12,000 records`. */
export function countOf (count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`
}
