// A well-behaved client at work beside whatever a test does to the broker. It must notice nothing: no error, no lost
// connection, no lost record.

import { setTimeout as delay } from 'node:timers/promises'
import { connect, string, type Client } from '@sluice/client'

const TOPIC = 'bystander'
const PAUSE_MS = 5

/** What it went through. */
export interface BystanderReport {
  readonly sent: number
  /** Records that came back, in order and unchanged. */
  readonly received: number
  /** Connections lost and calls that failed. */
  readonly complaints: readonly string[]
}

export class Bystander {
  private readonly client: Client
  private readonly complaints: string[] = []
  private readonly running: Promise<void>
  private sent = 0
  private stopping = false

  private constructor (client: Client) {
    this.client = client
    client.on('disconnect', ({ error }) => {
      if (error !== undefined) this.complaints.push(`lost its connection: ${error.message}`)
    })
    this.running = this.work()
  }

  /** Makes its topic and begins to work. */
  static async start (address: string): Promise<Bystander> {
    // One attempt for everything: what would be tried again is a complaint too.
    const client = connect({ brokers: [address], retry: false })
    await client.admin.createTopic(TOPIC, { partitions: 1 })
    return new Bystander(client)
  }

  /** Ends its work and reads back all it has sent. */
  async finish (): Promise<BystanderReport> {
    this.stopping = true
    await this.running
    let received = 0
    try {
      for await (const { value } of this.client.topic(TOPIC, { value: string() }).read()) {
        if (value === `record ${received}`) received++
        else this.complaints.push(`read ${value} in the place of record ${received}`)
      }
    } catch (error) {
      this.complaints.push(`could not read: ${(error as Error).message}`)
    }
    await this.client.close()
    return { sent: this.sent, received, complaints: this.complaints }
  }

  private async work (): Promise<void> {
    const producer = this.client.topic(TOPIC, { value: string() }).producer()
    while (!this.stopping) {
      try {
        await producer.send({ value: `record ${this.sent}` })
        this.sent++
      } catch (error) {
        this.complaints.push(`could not send record ${this.sent}: ${(error as Error).message}`)
        break
      }
      await delay(PAUSE_MS)
    }
    await producer.close()
  }
}
