// The faults that strike a cluster. Each begins, lasts, and is made good before it resolves; several may be at work at
// the same time, on different brokers.

import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { BrokerError } from '@sluice/client'
import { fillWith } from '../small-disk.js'
import type { BrokerNode } from './broker-node.js'
import { CONTROL_FAULTS } from './control-faults.js'
import type { Fault, FaultOutcome } from './fault.js'
import { ANYBODY } from './fault-cluster.js'
import type { FaultWorld } from './fault-world.js'

const RESTART_KILL_CHANCE = 0.2

/** By name. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  'kill-leader': { run: async world => killed(world, [await world.leaderNode()]) },
  'kill-follower': { run: async world => killed(world, [await world.followerNode()]) },
  'kill-several': { run: world => killed(world, world.free.filter(() => world.random.chance(0.6))) },
  'kill-all': { run: world => killed(world, world.cluster.nodes), isAlone: true },
  'lose-power': { run: async world => powerLost(world, [await world.leaderNode()]) },
  'lose-power-several': { run: world => powerLost(world, world.free.filter(() => world.random.chance(0.6))) },
  'lose-power-all': { run: world => powerLost(world, world.cluster.nodes), isAlone: true },
  'freeze-leader': { run: async world => freeze(world, await world.leaderNode()) },
  'freeze-follower': { run: async world => freeze(world, await world.followerNode()) },
  stop: { run: async world => stop(world, await world.leaderNode()) },
  'rolling-restart': { run: rollingRestart, isAlone: true },
  'cut-pair': { run: cutPair },
  'cut-one-way': { run: cutOneWay },
  isolate: { run: isolate },
  'slow-links': { run: slowLinks },
  'cut-clients': { run: cutClients },
  'reset-connections': { run: resetConnections },
  'full-disk': { run: fullDisk },
  'add-and-drain': { run: addAndDrain, isAlone: true },
  rebalance: { run: rebalance },
  ...CONTROL_FAULTS,
}

function names (nodes: readonly BrokerNode[]): string {
  return `broker${nodes.length === 1 ? '' : 's'} ${nodes.map(({ id }) => id).join(', ')}`
}

async function killed (world: FaultWorld, chosen: readonly (BrokerNode | null)[]): Promise<FaultOutcome> {
  const nodes = chosen.filter(node => node !== null)
  if (nodes.length === 0) return null
  return await world.holding(nodes, async () => {
    await Promise.all(nodes.map(node => node.kill()))
    const lastMs = world.lastMs()
    await delay(lastMs)
    for (const node of nodes) {
      while (world.random.chance(RESTART_KILL_CHANCE)) {
        node.launch()
        await delay(world.random.between(50, 1_500))
        await node.kill()
      }
    }
    await Promise.all(nodes.map(node => node.start()))
    return `killed ${names(nodes)} for ${lastMs} ms`
  })
}

/** All at the same moment: none of them can have told another one what it lost. */
async function powerLost (world: FaultWorld, chosen: readonly (BrokerNode | null)[]): Promise<FaultOutcome> {
  const nodes = chosen.filter(node => node?.hasPowerDisk === true) as BrokerNode[]
  if (nodes.length === 0) return null
  return await world.holding(nodes, async () => {
    await Promise.all(nodes.map(node => node.kill()))
    const lost: number[] = []
    for (const node of nodes) lost.push(await node.losePower(world.random))
    const lastMs = world.lastMs()
    await delay(lastMs)
    await Promise.all(nodes.map(node => node.start()))
    return `took the power from ${names(nodes)} for ${lastMs} ms, which lost ${lost.join(', ')} changes`
  })
}

async function freeze (world: FaultWorld, node: BrokerNode | null): Promise<FaultOutcome> {
  if (node === null) return null
  return await world.holding([node], async () => {
    node.freeze()
    const lastMs = world.lastMs()
    await delay(lastMs)
    node.thaw()
    return `froze broker ${node.id} for ${lastMs} ms`
  })
}

async function stop (world: FaultWorld, node: BrokerNode | null): Promise<FaultOutcome> {
  if (node === null) return null
  return await world.holding([node], async () => {
    await node.stop()
    await delay(world.random.between(0, 2_000))
    await node.start()
    return `stopped broker ${node.id}`
  })
}

async function rollingRestart (world: FaultWorld): Promise<FaultOutcome> {
  for (const node of [...world.cluster.nodes]) await stop(world, node)
  return 'restarted all brokers in turn'
}

/** Two brokers do not hear each other; everybody else hears both. */
async function cutPair (world: FaultWorld): Promise<FaultOutcome> {
  const { cluster, random } = world
  const [one, other] = await twoNodes(world)
  if (one === null || other === null) return null
  return await world.holding([one, other], async () => {
    const kind = random.pick(['hold', 'refuse'] as const)
    cluster.cutPair(one, other, kind)
    const lastMs = world.lastMs()
    await delay(lastMs)
    cluster.healPair(one, other, random.chance(0.5))
    return `cut brokers ${one.id} and ${other.id} (${kind}) for ${lastMs} ms`
  })
}

