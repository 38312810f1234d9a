// A whole broker in one process: opens the data folder, brings the topics back, listens, and stops in order.
//
//   start: lock the folder ─ meta store ─ control store ─ logs ─ topics ─ groups ─ listen
//   stop:  refuse new work, tell clients ─ answer what is in flight ─ close connections ─ sync and close logs ─ unlock
//
// Everything it touches comes in through `BrokerParts`, so that a test or a simulator can put other ones in.

import { hostname } from 'node:os'
import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks'
import { ERROR } from '@sluice/protocol'
import {
  DataDirectory, LOG_STORE_LIMITS_DEFAULT, LmdbMetaStore, LogStore, MetaStoreCorruptError, NodeDisk,
  type Disk, type LogEvent, type MetaStore,
} from '@sluice/storage'
import { apiHandlers } from './api/handlers.js'
import { Dispatcher } from './api/dispatcher.js'
import type { BrokerServices } from './api/services.js'
import type { BrokerConfig } from './config.js'
import { LmdbControlStore } from './control/lmdb-control-store.js'
import { ProducerIds } from './control/producer-ids.js'
import { TopicCatalog } from './control/topic-catalog.js'
import { TopicFiles } from './control/topic-files.js'
import { LIMITS } from './limits.js'
import { TcpServer } from './net/tcp-server.js'
import { PartitionTable } from './partition/partition-table.js'
import { systemClock, type Clock } from './runtime/clock.js'
import { DeadlineQueue } from './runtime/deadline-queue.js'
import { Housekeeping } from './runtime/housekeeping.js'
import type { Logger } from './runtime/logger.js'
import { endOfTurn } from './runtime/turn.js'
import { VERSION } from './version.js'

/** What a broker is made of besides its options. */
export interface BrokerParts {
  logger: Logger
  disk?: Disk
  clock?: Clock
}

const EPOCH_KEY = '/epoch'
const EVENT_LOOP_WINDOW_MS = 60_000

export class Broker {
  /** The address in use, with the real port. */
  readonly address: { readonly host: string, readonly port: number }
  readonly services: BrokerServices
  private readonly stopSteps: () => Promise<void>
  private stopped: Promise<void> | null = null

  private constructor (
    address: { host: string, port: number }, services: BrokerServices, stopSteps: () => Promise<void>,
  ) {
    this.address = address
    this.services = services
    this.stopSteps = stopSteps
  }

  /**
   * Starts a broker.
   *
   * @throws DataDirectoryError, ListenError and others whose message says what to do.
   */
  static async start (config: BrokerConfig, parts: BrokerParts): Promise<Broker> {
    const undo: (() => Promise<unknown>)[] = []
    try {
      return await startBroker(config, parts, undo, (address, services, stop) => new Broker(address, services, stop))
    } catch (error) {
      for (const step of undo.reverse()) await step().catch(() => {})
      throw error
    }
  }

  /** Stops in order; resolves when everything is synced and closed. Calling it again changes nothing. */
  stop (): Promise<void> {
    this.stopped ??= this.stopSteps()
    return this.stopped
  }
}

type MakeBroker = (address: { host: string, port: number }, services: BrokerServices, stop: () => Promise<void>) => Broker

