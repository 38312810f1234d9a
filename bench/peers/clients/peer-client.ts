// What the driver asks of every peer, so that all of them are loaded in one way.
//
//   send         records in, resolved when the server has acknowledged all of them: it is called several times at once
//   readBacklog  one pass over what is there, from its start
//   tail         from now on every record, at once
//   work         records are received and acknowledged, as fast as they come
//
// A client that cannot go on throws or rejects: the driver ends with it, and the sample fails.

/** A value as the library hands it out. */
export type PeerValue = Uint8Array | string

export interface PeerClient {
  send (values: readonly Buffer[]): Promise<void>
  /** Reads `count` records from the start of the log. */
  readBacklog? (count: number, onRecord: (value: PeerValue) => void): Promise<void>
  /** Resolves when it is ready; the log or queue is empty until then. */
  tail (onRecord: (value: PeerValue) => void): Promise<void>
  /** Receives and acknowledges from now on; `onDone` is told how many records are through. */
  work? (onDone: (records: number) => void): Promise<void>
  /** Lets go of its connections. What is under way fails or stays open. */
  close (): Promise<void>
}

/** Where a client finds its server and its library. */
export interface PeerAddress {
  readonly port: number
  /** Replicas of what is made there. */
  readonly replicas: number
  readonly libraries: string
}

/** Name of the stream or queue in every server. */
export const PEER_TOPIC = 'bench'
