// A member of a stream group through the client SDK. It leaves and comes back as another member now and then, so that
// partitions move.

import { BrokerError, string, type Client, type Consumer } from '@sluice/client'
import type { GroupHistory } from './group-history.js'
import type { History } from './history.js'
import type { SeededRandom } from './seeded-random.js'

const COMMIT_INTERVAL_MS = 100
const SESSION_TIMEOUT_MS = 4_000
const MAX_WAIT_MS = 100
const STAY_MS_MIN = 1_000
const STAY_MS_MAX = 8_000

export class ClientGroupMember {
  private readonly client: Client
  private readonly history: History
  private readonly groupHistory: GroupHistory
  private readonly random: SeededRandom
  private readonly running: Promise<void>
  private consumer!: Consumer<string, string>
  private stopping = false

  constructor (client: Client, history: History, groupHistory: GroupHistory, random: SeededRandom) {
    this.client = client
    this.history = history
    this.groupHistory = groupHistory
    this.random = random
    this.running = this.run()
  }

  /** Commits, leaves the group and ends. */
  async stop (): Promise<void> {
    this.stopping = true
    await this.leave(this.consumer)
    await this.running
  }

  private async run (): Promise<void> {
    const { group, topic } = this.groupHistory
    try {
      while (!this.stopping) {
        const consumer = this.client.topic(topic, { key: string(), value: string() }).consumer({
          group,
          from: 'earliest',
          commitIntervalMs: COMMIT_INTERVAL_MS,
          sessionTimeoutMs: SESSION_TIMEOUT_MS,
          rebalanceTimeoutMs: SESSION_TIMEOUT_MS,
          maxWaitMs: MAX_WAIT_MS,
        })
        this.consumer = consumer
        const leave = setTimeout(() => { this.leave(consumer) }, this.random.between(STAY_MS_MIN, STAY_MS_MAX))
        await this.consume(consumer)
        clearTimeout(leave)
        await this.leave(consumer)
      }
    } catch (error) {
      this.report('gave up', error as Error)
    }
  }

  private async leave (consumer: Consumer<string, string>): Promise<void> {
    await consumer.close().catch((error: Error) => this.report('did not close', error))
  }

  private async consume (consumer: Consumer<string, string>): Promise<void> {
    for (;;) {
      try {
        for await (const { partition, offset, key, value } of consumer) {
          this.groupHistory.onDelivered(partition, { offset, key, value })
        }
        return
      } catch (error) {
        if (!BrokerError.is(error) || error.code !== 'CORRUPT' || error.resumeOffset === undefined) throw error
        // A range that the run has damaged: go on behind it.
        this.groupHistory.onHole(error.partition!, { from: error.offset!, to: error.resumeOffset })
        await consumer.seek({ [error.partition!]: error.resumeOffset })
      }
    }
  }

  private report (what: string, error: Error): void {
    this.history.report(`a client in group ${this.groupHistory.group} ${what}: ${error.stack}`)
  }
}
