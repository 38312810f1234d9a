import { fork, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { DirectoryLock, readLockHolder } from './directory-lock.js'

function folder (t: Test): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-lock-'))
  t.teardown(() => fs.rmSync(directory, { recursive: true, force: true }))
  return directory
}

async function started (t: Test, directory: string): Promise<ChildProcess> {
  const child = fork(new URL('directory-lock.child.js', import.meta.url), [directory], { execArgv: [] })
  t.teardown(() => { child.kill('SIGKILL') })
  await once(child, 'message')
  return child
}

/** Lets the child try: 'held' or 'locked'. */
async function tried (child: ChildProcess): Promise<string> {
  const answer = once(child, 'message')
  child.send('go')
  return (await answer)[0] as string
}

async function killed (child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

t.test('DirectoryLock: a second process is refused, and told who holds it', async (t) => {
  const directory = folder(t)
  const child = await started(t, directory)
  t.equal(await tried(child), 'held')
  t.match(readLockHolder(directory), { pid: child.pid, host: os.hostname(), since: /^20..-/ })
  await t.rejects(DirectoryLock.acquire(directory), {
    code: 'LOCKED', message: new RegExp(`in use by another process \\(process ${child.pid} on .*, since 20`),
  })
  await killed(child)
})

t.test('DirectoryLock: it is free when its holder was killed, and when it was released', async (t) => {
  const directory = folder(t)
  for (let round = 0; round < 3; round++) {
    const child = await started(t, directory)
    t.equal(await tried(child), 'held')
    await killed(child)
    const lock = await DirectoryLock.acquire(directory)
    t.equal(readLockHolder(directory)!.pid, process.pid)
    const other = await started(t, directory)
    t.equal(await tried(other), 'locked')
    lock.release()
    lock.release()
    t.equal(readLockHolder(directory), null)
  }
})

t.test('DirectoryLock: a stopped holder still holds it (SIGSTOP)', async (t) => {
  const directory = folder(t)
  const child = await started(t, directory)
  t.equal(await tried(child), 'held')
  child.kill('SIGSTOP')
  await t.rejects(DirectoryLock.acquire(directory), { code: 'LOCKED' })
  child.kill('SIGCONT')
  await t.rejects(DirectoryLock.acquire(directory), { code: 'LOCKED' })
  await killed(child)
  const lock = await DirectoryLock.acquire(directory)
  lock.release()
})

t.test('DirectoryLock: of simultaneous starters exactly one gets it (after a holder was killed)', async (t) => {
  const directory = folder(t)
  for (let round = 0; round < 6; round++) {
    const children = await Promise.all(Array.from({ length: 4 }, () => started(t, directory)))
    const answers = await Promise.all(children.map(tried))
    t.same(answers.sort(), ['held', 'locked', 'locked', 'locked'])
    await Promise.all(children.filter(child => child.exitCode === null && child.signalCode === null).map(killed))
  }
})

t.test('DirectoryLock: the same process gets it once, by whichever path', async (t) => {
  const directory = folder(t)
  const link = `${directory}-link`
  fs.symlinkSync(directory, link)
  t.teardown(() => fs.rmSync(link))
  const lock = await DirectoryLock.acquire(directory)
  await t.rejects(DirectoryLock.acquire(directory), { code: 'LOCKED' })
  await t.rejects(DirectoryLock.acquire(link), { code: 'LOCKED' })
  const child = await started(t, link)
  t.equal(await tried(child), 'locked', 'and still holds it')
  lock.release()
  const again = await DirectoryLock.acquire(link)
  again.release()
})

t.test('DirectoryLock: a long path is locked as any other', async (t) => {
  const directory = path.join(folder(t), ...Array.from({ length: 8 }, () => 'x'.repeat(100)))
  fs.mkdirSync(directory, { recursive: true })
  const lock = await DirectoryLock.acquire(directory)
  const child = await started(t, directory)
  t.equal(await tried(child), 'locked')
  lock.release()
})

t.test('DirectoryLock: files left torn by a power cut are no obstacle', async (t) => {
  for (const contents of [Buffer.alloc(0), Buffer.alloc(8192), Buffer.alloc(100_000, 0xA5)]) {
    const directory = folder(t)
    fs.mkdirSync(`${directory}/lock`)
    for (const name of ['data.mdb', 'lock.mdb', 'holder.json']) fs.writeFileSync(`${directory}/lock/${name}`, contents)
    const lock = await DirectoryLock.acquire(directory)
    const child = await started(t, directory)
    t.equal(await tried(child), 'locked', `${contents.length} bytes of rubbish`)
    lock.release()
  }
})

/** A container in short: a PID namespace and a network of its own, with the folder shared. */
const UNSHARE = ['--fork', '--pid', '--net', '--uts', '--ipc', '--mount-proc', '--kill-child']

t.test('DirectoryLock: containers that share a volume lock each other out (namespaces of their own)', async (t) => {
  if (spawnSync('unshare', [...UNSHARE, 'true']).status !== 0) {
    t.plan(0, 'needs the right to make namespaces')
    return
  }
  const directory = folder(t)
  const script = new URL('directory-lock.child.js', import.meta.url).pathname
  const contained = async (): Promise<ChildProcess> => {
    const child = spawn('unshare', [...UNSHARE, process.execPath, script, directory], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    t.teardown(() => { child.kill('SIGKILL') })
    await once(child, 'message')
    return child
  }
  const [first, second] = [await contained(), await contained()]
  t.equal(await tried(first), 'held')
  t.equal(await tried(second), 'locked', 'both are process 1 of their own')
  await t.rejects(DirectoryLock.acquire(directory), { code: 'LOCKED' }, 'neither is it free outside')
  await killed(first)
  // The kernel takes the processes of the namespace down after its first one.
  const lock = await acquiredSoon(directory)
  const third = await contained()
  t.equal(await tried(third), 'locked', 'what is held outside is held inside')
  lock.release()
})

async function acquiredSoon (directory: string): Promise<DirectoryLock> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await DirectoryLock.acquire(directory)
    } catch (error) {
      if (attempt === 100) throw error
    }
  }
}
