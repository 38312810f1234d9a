// replicate: what another broker's replicas say to those on this one. It has no response.

import { ERROR, type ReplicateRequest } from '@sluice/protocol'
import type { ApiHandler } from '../net/call.js'
import type { Peers } from '../peer/peers.js'

export function replicateHandler (peers: Peers): ApiHandler<ReplicateRequest, never> {
  return {
    api: 'replicate',
    isOneWay: true,
    isServedToTheEnd: true, // what is on its way is still to be committed
    handle (request, call, { bytes, bodyEnd, payloadEnd }) {
      const fault = peers.receive(call.connection, request, bytes, bodyEnd, payloadEnd)
      if (fault === null) return call.finishSilently()
      call.fail(ERROR.INVALID_REQUEST, fault)
      call.connection.end()
    },
  }
}
