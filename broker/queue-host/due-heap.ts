// A binary heap of (due time, offset), earliest first. Entries are never taken out of the middle: whoever reads the top
// asks whether it still counts.

interface Due { readonly dueMs: number, readonly offset: number }

export class DueHeap {
  private readonly items: Due[] = []

  get first (): Due | undefined { return this.items[0] }

  push (dueMs: number, offset: number): void {
    const { items } = this
    const entry: Due = { dueMs, offset }
    let index = items.length
    items.push(entry)
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(entry, items[parent]!)) break
      items[index] = items[parent]!
      index = parent
    }
    items[index] = entry
  }

  drop (): void {
    const { items } = this
    const last = items.pop()
    if (last === undefined || items.length === 0) return
    let index = 0
    for (;;) {
      let child = index * 2 + 1
      if (child >= items.length) break
      if (child + 1 < items.length && isBefore(items[child + 1]!, items[child]!)) child++
      if (!isBefore(items[child]!, last)) break
      items[index] = items[child]!
      index = child
    }
    items[index] = last
  }
}

function isBefore (a: Due, b: Due): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.offset < b.offset)
}
