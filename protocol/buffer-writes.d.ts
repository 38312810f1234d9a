// Node's Buffer has these methods, which skip the checks of `write`; its type declarations leave them out.
interface Buffer {
  utf8Write (text: string, position?: number, length?: number): number
  utf8Slice (start?: number, end?: number): string
  latin1Slice (start?: number, end?: number): string
}
