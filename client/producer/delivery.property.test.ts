import fc from 'fast-check'
import t from 'tap'
import { ERROR } from '@sluice/protocol'
import { connect } from '../client.js'
import { string } from '../serdes.js'
import { ScriptedBroker, type Interception } from '../testing/scripted-broker.js'
import { valuesOf } from '../testing/stored-values.js'

const NOTHING = 'nothing'
const FAULT = fc.constantFrom(NOTHING, NOTHING, NOTHING, 'close', 'apply-and-close', 'busy', 'hold', 'not-leader', 'unavailable')

function interception (fault: string, batches: { partition: number }[]): Interception | undefined {
  const refuse = (error: number): Interception => ({
    action: 'answer',
    message: {
      throttleMs: 0,
      results: batches.map(({ partition }) => ({
        partition, error, message: '', baseOffset: -1, logStartOffset: -1, duplicate: false, leader: -1, leaderEpoch: -1, duplicateRecords: [],
      })),
    },
  })
  switch (fault) {
    case 'close': return { action: 'close' }
    case 'apply-and-close': return { action: 'apply-and-close' }
    case 'busy': return { action: 'error', code: ERROR.BUSY, retryAfterMs: 1 }
    case 'hold': return { action: 'hold', until: new Promise(resolve => setTimeout(resolve, 5)) }
    case 'not-leader': return refuse(ERROR.NOT_LEADER)
    case 'unavailable': return refuse(ERROR.STORAGE_UNAVAILABLE)
    default: return undefined
  }
}

t.test('Producer: whatever happens to requests, each record is stored once, in order, where it says', async t => {
  await fc.assert(fc.asyncProperty(
    fc.array(FAULT, { maxLength: 40 }),
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 200 }),
    fc.integer({ min: 1, max: 30 }),
    fc.constantFrom(1, 5, 64),
    async (faults, partitions, records, burst, rememberedBatches) => {
      await using broker = await ScriptedBroker.start()
      const { logs } = broker.addTopic('t', partitions)
      broker.hello = { rememberedBatches }
      for (const log of logs) log.rememberedBatches = rememberedBatches
      let request = 0
      broker.intercept = seen => seen.api === 'produce'
        ? interception(faults[request++] ?? NOTHING, seen.message.batches)
        : undefined
      await using client = connect({ brokers: [broker.address], retry: { initialDelayMs: 1, maxDelayMs: 4 } })
      const producer = client.topic('t', { value: string() }).producer({ batchBytes: 1024 })
      const wanted: string[][] = logs.map(() => [])
      const sent = []
      for (let index = 0; index < records; index++) {
        const partition = index % partitions
        const value = `${index}`.padStart(40, '.')
        wanted[partition]!.push(value)
        sent.push(producer.send({ value, partition }).then(({ offset }) => ({ partition, offset, value })))
        if (index % burst === 0) await new Promise(resolve => setImmediate(resolve))
      }
      const places = await Promise.all(sent)
      const stored = logs.map(valuesOf)
      if (JSON.stringify(stored) !== JSON.stringify(wanted)) return false
      return places.every(({ partition, offset, value }) => stored[partition]![offset] === value)
    },
  ), { numRuns: 60, seed: 20_26 })
  t.pass('60 runs')
})
