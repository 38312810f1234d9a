// Connections that come in numbers, stay silent, go half away or stand still.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { errorName } from '@sluice/protocol'
import { WirePeer, frameOf } from '../crash/wire-peer.js'
import { numberedBatch, produceBatch } from '../crash/numbered-records.js'
import { besiege } from './besieged-broker.js'

// Real processes on a machine that may be busy with others.
t.setTimeout(300_000)

const MIB = 2 ** 20

t.test('Connections: a thousand idle ones cost little and hinder nobody', t => besiege(t, {}, async ({ broker }) => {
  const before = await broker.rssBytes()
  const peers: WirePeer[] = []
  for (let round = 0; round < 10; round++) {
    peers.push(...await Promise.all(Array.from({ length: 100 }, () => WirePeer.connect(broker.port))))
  }
  const after = await broker.rssBytes()
  t.comment(`RSS ${(before / MIB).toFixed(0)} MiB before, ${(after / MIB).toFixed(0)} MiB with 1,000 connections`)
  t.ok(after - before < 200 * MIB)
  await using late = await WirePeer.connect(broker.port)
  await t.resolves(late.request('listTopics', {}))
  await Promise.all(peers.map(peer => peer.close()))
}))

t.test('Connections: one too many is told so, and there is room again when one goes', t =>
  // The bystander, its set-up and the client that made the topics hold some of them.
  besiege(t, { 'max-connections': '20' }, async ({ broker }) => {
    const peers: WirePeer[] = []
    let refusal: string | null = null
    for (let count = 0; count < 25 && refusal === null; count++) {
      const peer = await WirePeer.connectSilently(broker.port)
      const answer = await peer.hello().then(() => null, (error: Error) => error)
      if (answer === null) {
        peers.push(peer)
      } else {
        await peer.closed
        refusal = peer.connectionErrors.map(({ code }) => errorName(code)).join() || answer.message
      }
    }
    t.equal(refusal, 'BUSY')
    t.ok(peers.length >= 10)
    await peers.pop()!.close()
    await delay(100)
    await using next = await WirePeer.connect(broker.port)
    await t.resolves(next.request('listTopics', {}))
    await Promise.all(peers.map(peer => peer.close()))
  }))

t.test('Connections: a client that has sent its last byte still gets its answers (half-open)', t =>
  besiege(t, {}, async ({ broker, address }) => {
    const peer = await WirePeer.connect(broker.port)
    const batch = numberedBatch(0)
    const produced = produceBatch(peer, address, batch)
    const listed = peer.request('listTopics', {})
    peer.socket.end()
    t.equal((await produced).baseOffset, 0)
    t.ok((await listed).message.topics.length > 0)
    await peer.closed
  }))

t.test('Connections: clients that vanish in the middle of a long poll leave nothing behind', t =>
  besiege(t, {}, async ({ broker, address }) => {
    for (let round = 0; round < 50; round++) {
      const peer = await WirePeer.connect(broker.port)
      const partitions = [{ ...address, offset: 0, lastEpoch: -1, maxBytes: MIB }]
      const request = { maxWaitMs: 60_000, minBytes: 1, maxBytes: MIB, partitions }
      peer.request('fetch', request, { unordered: true }).catch(() => {})
      if (round % 2 === 0) peer.socket.resetAndDestroy()
      await peer.close()
    }
    await using peer = await WirePeer.connect(broker.port)
    t.equal((await produceBatch(peer, address, numberedBatch(0))).baseOffset, 0)
    const { message } = await peer.request('describeBroker', {})
    t.ok(message.connections < 10, `${message.connections} connections are left`)
  }))

t.test('Connections: a connection that never says hello is closed', t => besiege(t, {}, async ({ broker }) => {
  const socket = connect({ port: broker.port, host: '127.0.0.1' })
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  await once(socket, 'end')
  t.match(Buffer.concat(chunks).toString('latin1'), /no hello/)
  socket.destroy()
}))

t.test('Connections: a client that is stopped in the middle of a flood is held back alone (SIGSTOP)', t =>
  besiege(t, {}, async ({ broker }) => {
    // A process of its own that sends requests and reads answers, until it is stopped.
    const frame = frameOf('metadata', { topics: null }, 1)
    const hello = frameOf('hello', { clientName: '', clientVersion: '', apis: [], features: 0, mechanism: null }, 0)
    const script = `
      const socket = require('node:net').connect(${broker.port}, '127.0.0.1')
      const frame = Buffer.from('${frame.toString('hex')}', 'hex')
      socket.write(Buffer.from('${hello.toString('hex')}', 'hex'))
      socket.on('data', () => {})
      const send = () => { while (socket.write(frame)); socket.once('drain', send) }
      send()
      console.log('flooding')`
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      await once(child.stdout, 'data')
      await delay(300)
      child.kill('SIGSTOP')
      const before = await broker.rssBytes()
      await delay(1_000)
      const after = await broker.rssBytes()
      t.comment(`RSS ${(before / MIB).toFixed(0)} MiB when it stopped, ${(after / MIB).toFixed(0)} MiB a second later`)
      t.ok(after - before < 100 * MIB)
      await using peer = await WirePeer.connect(broker.port)
      await t.resolves(peer.request('listTopics', {}))
    } finally {
      child.kill('SIGKILL')
    }
  }))
