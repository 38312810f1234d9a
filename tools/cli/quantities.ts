// Durations, sizes and rates as people write and read them.

const DURATION_MS: Readonly<Record<string, number>> = {
  ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000,
}

/** Milliseconds of `500ms`, `10s`, `1h30m` or a plain number of milliseconds; null where it is none. */
export function parseDuration (text: string): number | null {
  if (/^\d+$/.test(text)) return Number(text)
  if (!/^(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+$/.test(text)) return null
  let ms = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)) ms += Number(amount) * DURATION_MS[unit!]!
  return Math.round(ms)
}

/** A size with the unit that fits it: `1.5 MiB`. */
export function formatBytes (bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (Math.abs(value) >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

/** A count with thin separators: `1,234,567`. */
export function formatCount (count: number): string {
  return Math.round(count).toLocaleString('en-US')
}

/** `12,000 records, 1.1 MiB in 0.5 s (24,000 records/s, 2.2 MiB/s)`. */
export function formatThroughput (records: number, bytes: number, ms: number): string {
  const seconds = Math.max(ms, 0.001) / 1000
  return `${formatCount(records)} ${records === 1 ? 'record' : 'records'}, ${formatBytes(bytes)} in ${seconds.toFixed(1)} s ` +
    `(${formatCount(records / seconds)} records/s, ${formatBytes(Math.round(bytes / seconds))}/s)`
}

/** A time as ISO 8601 in UTC; `-` where it is not known (negative). */
export function formatTime (ms: number): string {
  return ms < 0 ? '-' : new Date(ms).toISOString()
}
