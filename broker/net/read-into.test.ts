// Many connections that read into the same memory: each gets its own bytes, whole and in order.

import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { readInto } from './read-into.js'

interface Reading { socket: Socket, chunks: Buffer[] }

async function serve (t: Test, onReading: (reading: Reading) => void): Promise<{ server: Server, port: number }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, accepted => {
    const chunks: Buffer[] = []
    const socket = readInto(accepted, bytes => chunks.push(Buffer.from(bytes)))
    onReading({ socket, chunks })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { server, port: (server.address() as AddressInfo).port }
}

t.test('Reading: connections that share the memory get their own bytes, and the server sees them all go', async t => {
  const readings: Reading[] = []
  const ended: Promise<unknown>[] = []
  const { server, port } = await serve(t, reading => {
    readings.push(reading)
    ended.push(once(reading.socket, 'end'))
    reading.socket.resume()
  })
  const clients = await Promise.all(Array.from({ length: 8 }, async () => {
    const client = connect({ port, host: '127.0.0.1' })
    await once(client, 'connect')
    return client.resume()
  }))
  for (let round = 0; round < 20; round++) {
    clients.forEach((client, index) => client.write(Buffer.alloc(30_000, index)))
    await new Promise(resolve => setImmediate(resolve))
  }
  for (const client of clients) client.end()
  await Promise.all(ended)
  const bytes = readings.map(({ chunks }) => Buffer.concat(chunks))
  for (const each of bytes) t.ok(each.length === 600_000 && each.every(byte => byte === each[0]))
  t.same(bytes.map(each => each[0]).sort(), [0, 1, 2, 3, 4, 5, 6, 7])
  const closed = clients.map(client => once(client, 'close'))
  for (const { socket } of readings) socket.end('bye')
  await Promise.all(closed)
  const stopped = once(server, 'close')
  server.close()
  await stopped
})

t.test('Reading: nothing is read before resume, nor after a pause from inside', async t => {
  const readings: Reading[] = []
  const { port } = await serve(t, reading => { readings.push(reading) })
  const client = connect({ port, host: '127.0.0.1' })
  t.teardown(() => client.destroy())
  await once(client, 'connect')
  client.write(Buffer.alloc(4 * 1024 * 1024))
  while (readings.length === 0) await new Promise(resolve => setImmediate(resolve))
  const { socket, chunks } = readings[0]!
  t.teardown(() => socket.destroy())
  for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
  t.equal(chunks.length, 0)
  const push = chunks.push.bind(chunks)
  chunks.push = (...given) => {
    socket.pause()
    return push(...given)
  }
  for (let count = 1; count <= 3; count++) {
    socket.resume()
    while (chunks.length < count) await new Promise(resolve => setImmediate(resolve))
    for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
    t.equal(chunks.length, count)
  }
})

t.test('Reading: a socket whose handle is not where Node 20 has it is read by its data events', async t => {
  const chunks: Buffer[] = []
  const { port } = await serve(t, () => {})
  const socket = connect({ port, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  const handled = new Proxy(socket, {
    get: (target, name) => {
      if (name === '_handle') return undefined
      const value = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  readInto(handled, bytes => chunks.push(bytes))
  socket.emit('data', Buffer.from('bytes'))
  t.equal(Buffer.concat(chunks).toString(), 'bytes')
})
