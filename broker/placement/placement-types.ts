// What placement reckons with. Pure data: brokers by id, partitions by topic and number.

/** A broker that may hold replicas. */
export interface PlacementBroker {
  readonly brokerId: number
  /** Whatever fails together; '' where that is not said, which is a rack of its own for each broker. */
  readonly rack: string
  /** Its share of replicas, in proportion to that of the others; above 0. */
  readonly capacity: number
}

/** A partition and who holds it. */
export interface PlacedPartition {
  readonly topicId: string
  readonly partition: number
  /** Brokers, without doubles; the first is to lead. */
  readonly replicas: readonly number[]
  /** How many replicas there are to be, where that may be more or fewer than there are. */
  readonly replicationFactor?: number
  /** Who has the records, where that is not `replicas` yet since it is being moved; the leader first. */
  readonly held?: readonly number[]
}

/** How far above its fair share of replicas a broker may go: the `c` of consistent hashing with bounded loads. */
export const LOAD_FACTOR = 1.25
