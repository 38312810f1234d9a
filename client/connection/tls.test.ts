import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { promisify } from 'node:util'
import t from 'tap'
import { connect } from '../client.js'
import { string } from '../serdes.js'
import { ScriptedBroker } from '../testing/scripted-broker.js'

const run = promisify(execFile)

/** A certificate for 127.0.0.1 that is its own authority; null where this machine cannot make one. */
async function makeCertificate (folder: string): Promise<{ key: Buffer, cert: Buffer } | null> {
  const key = join(folder, 'key.pem')
  const cert = join(folder, 'cert.pem')
  try {
    await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1',
      '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert])
  } catch {
    return null
  }
  return { key: await readFile(key), cert: await readFile(cert) }
}

t.test('Connection: over TLS', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-tls-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const certificate = await makeCertificate(folder)
  if (certificate === null) return t.pass('no openssl here to make a certificate')
  await using broker = await ScriptedBroker.start()
  broker.addTopic('t')
  const [host, port] = broker.address.split(':') as [string, string]
  const server = tls.createServer(certificate, socket => {
    const inner = net.connect(Number(port), host)
    socket.pipe(inner).pipe(socket)
    socket.on('error', () => inner.destroy())
    inner.on('error', () => socket.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { server.close() })
  const brokers = [`127.0.0.1:${(server.address() as net.AddressInfo).port}`]

  const trusting = connect({ brokers, tls: { ca: certificate.cert } })
  const topic = trusting.topic('t', { value: string() })
  const value = 'x'.repeat(500_000)
  await topic.producer().send({ value })
  for await (const record of topic.read()) t.equal(record.value, value)
  await trusting.close()

  const doubting = connect({ brokers, tls: true })
  await t.rejects(doubting.ready(), { code: 'AUTHENTICATION', message: /certificate.*not trusted.*tls.ca/ })
  await doubting.close()
})
