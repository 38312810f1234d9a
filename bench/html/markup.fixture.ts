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

/** What a page would have to fetch from somewhere: nothing, where it is whole by itself. */
export function outsideReferences (markup: string): string[] {
  const pattern = /<(?:script|link|img|iframe|object|embed|use|image|base)\b[^>]*>|\b(?:src|href|srcset|action)\s*=[^ >]*|@import[^;]*|url\([^)]*\)/gi
  return [...markup.matchAll(pattern)].map(([text]) => text)
}
