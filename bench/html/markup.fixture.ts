// A look at markup as strict as a reader of XML has it.

/** The first element that is not closed where it should be; nothing where all are. */
export function unclosed (markup: string): string {
  const open: string[] = []
  for (const [, slash, name, end] of markup.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (slash === '/') {
      if (open.pop() !== name) return name!
    } else if (end === '') open.push(name!)
  }
  return open.join(' ')
}
