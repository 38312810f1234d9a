// Dead letters and their redrive on a cluster of real processes, of which each is killed in the middle.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, string, type Queue } from '@sluice/client'
import t from 'tap'
import { LocalCluster } from '../../cluster/local-cluster.js'
import { isEtcdInstalled } from '../../etcd/etcd-process.js'

// Processes start and stop, which takes its time on a busy machine.
t.setTimeout(300_000)

const skip = await isEtcdInstalled() ? false : 'etcd is not installed'

const TEXT = { key: string(), value: string() }
const LETTERS = 240

type Texts = Queue<string | null, string | null>

/** Records of a queue that are not settled; while a leader is missing nobody can tell. */
async function outstandingIn (queue: Texts): Promise<number> {
  try {
    const { fresh, ready, delayed, leased, blocked, deadLetterPending } = await queue.stats()
    return fresh + ready + delayed + leased + blocked + deadLetterPending
  } catch {
    return -1
  }
}

/** A worker that is told to stop rejects. */
function unlessAborted (cause: Error): void {
  if (cause.name !== 'AbortError') throw cause
}

t.test('Redrive: each letter is there once and moved once although every broker is killed meanwhile (kill -9)', { skip }, async t => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-redrive-'))
  const cluster = await LocalCluster.start({ folder, brokers: 3 })
  const client = connect({ brokers: cluster.addresses })
  t.teardown(async () => {
    await client.close()
    await cluster.stop()
    await rm(folder, { recursive: true, force: true })
  })
  const settings = { replicas: 3, visibilityMs: 2_000 }
  await client.admin.createQueue('dead', { ...settings, partitions: 4 })
  await client.admin.createQueue('jobs', { ...settings, partitions: 6, maxAttempts: 1, deadLetter: 'dead' })
  const jobs = client.queue('jobs', TEXT) as Texts
  const dead = client.queue('dead', TEXT) as Texts
  const sent = Array.from({ length: LETTERS }, (_, index) => String(index))
  await Promise.all(sent.map(value => jobs.send({ key: value, value })))

  // All of them die; so does a broker, and its letters are on their way to others then.
  const buried = new AbortController()
  const failed = new Set<string>()
  const burying = jobs.work(({ value }) => {
    failed.add(value!)
    throw new Error('broken')
  }, { concurrency: 20, signal: buried.signal }).catch(unlessAborted)
  while (failed.size < LETTERS / 2) await sleep(10)
  await cluster.broker(1).kill()
  await cluster.startBroker(1)
  while (await outstandingIn(jobs) !== 0) await sleep(100)
  buried.abort()
  await burying

  const job = await dead.redrive({ recordsPerSecond: 60 })
  for (const id of [1, 2, 3]) {
    while ((await job.status()).moved < LETTERS / 5 * id) await sleep(50)
    await cluster.broker(id).kill()
    await cluster.startBroker(id)
  }
  t.match(await job.done(), { state: 'done', moved: LETTERS, matched: LETTERS }, 'each letter was there once')

  // A record may be handed out more than once; it lies in one place.
  const places = new Map<string, Set<string>>()
  const done = new AbortController()
  const working = jobs.work(({ value, partition, offset }) => {
    const known = places.get(value!) ?? new Set()
    places.set(value!, known.add(`${partition}:${offset}`))
  }, { concurrency: 20, signal: done.signal }).catch(unlessAborted)
  while (places.size < LETTERS || await outstandingIn(jobs) !== 0) await sleep(100)
  done.abort()
  await working
  t.strictSame([...places.keys()].sort(), sent.sort())
  t.strictSame([...places].filter(([, { size }]) => size !== 1), [], 'no record was moved twice')
  t.strictSame(await dead.receive({ maxRecords: 10, waitMs: 1_000 }), [], 'no letter is left')
})
