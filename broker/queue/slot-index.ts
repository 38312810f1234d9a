// Finds the slot of a key: open addressing with linear probing over a column of keys that the owner holds. 4 bytes a
// place, no object per key. Keys are integers of up to 53 bits.
//
// Invariants: at most half of the places are taken; no hole lies between the home of a key and its place.

const PLACES_MIN = 16
/** Up to here places are kept: who fills and empties it all day must not pay for that. */
const PLACES_KEPT = 4_096

export class SlotIndex {
  private keys: Float64Array
  /** Slot + 1; 0 where free. */
  private places = new Int32Array(PLACES_MIN)
  private count = 0

  constructor (keys: Float64Array) {
    this.keys = keys
  }

  get size (): number { return this.count }

  /** The owner has moved its column. */
  setKeys (keys: Float64Array): void { this.keys = keys }

  /** The slot of `key`, or -1. */
  find (key: number): number {
    const { places, keys } = this
    const mask = places.length - 1
    for (let place = homeOf(key) & mask; ; place = (place + 1) & mask) {
      const slot = places[place]! - 1
      if (slot < 0 || keys[slot] === key) return slot
    }
  }

  /** `keys[slot]` is set already and not in the index yet. */
  add (slot: number): void {
    if ((this.count + 1) * 2 > this.places.length) this.resize(this.places.length * 2)
    this.count++
    this.insert(slot)
  }

  /** `keys[slot]` is still set. */
  remove (slot: number): void {
    const { places, keys } = this
    const mask = places.length - 1
    let hole = homeOf(keys[slot]!) & mask
    while (places[hole] !== slot + 1) hole = (hole + 1) & mask
    // What was pushed past the hole moves back, so that no search ends early.
    for (let place = (hole + 1) & mask; places[place] !== 0; place = (place + 1) & mask) {
      const home = homeOf(keys[places[place]! - 1]!) & mask
      if (((place - home) & mask) < ((place - hole) & mask)) continue
      places[hole] = places[place]!
      hole = place
    }
    places[hole] = 0
    this.count--
    if (this.places.length > PLACES_KEPT && this.count * 16 < this.places.length) this.resize(this.places.length >> 2)
  }

  private resize (length: number): void {
    const old = this.places
    this.places = new Int32Array(Math.max(PLACES_MIN, length))
    for (const taken of old) if (taken !== 0) this.insert(taken - 1)
  }

  private insert (slot: number): void {
    const { places } = this
    const mask = places.length - 1
    let place = homeOf(this.keys[slot]!) & mask
    while (places[place] !== 0) place = (place + 1) & mask
    places[place] = slot + 1
  }
}

function homeOf (key: number): number {
  const low = Math.imul(key >>> 0, 0x9e3779b1)
  const high = Math.imul((key / 0x100000000) >>> 0, 0x85ebca6b)
  const mixed = low ^ high
  return mixed ^ (mixed >>> 15)
}
