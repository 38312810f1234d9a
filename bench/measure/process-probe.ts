// What a process uses between two moments: processor time of all its threads, memory, garbage collection, and how late
// its event loop runs. Every process of a run has one, so that both sides are seen the same way.

import {
  constants, monitorEventLoopDelay, PerformanceObserver, type IntervalHistogram, type PerformanceEntry,
} from 'node:perf_hooks'

/** What a process has used in a window. */
export interface ProcessUsage {
  /** Processor time of all threads, in seconds. */
  cpuSeconds: number
  userSeconds: number
  systemSeconds: number
  /** Highest resident memory seen in the window, in bytes. */
  rssBytesMax: number
  /** Time spent in garbage collection, in seconds. */
  gcSeconds: number
  gcCount: number
  /** Collections of the whole heap among them: what memory outside of the heap forces is of this kind. */
  gcMajorCount: number
  /** How much later than asked for a timer of 10 ms fires, in microseconds. */
  eventLoopDelayP50Us: number
  eventLoopDelayP99Us: number
  eventLoopDelayMaxUs: number
}

const RSS_INTERVAL_MS = 100
const DELAY_RESOLUTION_MS = 10

export class ProcessProbe {
  private readonly delay: IntervalHistogram = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS })
  private readonly observer: PerformanceObserver
  private gcMs = 0
  private gcCount = 0
  private gcMajorCount = 0
  private rssBytesMax = 0
  private cpu: NodeJS.CpuUsage = process.cpuUsage()
  private timer: NodeJS.Timeout | undefined

  constructor () {
    this.observer = new PerformanceObserver(list => this.onGc(list.getEntries()))
    this.observer.observe({ entryTypes: ['gc'] })
  }

  /** Begins a window. */
  begin (): void {
    this.onGc(this.observer.takeRecords())
    this.gcMs = 0
    this.gcCount = 0
    this.gcMajorCount = 0
    this.rssBytesMax = process.memoryUsage.rss()
    this.delay.enable()
    this.delay.reset()
    clearInterval(this.timer)
    this.timer = setInterval(() => this.sampleRss(), RSS_INTERVAL_MS).unref()
    this.cpu = process.cpuUsage()
  }

  /** Ends the window. */
  end (): ProcessUsage {
    const { user, system } = process.cpuUsage(this.cpu)
    clearInterval(this.timer)
    this.sampleRss()
    this.onGc(this.observer.takeRecords())
    this.delay.disable()
    return {
      cpuSeconds: (user + system) / 1e6,
      userSeconds: user / 1e6,
      systemSeconds: system / 1e6,
      rssBytesMax: this.rssBytesMax,
      gcSeconds: this.gcMs / 1000,
      gcCount: this.gcCount,
      gcMajorCount: this.gcMajorCount,
      eventLoopDelayP50Us: lateUs(this.delay.percentile(50)),
      eventLoopDelayP99Us: lateUs(this.delay.percentile(99)),
      eventLoopDelayMaxUs: lateUs(this.delay.max),
    }
  }

  private onGc (entries: readonly PerformanceEntry[]): void {
    for (const entry of entries) {
      this.gcMs += entry.duration
      const { kind } = (entry as PerformanceEntry & { detail: { kind: number } }).detail
      if (kind === constants.NODE_PERFORMANCE_GC_MAJOR) this.gcMajorCount++
    }
    this.gcCount += entries.length
  }

  private sampleRss (): void {
    this.rssBytesMax = Math.max(this.rssBytesMax, process.memoryUsage.rss())
  }
}

/** The histogram holds whole intervals between two firings of its timer. */
function lateUs (intervalNs: number): number {
  return Number.isFinite(intervalNs) ? Math.max(0, Math.round(intervalNs / 1000 - DELAY_RESOLUTION_MS * 1000)) : 0
}