/** What one broker says does not arrive at another one, or at any; what it is told does. */
async function cutOneWay (world: FaultWorld): Promise<FaultOutcome> {
  const { cluster, random } = world
  const [from, to] = await twoNodes(world)
  if (from === null || to === null) return null
  const targets = random.chance(0.5) ? [to] : cluster.nodes.filter(node => node !== from)
  return await world.holding([from, to], async () => {
    const kind = random.pick(['hold', 'hold', 'refuse'] as const)
    for (const target of targets) cluster.setLink(from, target, kind)
    const lastMs = world.lastMs()
    await delay(lastMs)
    for (const target of targets) cluster.healPair(from, target, random.chance(0.5))
    return `cut what broker ${from.id} says to ${names(targets)} (${kind}) for ${lastMs} ms`
  })
}

/** Clients reach it, and nobody else: it must not go on for long, nor say what is not so. */
async function isolate (world: FaultWorld): Promise<FaultOutcome> {
  const { cluster, random } = world
  const node = await world.leaderNode()
  if (node === null) return null
  return await world.holding([node], async () => {
    const kind = random.pick(['hold', 'refuse'] as const)
    const others = cluster.nodes.filter(other => other !== node)
    const withControl = random.chance(0.5)
    for (const other of others) cluster.cutPair(node, other, kind)
    if (withControl) for (const proxy of node.controlProxies) proxy.setRule(ANYBODY, { there: kind, back: 'hold' })
    const lastMs = world.lastMs()
    await delay(lastMs)
    for (const other of others) cluster.healPair(node, other, random.chance(0.5))
    if (withControl) for (const proxy of node.controlProxies) proxy.heal(ANYBODY, true)
    return `isolated broker ${node.id}${withControl ? ', from etcd too' : ''} (${kind}) for ${lastMs} ms`
  })
}

async function slowLinks (world: FaultWorld): Promise<FaultOutcome> {
  const { cluster, random } = world
  const node = world.anyNode()
  if (node === null) return null
  return await world.holding([node], async () => {
    const slow = { delayMs: random.between(5, 200), lossShare: random.pick([0, 0.01, 0.05]) }
    const others = cluster.nodes.filter(other => other !== node)
    for (const other of others) {
      cluster.setLink(node, other, 'slow', slow)
      cluster.setLink(other, node, 'slow', slow)
    }
    const lastMs = 2 * world.lastMs()
    await delay(lastMs)
    for (const other of others) cluster.healPair(node, other, false)
    return `slowed the links of broker ${node.id} (${JSON.stringify(slow)}) for ${lastMs} ms`
  })
}

async function cutClients (world: FaultWorld): Promise<FaultOutcome> {
  const node = await world.leaderNode()
  if (node === null) return null
  return await world.holding([node], async () => {
    const kind = world.random.pick(['hold', 'refuse'] as const)
    node.clientProxy.setRule(ANYBODY, { there: kind, back: 'hold' })
    const lastMs = world.lastMs()
    await delay(lastMs)
    node.clientProxy.heal(ANYBODY, world.random.chance(0.5))
    return `cut clients from broker ${node.id} (${kind}) for ${lastMs} ms`
  })
}

async function resetConnections ({ cluster, random }: FaultWorld): Promise<FaultOutcome> {
  let count = 0
  for (const { clientProxy, peerProxy } of cluster.nodes) {
    count += clientProxy.cut(0.5)
    if (random.chance(0.3)) count += peerProxy.cut(0.5)
  }
  await delay(random.between(0, 1_000))
  return `reset ${count} connections`
}

async function fullDisk (world: FaultWorld): Promise<FaultOutcome> {
  const node = world.cluster.diskNode
  if (node === null || node.isTaken || !node.isUp) return null
  return await world.holding([node], async () => {
    const ballast = node.data.replace(/data$/, 'ballast')
    await fillWith(ballast)
    const lastMs = 2_000 + world.lastMs()
    await delay(lastMs)
    await rm(ballast)
    return `filled the disk of broker ${node.id} for ${lastMs} ms`
  })
}

/** A new broker gets its share, and one that was there from the start goes. */
async function addAndDrain (world: FaultWorld): Promise<FaultOutcome> {
  const { cluster, client } = world
  const added = await cluster.addNode()
  await client.admin.changePlacement('rebalance')
  await world.moved('a rebalance')
  const drained = world.random.pick(cluster.nodes.filter(node => node !== added && node !== cluster.diskNode))
  await client.admin.changePlacement('drain', { broker: drained.id })
  await world.moved(`the drain of broker ${drained.id}`)
  const { brokers } = await client.admin.clusterStatus()
  const left = brokers.find(({ brokerId }) => brokerId === drained.id)?.replicas ?? 0
  if (left > 0) world.report(`liveness: broker ${drained.id} holds ${left} replicas after it was drained`)
  await drained.stop()
  await cluster.removeNode(drained)
  return `added broker ${added.id}, drained broker ${drained.id}`
}

/** Leaders and replicas move while other things happen. */
async function rebalance ({ client, random }: FaultWorld): Promise<FaultOutcome> {
  const action = random.pick(['leaders', 'rebalance'] as const)
  try {
    const { moves } = await client.admin.changePlacement(action, { timeoutMs: 5_000 })
    return `${action}: ${moves.length} moves`
  } catch (error) {
    if (!BrokerError.is(error)) throw error
    return `${action} was refused: ${error.code}`
  }
}

/** A broker that leads something, and another one. */
async function twoNodes (world: FaultWorld): Promise<[BrokerNode | null, BrokerNode | null]> {
  const one = await world.leaderNode()
  const others = world.free.filter(node => node !== one)
  return [one, others.length === 0 ? null : world.random.pick(others)]
}
