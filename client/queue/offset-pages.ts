// Things by offset, where most offsets follow each other: a page for each 64 of them.
//
//   offset 130 ─▶ page 2 ─▶ [ 128 129 130 … 191 ], held until the last of it is gone
//
// A map with an entry for each offset takes a tenth of a microsecond to fill and empty again for each, and its table is
// garbage that the collector has to walk. Offsets that lie far apart cost a page each, half a KiB.
//
// Invariants: a page holds something; `latest` is one of the pages, or there is none.

const PAGE_SIZE = 64

interface Page<T> { readonly number: number, readonly items: (T | undefined)[], count: number }

/** See the head of this file. */
export class OffsetPages<T> {
  private readonly pages = new Map<number, Page<T>>()
  /** The page that was used last. */
  private latest: Page<T> | null = null

  /** True where there is nothing. */
  get isEmpty (): boolean { return this.pages.size === 0 }

  /** What is at `offset`, or undefined. */
  get (offset: number): T | undefined {
    return this.find(Math.floor(offset / PAGE_SIZE))?.items[offset % PAGE_SIZE]
  }

  /** Puts `item` at `offset`, in place of what is there. */
  set (offset: number, item: T): void {
    const number = Math.floor(offset / PAGE_SIZE)
    let page = this.find(number)
    if (page === undefined) {
      page = { number, items: new Array<T | undefined>(PAGE_SIZE).fill(undefined), count: 0 }
      this.pages.set(number, page)
      this.latest = page
    }
    const index = offset % PAGE_SIZE
    if (page.items[index] === undefined) page.count++
    page.items[index] = item
  }

  /** Takes out what is at `offset`, where there is something. */
  delete (offset: number): void {
    const page = this.find(Math.floor(offset / PAGE_SIZE))
    const index = offset % PAGE_SIZE
    if (page?.items[index] === undefined) return
    page.items[index] = undefined
    if (--page.count > 0) return
    this.pages.delete(page.number)
    this.latest = null
  }

  /** All there is, as a list of its own. */
  all (): T[] {
    const all: T[] = []
    for (const { items } of this.pages.values()) for (const item of items) if (item !== undefined) all.push(item)
    return all
  }

  private find (number: number): Page<T> | undefined {
    if (this.latest?.number === number) return this.latest
    const page = this.pages.get(number)
    if (page !== undefined) this.latest = page
    return page
  }
}
