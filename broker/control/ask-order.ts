// Which requests of another broker come too late.
//
// A broker that has no answer asks again, perhaps over another connection; what it had asked before may still lie in
// some buffer, and a leader that was deposed may not know of it yet. Whoever takes requests that must not be done twice
// or out of turn remembers how far each owner has come:
//
//   (epoch 3, ask 7) ─ (epoch 3, ask 9) ─ (epoch 4, ask 1)      what comes behind a later one was given up
//                                  ▲ (epoch 3, ask 8) is refused from here on
//
// In memory only: it holds for requests to one process. Those to a later one name the leader epoch that they are for.

interface Latest { readonly epoch: number, readonly ask: number }

export class AskOrder {
  private readonly latest = new Map<string, Latest>()
  private readonly ownersMax: number

  /** @param ownersMax owners that are remembered; who was silent longest is forgotten first. */
  constructor (ownersMax: number) {
    this.ownersMax = ownersMax
  }

  /** Notes a request. False where it comes after a later one of its owner: it must not be done any more. */
  takes (owner: string, epoch: number, ask: number): boolean {
    const latest = this.latest.get(owner)
    if (latest !== undefined && (epoch < latest.epoch || (epoch === latest.epoch && ask <= latest.ask))) return false
    // The last of the map is who was here last.
    this.latest.delete(owner)
    this.latest.set(owner, { epoch, ask })
    if (this.latest.size > this.ownersMax) {
      const [oldest] = this.latest.keys()
      this.latest.delete(oldest!)
    }
    return true
  }

  /** False where somebody with a higher epoch speaks for the owner by now. */
  isCurrent (owner: string, epoch: number): boolean { return epoch >= (this.latest.get(owner)?.epoch ?? epoch) }
}
