// peerHello: another broker of the cluster says who it is, before it sends what its replicas say.

import { ERROR, type PeerHelloRequest, type PeerHelloResponse } from '@sluice/protocol'
import type { ApiHandler } from '../net/call.js'
import type { Peers } from '../peer/peers.js'

export function peerHelloHandler (peers: Peers): ApiHandler<PeerHelloRequest, PeerHelloResponse> {
  return {
    api: 'peerHello',
    handle ({ clusterId, brokerId, incarnation, targetId }, call) {
      const { connection } = call
      const fault = peers.accept(connection, clusterId, brokerId, incarnation, targetId)
      if (fault !== null) {
        call.fail(ERROR.INVALID_REQUEST, fault)
        return connection.end()
      }
      connection.onClosed.add(() => peers.onClosed(connection))
      const { identity } = peers
      call.respond({ brokerId: identity.brokerId, incarnation: identity.incarnation })
    },
  }
}
