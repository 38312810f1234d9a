// The broker under test, in a process of its own: the one that `sluice broker` runs, with a probe.
//
//   argument 1   the broker's options as JSON

import { runBrokerProcess, type Broker } from '@sluice/broker'
import { answerServerCalls } from './server-calls.js'

const state: { broker: Broker | null } = { broker: null }

answerServerCalls(() => {
  const before = sentToPeers()
  return () => {
    const { frames, bytes } = sentToPeers()
    return { peerSentBytes: bytes - before.bytes, peerSentFrames: frames - before.frames }
  }
})
process.exit(await runBrokerProcess({
  flags: JSON.parse(process.argv[2]!) as Record<string, string>,
  onReady: broker => { state.broker = broker },
}))

function sentToPeers (): { frames: number, bytes: number } {
  return state.broker?.services.peers?.sent() ?? { frames: 0, bytes: 0 }
}
