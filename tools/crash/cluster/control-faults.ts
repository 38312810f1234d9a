// Faults of the control store: members of etcd that die, hang or are not reached.

import { setTimeout as delay } from 'node:timers/promises'
import type { EtcdProcess } from '../../etcd/etcd-process.js'
import type { Fault, FaultOutcome } from './fault.js'
import { ANYBODY } from './fault-cluster.js'
import type { FaultWorld } from './fault-world.js'

export const CONTROL_FAULTS: Readonly<Record<string, Fault>> = {
  'etcd-leader-kill': { run: world => strikeMembers(world, 'kill', leaderOf) },
  'etcd-leader-freeze': { run: world => strikeMembers(world, 'freeze', leaderOf) },
  'etcd-majority-down': { run: world => strikeMembers(world, world.random.pick(['kill', 'freeze']), majorityOf) },
  'cut-etcd': { run: cutEtcd },
}

/** Members die or stand still for a while; one such fault at a time. */
async function strikeMembers (
  world: FaultWorld, kind: 'kill' | 'freeze', choose: (world: FaultWorld) => Promise<EtcdProcess[]>,
): Promise<FaultOutcome> {
  if (world.isControlStruck) return null
  world.isControlStruck = true
  try {
    const members = await choose(world)
    if (members.length === 0) return null
    for (const member of members) {
      if (kind === 'kill') await member.kill()
      else member.pause()
    }
    const lastMs = world.lastMs() + world.random.pick([0, 0, 5_000])
    await delay(lastMs)
    for (const member of members) if (kind === 'freeze') member.resume()
    if (kind === 'kill') await Promise.all(members.map(member => member.restart()))
    return `${kind === 'kill' ? 'killed' : 'froze'} ${members.map(({ name }) => name).join(', ')} for ${lastMs} ms`
  } finally {
    world.isControlStruck = false
  }
}

async function majorityOf ({ cluster, random }: FaultWorld): Promise<EtcdProcess[]> {
  const { members } = cluster.etcd
  const first = random.between(0, members.length)
  const count = Math.floor(members.length / 2) + 1
  return Array.from({ length: count }, (_, index) => members[(first + index) % members.length]!)
}

async function leaderOf ({ cluster }: FaultWorld): Promise<EtcdProcess[]> {
  for (const member of cluster.etcd.members) {
    const status = await statusOf(member)
    if (status !== null && status.leader === status.header.member_id) return [member]
  }
  return []
}

interface MemberStatus { readonly leader: string, readonly header: { readonly member_id: string } }

async function statusOf ({ address }: EtcdProcess): Promise<MemberStatus | null> {
  try {
    const response = await fetch(`http://${address}/v3/maintenance/status`, {
      method: 'POST', body: '{}', signal: AbortSignal.timeout(1_000),
    })
    return await response.json() as MemberStatus
  } catch {
    return null
  }
}

/** One broker does not reach etcd, and everything else it does. */
async function cutEtcd (world: FaultWorld): Promise<FaultOutcome> {
  const node = await world.leaderNode()
  if (node === null) return null
  return await world.holding([node], async () => {
    const kind = world.random.pick(['hold', 'refuse'] as const)
    for (const proxy of node.controlProxies) proxy.setRule(ANYBODY, { there: kind, back: 'hold' })
    const lastMs = world.lastMs() + world.random.pick([0, 5_000])
    await delay(lastMs)
    for (const proxy of node.controlProxies) proxy.heal(ANYBODY, world.random.chance(0.5))
    return `cut broker ${node.id} from etcd (${kind}) for ${lastMs} ms`
  })
}
