// A broker process with a bystander at work, for tests that do harm to the one and look at the other.

import type { Test } from 'tap'
import { BrokerProcess } from '../crash/broker-process.js'
import { scratchFolder } from '../crash/scratch-folder.js'
import { WirePeer } from '../crash/wire-peer.js'
import { topicIds } from '../crash/read-partition.js'
import { connect } from '@sluice/client'
import { Bystander } from './bystander.js'

export interface BesiegedBroker {
  readonly broker: BrokerProcess
  /** A topic to do harm to. */
  readonly address: { readonly topicId: string, readonly partition: number }
}

/** Characters of the broker's log that a failed test shows. */
const LAST_WORDS = 4_000

/**
 * Runs `harm` against a fresh broker with a topic `target` of one partition. Afterwards the broker must be alive and
 * serve newcomers, the bystander must have noticed nothing, and a SIGTERM must end it in order.
 *
 * @param heapMaxMib what V8 may use, in MiB. The broker dies where it is made to hold more.
 */
export async function besiege (
  t: Test, options: Readonly<Record<string, string>>, harm: (besieged: BesiegedBroker) => Promise<void>,
  heapMaxMib?: number,
): Promise<void> {
  await using folder = await scratchFolder()
  await using broker = await BrokerProcess.start({ data: `${folder.path}/data`, options, heapMaxMib })
  await using client = connect({ brokers: [broker.address] })
  await client.admin.createTopic('target', { partitions: 1 })
  const bystander = await Bystander.start(broker.address)
  let topicId: string
  {
    await using peer = await WirePeer.connect(broker.port)
    topicId = (await topicIds(peer, ['target'])).get('target')!
  }
  await harm({ broker, address: { topicId, partition: 0 } })
  const { sent, received, complaints } = await bystander.finish()
  t.strictSame(complaints, [], 'the bystander noticed nothing')
  t.ok(sent > 0 && received === sent, `it sent ${sent} records and has them all back`)
  t.notOk(broker.isGone, 'the broker is alive')
  await t.resolves(WirePeer.connect(broker.port).then(peer => peer.close()), 'and takes newcomers')
  await client.close()
  t.strictSame(await broker.stop(), { code: 0, signal: null }, 'it stops in order')
  if (!t.passing()) t.comment(broker.stderr.slice(-LAST_WORDS))
}
