// Writes with the producer of the client SDK, in bursts, and notes what it was told of each record.

import { setTimeout as delay } from 'node:timers/promises'
import { BrokerError, string, type Client, type Producer, type ProducerOptions } from '@sluice/client'
import type { History, ProducerHistory } from './history.js'
import type { SeededRandom } from './seeded-random.js'
import { recordKey, recordValue } from './test-record.js'

export interface ClientProducerSetup {
  readonly topic: string
  readonly keyed: boolean
  readonly idempotent: boolean
  /** Records sent together without waiting, at most. */
  readonly burstMax: number
  /** Longest pause between bursts, in milliseconds. */
  readonly pauseMsMax: number
  readonly producer?: ProducerOptions<string, string>
}

export class ClientProducerLoad {
  private readonly history: History
  private readonly setup: ClientProducerSetup
  private readonly record: ProducerHistory
  private readonly random: SeededRandom
  private readonly producer: Producer<string, string>
  private readonly running: Promise<void>
  private stopping = false

  constructor (client: Client, history: History, random: SeededRandom, setup: ClientProducerSetup) {
    this.history = history
    this.setup = setup
    this.random = random
    this.record = history.addProducer(setup)
    this.producer = client.topic(setup.topic, { key: string(), value: string() })
      .producer({ idempotent: setup.idempotent, ...setup.producer })
    this.running = this.run()
  }

  /** Ends the load; resolves when every record has its answer. */
  async stop (): Promise<void> {
    this.stopping = true
    await this.running
    await this.producer.close()
  }

  private async run (): Promise<void> {
    const { setup, random } = this
    while (!this.stopping) {
      const burst = random.between(1, setup.burstMax + 1)
      await Promise.all(Array.from({ length: burst }, () => this.sendNext()))
      await delay(random.between(0, setup.pauseMsMax + 1))
    }
  }

  private async sendNext (): Promise<void> {
    const { record, history } = this
    const sequence = record.sent++
    try {
      const { partition, offset } = await this.producer.send({
        key: recordKey(record.index, sequence, record.keyed),
        value: recordValue(record.index, sequence),
      })
      history.onAcknowledged(record, sequence, partition, offset)
    } catch (error) {
      if (!BrokerError.is(error)) history.report(`producer ${record.index} failed with what is no BrokerError: ${String(error)}`)
      else if (error.maybeApplied) history.onUnknown(record)
      else history.onRefused(record, sequence)
    }
  }
}
