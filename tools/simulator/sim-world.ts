// What the parts of a simulation share.

import type { TopicRecord } from '@sluice/broker/simulation'
import type { Checker } from './checker.js'
import type { EventLog } from './event-log.js'
import type { EventQueue } from './event-queue.js'
import type { GroupChecker } from './group-checker.js'
import type { Mutant } from './mutants.js'
import type { Moment, SimBroker } from './sim-broker.js'
import type { SimControlServer } from './sim-control-server.js'
import type { SimNetwork } from './sim-network.js'
import type { SwarmOptions } from './swarm-options.js'

export interface SimWorld {
  readonly options: SwarmOptions
  readonly queue: EventQueue
  readonly log: EventLog
  readonly checker: Checker
  /** Null where there are no groups. */
  readonly groupChecker: GroupChecker | null
  readonly network: SimNetwork
  readonly control: SimControlServer
  readonly brokers: readonly SimBroker[]
  readonly mutant: Mutant
  readonly topic: TopicRecord
  /** Nothing goes wrong any more. */
  isCalm: boolean
  /** Runs the promises that are settled. */
  settle (): void
  /** Something has happened that faults are aimed at. */
  onMoment (broker: SimBroker, moment: Moment): void
}
