// Which load does which work on which server.

import { makePeerLoad } from '../peers/loads/make-peer-load.js'
import type { PeerTarget } from '../peers/peer-table.js'
import { bareReceivers } from '../queue-workload.js'
import { bareBatchRecords, isBareWorkload, type BareWorkload, type Workload } from '../workload.js'
import { BareEndToEndLoad } from './bare-end-to-end-load.js'
import { BareFetchLoad } from './bare-fetch-load.js'
import { BareProduceLoad } from './bare-produce-load.js'
import { BareQueueLoad } from './bare-queue-load.js'
import type { Load } from './load.js'
import { SluiceAwaitSendLoad } from './sluice-await-send-load.js'
import { SluiceBacklogLoad } from './sluice-backlog-load.js'
import { SluiceEndToEndLoad } from './sluice-end-to-end-load.js'
import { SluiceFetchLoad } from './sluice-fetch-load.js'
import { SluiceMessagingLoad } from './sluice-messaging-load.js'
import { SluiceProduceLoad } from './sluice-produce-load.js'
import { SluiceQueueLatencyLoad } from './sluice-queue-latency-load.js'
import { SluiceQueueLoad } from './sluice-queue-load.js'

/** A server to work on. */
export type Target =
  | { readonly kind: 'sluice', readonly address: string }
  | { readonly kind: 'bare', readonly ports: { produce: number, tail: number, fetch: number }, readonly backlogBytes: number }
  | PeerTarget

/** Bytes that the bare loop has on their way; more makes it no faster. */
export const BARE_IN_FLIGHT_BYTES = 4 * 1024 * 1024

export function makeLoad (target: Target, workload: Workload): Load {
  if (target.kind === 'sluice') return sluiceLoad(target.address, workload)
  if (target.kind === 'peer') return makePeerLoad(target, workload)
  if (!isBareWorkload(workload)) throw new Error(`the bare loop has no ${workload.name}`)
  return bareLoad(target, workload)
}

function sluiceLoad (address: string, workload: Workload): Load {
  switch (workload.name) {
    case 'produce': return new SluiceProduceLoad(address, workload)
    case 'fetch': return new SluiceFetchLoad(address, workload)
    case 'e2e': return new SluiceEndToEndLoad(address, workload)
    case 'await-send': return new SluiceAwaitSendLoad(address, workload)
    case 'messaging': return new SluiceMessagingLoad(address, workload)
    case 'backlog': return new SluiceBacklogLoad(address, workload)
    case 'queue': return workload.rate === null
      ? new SluiceQueueLoad(address, workload)
      : new SluiceQueueLatencyLoad(address, workload)
  }
}

function bareLoad (target: Target & { kind: 'bare' }, workload: BareWorkload): Load {
  const { ports, backlogBytes } = target
  switch (workload.name) {
    case 'produce': return new BareProduceLoad({
      port: ports.produce,
      recordBytes: workload.size,
      batchRecords: bareBatchRecords(workload),
      connections: workload.connections,
      inFlight: { bytes: workload.inFlightBytes ?? BARE_IN_FLIGHT_BYTES },
      // As much is on its way as can be: how long that takes says how much it is.
      recordLatency: false,
    })
    case 'fetch': return new BareFetchLoad({
      port: ports.fetch, fileBytes: backlogBytes, recordBytes: workload.size, walk: workload.depth !== 'raw',
    })
    case 'e2e': return new BareEndToEndLoad({ ports, recordBytes: workload.size, rate: workload.rate })
    case 'await-send': return new BareProduceLoad({
      port: ports.produce,
      recordBytes: workload.size,
      batchRecords: 1,
      connections: 1,
      inFlight: { batches: workload.concurrency },
      recordLatency: true,
    })
    case 'queue':
      if (workload.rate !== null) {
        return new BareEndToEndLoad({ ports, recordBytes: workload.size, rate: workload.rate })
      }
      return new BareQueueLoad({
        ports,
        fileBytes: backlogBytes,
        batches: Math.ceil(workload.backlog / workload.receiveRecords),
        recordBytes: workload.size,
        receivers: bareReceivers(workload),
      })
  }
}
