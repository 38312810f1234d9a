// The other brokers of a cluster, for what this one cannot do by itself. A broker that is alone has none.

import { ERROR, type ApiName, type MessageOf } from '@sluice/protocol'

export interface OtherBrokers {
  /** This broker. */
  readonly brokerId: number
  /** Id of the broker that leads a partition; -1 where nobody does, or it is not known. */
  leaderOf (topicId: string, partition: number): number
  /** Under which epoch, as far as it is known here; -1 where it is not. */
  leaderEpochOf (topicId: string, partition: number): number
  /**
   * Asks another broker, behind what it was asked before. Rejects with an Error that has a `code` of the protocol.
   *
   * @param flag of FRAME_FLAG: forwarded or relayed.
   */
  request<A extends ApiName> (
    brokerId: number, api: A, message: MessageOf<A, 'request'>, flag: number, timeoutMs: number, payload?: Buffer,
  ): Promise<MessageOf<A, 'response'>>
}

const PASSING: ReadonlySet<number> = new Set([
  ERROR.NOT_LEADER, ERROR.LEADER_NOT_AVAILABLE, ERROR.NOT_ENOUGH_REPLICAS, ERROR.SHUTTING_DOWN, ERROR.OUTCOME_UNKNOWN,
])

/** True where a request failed as requests do while leaders move: nothing is wrong, and it is made again. */
export function isPassing (cause: unknown): boolean {
  return PASSING.has((cause as { code?: number }).code ?? -1)
}
