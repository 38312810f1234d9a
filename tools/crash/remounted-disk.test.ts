// A file system that the kernel makes read-only under a running broker, as ext4 does when its disk reports errors. It
// takes the rights of root to make and to mount one; where they are missing the test is skipped.

import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import t from 'tap'
import { BrokerError, connect } from '@sluice/client'
import { errorName } from '@sluice/protocol'
import { BrokerProcess } from './broker-process.js'
import { numberedBatch, produceBatch, range, readNumbered, writeNumbered } from './numbered-records.js'
import { topicIds } from './read-partition.js'
import { scratchFolder } from './scratch-folder.js'
import { WirePeer } from './wire-peer.js'

// Real processes on a machine that may be busy with others.
t.setTimeout(300_000)

const run = promisify(execFile)
const IMAGE_BYTES = 64 * 2 ** 20
const RECORDS = 100

interface Ext4 extends AsyncDisposable {
  readonly path: string
  /** What the kernel does on an error of the disk: aborts the journal, and allows no write from now on. */
  abort (): Promise<void>
  /** Unmounts it, plays its journal back and mounts it again, as a restart of the machine does. */
  restart (): Promise<void>
}

async function makeExt4 (): Promise<Ext4> {
  const folder = await scratchFolder()
  const [image, path] = [`${folder.path}/image`, `${folder.path}/disk`]
  const mount = (): Promise<unknown> => run('mount', ['-o', 'loop', image, path])
  try {
    await mkdir(path)
    await writeFile(image, '')
    await run('truncate', ['-s', String(IMAGE_BYTES), image])
    await run('mkfs.ext4', ['-q', '-F', image])
    await mount()
  } catch (error) {
    await folder[Symbol.asyncDispose]()
    throw error
  }
  return {
    path,
    abort: async () => { await run('mount', ['-o', 'remount,abort', path]) },
    restart: async () => {
      await run('umount', [path])
      await run('e2fsck', ['-fy', image]).catch(() => {}) // 1: it has mended something
      await mount()
    },
    async [Symbol.asyncDispose] () {
      await run('umount', ['-l', path])
      await folder[Symbol.asyncDispose]()
    },
  }
}

const canMount = await makeExt4().then(async disk => {
  await disk.abort()
  await disk[Symbol.asyncDispose]()
  return true
}).catch(() => false)

t.test('Read-only disk: turned so under a broker, writes are refused with the cause, reads go on, nothing is lost',
  canMount ? {} : { skip: 'mounting a file system takes the rights of root' }, async t => {
    await using disk = await makeExt4()
    const data = `${disk.path}/data`
    await using broker = await BrokerProcess.start({ data, options: { 'shutdown-timeout': '1s' } })
    await using client = connect({ brokers: [broker.address] })
    await client.admin.createTopic('orders', { partitions: 1 })
    await using peer = await WirePeer.connect(broker.port)
    const address = { topicId: (await topicIds(peer, ['orders'])).get('orders')!, partition: 0 }
    await writeNumbered(peer, address, 0, RECORDS)

    await disk.abort()
    for (let attempt = 0; attempt < 2; attempt++) {
      const refused = await produceBatch(peer, address, numberedBatch(RECORDS), 1_000)
      t.equal(errorName(refused.error), 'STORAGE_UNAVAILABLE')
      t.match(refused.message, /EROFS|EIO|read-only/i)
    }
    const { state, stateReason } = (await client.admin.describeTopic('orders')).partitions[0]!
    t.equal(state, 'readOnly')
    t.match(stateReason, /EROFS|EIO|read-only/i)
    t.strictSame((await readNumbered(peer, address)).offsets, range(0, RECORDS), 'what was acknowledged is read')
    await using impatient = connect({ brokers: [broker.address], retry: false })
    const refusal: unknown = await impatient.admin.createTopic('more', { partitions: 1 }).catch((error: unknown) => error)
    t.ok(BrokerError.is(refusal) && /EROFS|EIO|read-only/i.test(refusal.message), String(refusal))
    await t.resolves(peer.request('listTopics', {}), 'and it goes on answering')
    const { code, signal } = await broker.stop(25_000)
    t.equal(signal, null, 'it ends by itself, and soon')
    t.equal(code, 1, 'and says that not everything could be closed')
    t.match(broker.stderr, /EROFS|EIO|read-only/i)

    await disk.restart()
    await using again = await BrokerProcess.start({ data })
    await using reader = await WirePeer.connect(again.port)
    t.strictSame((await readNumbered(reader, address)).offsets.slice(0, RECORDS), range(0, RECORDS))
    t.equal((await again.stop()).code, 0)
  })
