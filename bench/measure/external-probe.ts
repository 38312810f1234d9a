// What a server that is not ours uses between two moments, with the processes below it, from Linux's /proc. Elsewhere
// nothing is known.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { ProcessUsage } from './process-probe.js'

/** What can be told from outside. */
export type ServerUsage = Pick<ProcessUsage, 'cpuSeconds' | 'userSeconds' | 'systemSeconds' | 'rssBytesMax'>

/** Processor time in /proc is in these, on every architecture that Node.js runs on. */
const TICKS_PER_SECOND = 100
/** Written to `clear_refs`, it begins the highest resident memory anew. */
const RESET_PEAK = '5'

interface Ticks { user: number, system: number }

export class ExternalProbe {
  private readonly pids: readonly number[]
  private start: Ticks | null = null

  /** @param pids of the server, or of those of a cluster; what they start counts too. */
  constructor (pids: readonly number[]) {
    this.pids = pids
  }

  /** Begins a window. */
  begin (): void {
    try {
      for (const pid of this.pids.flatMap(processesBelow)) writeFileSync(`/proc/${pid}/clear_refs`, RESET_PEAK)
      this.start = ticksOf(this.pids)
    } catch {
      this.start = null
    }
  }

  /** Ends the window; null where nothing is known. */
  end (): ServerUsage | null {
    if (this.start === null) return null
    try {
      const { user, system } = ticksOf(this.pids)
      const userSeconds = (user - this.start.user) / TICKS_PER_SECOND
      const systemSeconds = (system - this.start.system) / TICKS_PER_SECOND
      const rssBytesMax = this.pids.flatMap(processesBelow).reduce((sum, pid) => sum + peakBytesOf(pid), 0)
      return { cpuSeconds: userSeconds + systemSeconds, userSeconds, systemSeconds, rssBytesMax }
    } catch {
      return null
    }
  }
}

/** A process and, on Linux, all that it has started, directly or not. */
export function processesBelow (root: number): number[] {
  const parents = new Map<number, number>()
  for (const name of existsSync('/proc') ? readdirSync('/proc') : []) {
    if (!/^\d+$/.test(name)) continue
    const stat = statOf(Number(name))
    if (stat !== null) parents.set(Number(name), Number(stat[1]))
  }
  const found = [root]
  for (const pid of found) for (const [child, parent] of parents) if (parent === pid) found.push(child)
  return found
}

/** Of the living, and of those that have ended and were waited for. */
function ticksOf (roots: readonly number[]): Ticks {
  const sum = { user: 0, system: 0 }
  for (const pid of roots.flatMap(processesBelow)) {
    const stat = statOf(pid)
    if (stat === null) continue
    const [user, system, childrenUser, childrenSystem] = stat.slice(11, 15).map(Number)
    sum.user += user! + childrenUser!
    sum.system += system! + childrenSystem!
  }
  return sum
}

/** The fields of /proc/PID/stat from the state on: the name before it may hold anything. Null when it has ended. */
function statOf (pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null
  }
}

function peakBytesOf (pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}
