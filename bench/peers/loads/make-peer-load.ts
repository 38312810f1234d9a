// Which load does which work on a peer.

import type { Load } from '../../load/load.js'
import type { Workload } from '../../workload.js'
import type { PeerTarget } from '../peer-table.js'
import { PeerEndToEndLoad } from './peer-end-to-end-load.js'
import { PeerFetchLoad } from './peer-fetch-load.js'
import { PeerProduceLoad } from './peer-produce-load.js'
import { PeerQueueLoad } from './peer-queue-load.js'

export function makePeerLoad (target: PeerTarget, workload: Workload): Load {
  switch (workload.name) {
    case 'produce': return new PeerProduceLoad(target, workload)
    case 'fetch': return new PeerFetchLoad(target, workload)
    case 'queue': return new PeerQueueLoad(target, workload)
    case 'e2e': return new PeerEndToEndLoad(target, workload)
    default: throw new Error(`peers have no ${workload.name}`)
  }
}