async function startBroker (
  config: BrokerConfig, parts: BrokerParts, undo: (() => Promise<unknown>)[], make: MakeBroker,
): Promise<Broker> {
  const { logger } = parts
  const clock = parts.clock ?? systemClock
  const disk = parts.disk ?? new NodeDisk()
  const startedAtMs = clock.wallMs()

  const directory = await DataDirectory.open(config.data, { brokerId: config.id })
  undo.push(() => directory.close())
  const { clean } = await directory.markDirty()
  const meta = await openMetaStore(config.data, disk, logger, clock)
  undo.push(() => meta.close())
  const logs = await LogStore.open({
    directory: config.data,
    disk,
    meta,
    clock,
    endOfTurn,
    limits: {
      ...LOG_STORE_LIMITS_DEFAULT,
      tailCacheBytes: config.tailCacheBytes,
      openFiles: config.openFiles,
      unwrittenBytesTotal: config.maxUnwrittenBytes,
      checkpointIntervalMs: config.checkpointIntervalMs,
    },
    cleanStart: clean,
    report: event => reportLogEvent(logger, event),
  })
  undo.push(() => logs.close())

  const control = new LmdbControlStore(meta)
  const leaderEpoch = await nextEpoch(control)
  const partitions = new PartitionTable({
    store: logs, meta, leaderEpoch, topicDefaults: config.topicDefaults, wallMs: () => clock.wallMs(), endOfTurn, logger,
  })
  const topics = new TopicCatalog({
    control,
    partitions,
    files: new TopicFiles(disk, config.data),
    defaultPartitions: config.defaultPartitions,
    wallMs: () => clock.wallMs(),
    logger,
  })
  await topics.load()

  const deadlines = new DeadlineQueue()
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  let dispatcher: Dispatcher
  const server = new TcpServer({
    maxConnections: config.maxConnections,
    maxFrameBytes: config.maxFrameBytes,
    maxInFlightRequests: config.maxInFlightRequests,
    maxInFlightBytes: config.maxInFlightBytes,
    maxHeldBytes: config.maxHeldBytes,
    maxUnsentBytes: config.maxUnsentBytes,
    endOfTurn,
    monotonicMs: () => clock.monotonicMs(),
    logger,
    onFrame: (connection, frame) => dispatcher.dispatch(connection, frame),
  })
  const port = await server.listen(config.listen.host, config.listen.port)
  const address = { host: config.listen.host, port }
  const services: BrokerServices = {
    config,
    version: VERSION,
    clusterId: directory.identity.clusterId,
    brokerId: directory.identity.brokerId,
    advertised: advertisedAddress(config, port),
    clock,
    endOfTurn,
    deadlines,
    logger,
    topics,
    partitions,
    producerIds: new ProducerIds(control, LIMITS.producerIdBlock, () => clock.wallMs()),
    unsent: server.unsent,
  }
  dispatcher = new Dispatcher(apiHandlers(services, {
    startedAtMs,
    connections: () => server.connections.size,
    rssBytes: () => process.memoryUsage.rss(),
    eventLoopDelayP99Us: () => Math.round(delay.percentile(99) / 1000),
    diskSpace: () => disk.space(config.data),
  }, () => dispatcher.apis), logger)

  const housekeeping = new Housekeeping({
    partitions,
    clock,
    logger,
    concurrency: config.backgroundConcurrency,
    checkpointIntervalMs: config.checkpointIntervalMs,
    retentionIntervalMs: config.retentionIntervalMs,
    compactionIntervalMs: config.compactionIntervalMs,
    producerExpiryMs: config.producerExpiryMs,
  })
  housekeeping.start()
  const timers = startTimers(clock, deadlines, server, delay)

  return make(address, services, async () => {
    dispatcher.stopping = true
    server.stopAccepting('the broker is stopping', config.shutdownTimeoutMs)
    await housekeeping.stop()
    await settle(partitions, clock, config.shutdownTimeoutMs)
    partitions.closeAll(ERROR.SHUTTING_DOWN, 'the broker is stopping; connect to another one, or again after its restart')
    await server.closeAll(config.shutdownTimeoutMs)
    for (const timer of timers) clearInterval(timer)
    delay.disable()
    partitions.checkpoint()
    await logs.close()
    await control.close()
    await meta.close()
    await directory.markClean()
    await directory.close()
  })
}

/** Opens the meta store; a damaged one is set aside, since the logs have all that matters. */
async function openMetaStore (data: string, disk: Disk, logger: Logger, clock: Clock): Promise<MetaStore> {
  const path = `${data}/meta`
  try {
    return await LmdbMetaStore.open(path)
  } catch (error) {
    if (!(error instanceof MetaStoreCorruptError)) throw error
    const aside = `${path}.damaged-${clock.wallMs()}`
    logger.error({ err: error, aside }, 'the meta store is damaged; it is set aside and built anew from the logs')
    await disk.rename(path, aside)
    return await LmdbMetaStore.open(path)
  }
}

/** One leader epoch for all partitions of a single broker, higher at every start. */
async function nextEpoch (control: LmdbControlStore): Promise<number> {
  const entry = await control.get(EPOCH_KEY)
  const epoch = (entry === null ? 0 : entry.value as number) + 1
  await control.commit([{ key: EPOCH_KEY, value: epoch }])
  return epoch
}

function advertisedAddress (config: BrokerConfig, port: number): { host: string, port: number } {
  if (config.advertise !== null) return config.advertise.port === 0 ? { host: config.advertise.host, port } : config.advertise
  const { host } = config.listen
  return { host: host === '0.0.0.0' || host === '::' ? hostname() : host, port }
}

function startTimers (clock: Clock, deadlines: DeadlineQueue, server: TcpServer, delay: IntervalHistogram): NodeJS.Timeout[] {
  return [
    setInterval(() => deadlines.tick(clock.monotonicMs()), LIMITS.tickMs),
    setInterval(() => server.tick(clock.monotonicMs()), 1000),
    setInterval(() => delay.reset(), EVENT_LOOP_WINDOW_MS),
  ]
}

/** Waits until what was appended is acknowledged, so that clients hear of it. */
async function settle (partitions: PartitionTable, clock: Clock, withinMs: number): Promise<void> {
  const deadlineMs = clock.monotonicMs() + withinMs
  const atRest = (): boolean => {
    for (const { log, stateLog } of partitions.all()) {
      if (log.state === 'online' && log.acknowledgedOffset < log.nextOffset) return false
      if (stateLog !== null && stateLog.state === 'online' && stateLog.acknowledgedOffset < stateLog.nextOffset) return false
    }
    return true
  }
  while (!atRest() && clock.monotonicMs() < deadlineMs) await new Promise(resolve => setTimeout(resolve, 5))
}

const ALARMING: ReadonlySet<LogEvent['kind']> = new Set(['quarantined', 'failed', 'readOnly', 'lost', 'setAside', 'metaFailed'])

function reportLogEvent (logger: Logger, event: LogEvent): void {
  const { kind, message, id, ...fields } = event
  const details = { event: kind, topicId: id.topicId, partition: id.partition, log: id.kind, ...fields }
  if (ALARMING.has(kind)) logger.error(details, message)
  else logger.info(details, message)
}
