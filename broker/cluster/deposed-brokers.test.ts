import t from 'tap'
import type { BrokerRecord } from './cluster-records.js'
import { deposedBrokers, type SuspicionEntry } from './deposed-brokers.js'

function brokers (...ids: number[]): Map<number, BrokerRecord> {
  return new Map(ids.map(brokerId => [brokerId, {
    brokerId, incarnation: `i${brokerId}`, storeId: `s${brokerId}`, host: 'h', port: 1, rack: '', capacity: 1, startedAt: 0, version: '',
  }]))
}

/** '1>2' : broker 1 suspects broker 2. In this order. */
function said (...texts: string[]): SuspicionEntry[] {
  return texts.map((text, index) => {
    const [by, suspect] = text.split('>').map(Number) as [number, number]
    return { by, suspect, incarnation: `i${suspect}`, byIncarnation: `i${by}`, revision: index + 1 }
  })
}

const CASES: readonly (readonly [string, Map<number, BrokerRecord>, SuspicionEntry[], number[]])[] = [
  ['nobody is suspected', brokers(1, 2, 3), [], []],
  ['one of three says so: a link is broken, not a broker', brokers(1, 2, 3), said('1>2'), []],
  ['two of three say so', brokers(1, 2, 3), said('1>2', '3>2'), [2]],
  ['two brokers: one says so', brokers(1, 2), said('1>2'), [2]],
  ['two brokers suspect each other: the first to say so stays', brokers(1, 2), said('2>1', '1>2'), [1]],
  ['a broker that is cut off suspects all others, first', brokers(1, 2, 3), said('2>1', '2>3', '1>2', '3>2'), [2]],
  ['two of five are cut off and say so first: the three stay', brokers(1, 2, 3, 4, 5),
    said('4>1', '4>2', '4>3', '5>1', '5>2', '5>3', '1>4', '2>4', '3>4', '1>5', '2>5', '3>5'), [4, 5]],
  ['two of five are gone', brokers(1, 2, 3, 4, 5), said('1>4', '1>5', '2>4', '2>5'), [4, 5]],
  ['the only broker', brokers(1), said('1>1'), []],
  ['of three registered, one is gone: the other two still need each other\'s word', brokers(1, 2, 3),
    said('1>3', '2>3'), [3]],
]

for (const [name, there, suspicions, expected] of CASES) {
  t.test(`Deposed: ${name}`, async t => {
    t.strictSame([...deposedBrokers(there, suspicions)].sort(), expected)
  })
}

t.test('Deposed: a word about, or of, an earlier process counts for nothing', async t => {
  const there = brokers(1, 2, 3)
  const stale = said('1>2', '3>2')
  t.strictSame([...deposedBrokers(there, stale.map(each => ({ ...each, incarnation: 'older' })))], [])
  t.strictSame([...deposedBrokers(there, stale.map(each => ({ ...each, byIncarnation: 'older' })))], [])
  there.delete(3)
  t.strictSame([...deposedBrokers(there, stale)], [2], 'who is gone has no say, and there is nobody else to ask')
  there.delete(2)
  t.strictSame([...deposedBrokers(there, stale)], [], 'who is not registered cannot be deposed')
})
