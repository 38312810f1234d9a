// The network of the crash runs: it breaks as it is told, and for whom.

import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { SeededRandom } from '../seeded-random.js'
import { LinkProxy } from './link-proxy.js'
import { socketOwner } from './socket-owner.js'

/** A server that sends back what it gets, and a proxy in front of it: the second connection is source 2, others 1. */
async function start (t: Test): Promise<LinkProxy> {
  const echo: Server = createServer(socket => {
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  const sources = [1, 2]
  const { port } = echo.address() as AddressInfo
  const proxy = await LinkProxy.start(port, new SeededRandom(1), () => sources.shift() ?? 1)
  t.teardown(async () => {
    await proxy[Symbol.asyncDispose]()
    echo.close()
  })
  return proxy
}

class Talker {
  readonly socket: Socket
  readonly isGone: Promise<void>
  heard = ''

  constructor (port: number) {
    this.socket = connect({ port, host: '127.0.0.1' })
    // A reset is what some of them are to see.
    this.socket.on('error', () => {})
    this.isGone = new Promise(resolve => this.socket.once('close', () => resolve()))
    this.socket.setEncoding('utf8').on('data', (text: string) => { this.heard += text })
  }

  async hears (text: string): Promise<void> {
    while (this.heard !== text) await once(this.socket, 'data')
  }
}

t.test('Link proxy: bytes of a held source wait, those of another one go on; none is lost, none changes its place', async t => {
  const proxy = await start(t)
  const one = new Talker(proxy.port)
  await once(one.socket, 'connect')
  one.socket.write('a')
  await one.hears('a')
  const other = new Talker(proxy.port)
  other.socket.write('x')
  await other.hears('x')
  proxy.setRule(1, { there: 'hold', back: 'pass' })
  one.socket.write('b')
  one.socket.write('c')
  for (const letter of 'yz') {
    other.socket.write(letter)
    await other.hears(letter === 'y' ? 'xy' : 'xyz')
  }
  t.equal(one.heard, 'a')
  proxy.heal(1, false)
  await one.hears('abc')
  t.equal(one.heard, 'abc')
})

t.test('Link proxy: answers wait where the way back is held', async t => {
  const proxy = await start(t)
  proxy.setRule(1, { there: 'pass', back: 'hold' })
  const one = new Talker(proxy.port)
  one.socket.write('a')
  await once(one.socket, 'connect')
  const other = new Talker(proxy.port)
  other.socket.write('x')
  await other.hears('x')
  t.equal(one.heard, '')
  proxy.heal(1, false)
  await one.hears('a')
})

t.test('Link proxy: a refused source is reset, and reset again until it is healed', async t => {
  const proxy = await start(t)
  const one = new Talker(proxy.port)
  one.socket.write('a')
  await one.hears('a')
  proxy.setRule(1, { there: 'refuse', back: 'hold' })
  await one.isGone
  const other = new Talker(proxy.port)
  other.socket.write('x')
  await other.hears('x')
  const again = new Talker(proxy.port)
  await again.isGone
  t.equal(again.heard, '')
  proxy.heal(1, false)
  const last = new Talker(proxy.port)
  last.socket.write('b')
  await last.hears('b')
})

t.test('Link proxy: a reset ends held connections, and what they held is lost', async t => {
  const proxy = await start(t)
  const one = new Talker(proxy.port)
  one.socket.write('a')
  await one.hears('a')
  proxy.setRule(1, { there: 'hold', back: 'hold' })
  one.socket.write('b')
  proxy.heal(1, true)
  await one.isGone
  t.equal(one.heard, 'a')
})

t.test('Link proxy: a slow link delivers everything in order', async t => {
  const proxy = await start(t)
  proxy.setRule(1, { there: 'pass', back: 'pass', delayMs: 2, lossShare: 0.2 })
  const one = new Talker(proxy.port)
  const text = Array.from({ length: 20 }, (_, index) => `${index},`)
  for (const word of text) {
    one.socket.write(word)
    await new Promise(resolve => setImmediate(resolve))
  }
  await one.hears(text.join(''))
})

t.test('Socket owner: says which process has opened a connection', { skip: process.platform !== 'linux' }, async t => {
  const server = createServer(socket => socket.on('error', () => {}))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = connect({ port, host: '127.0.0.1' })
  await once(socket, 'connect')
  t.equal(await socketOwner(socket.localPort!, port, [1, process.pid]), process.pid)
  t.equal(await socketOwner(socket.localPort!, port, [1]), null, 'somebody else has it')
  t.equal(await socketOwner(1, port, [process.pid]), null, 'there is no such connection')
  socket.destroy()
  server.close()
})
