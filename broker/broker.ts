// A whole broker in one process: opens the data folder, brings the topics back, listens, and stops in order.
//
//   start: lock the folder ─ meta store ─ logs ─ control store ─ topics ─ groups ─ listen
//   stop:  refuse new work, tell clients ─ answer what is in flight ─ close connections ─ sync and close logs ─ unlock
//
// A start that fails half way closes what it opened, and leaves a folder that was stopped cleanly as it found it.
//
// What it touches of the outside comes in through `BrokerParts`, so that a test can put other things in its place.

import { hostname } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { ERROR } from '@sluice/protocol'
import {
  DataDirectory, LOG_META_TABLES, LOG_STORE_LIMITS_DEFAULT, LmdbMetaStore, LogStore, MetaStoreCorruptError, NodeDisk,
  type Disk, type LogEvent, type MetaStore,
} from '@sluice/storage'
import { Dispatcher } from './api/dispatcher.js'
import { clusterHandlers } from './api/cluster-handlers.js'
import { Groups } from './api/groups.js'
import { apiHandlers } from './api/handlers.js'
import { QueueSessions } from './api/queue-sessions.js'
import type { BrokerServices } from './api/services.js'
import { Cluster } from './cluster/cluster.js'
import { ClusterAdministration } from './cluster/cluster-administration.js'
import { ClusterMetadataView } from './cluster/cluster-metadata-view.js'
import { ClusterTopics } from './cluster/cluster-topics.js'
import { ClusterMember, type BrokerCluster } from './cluster-member.js'
import type { BrokerConfig } from './config.js'
import type { ControlStore } from './control/control-store.js'
import { CONTROL_META_TABLES, LmdbControlStore } from './control/lmdb-control-store.js'
import { openSharedControl } from './control/open-shared-control.js'
import { ProducerIds } from './control/producer-ids.js'
import { whenAvailable, type StartWait } from './control/when-available.js'
import { DeadLetterQueues } from './control/dead-letter-queues.js'
import { LetterIntake } from './control/letter-intake.js'
import { RedriveClaims } from './control/redrive-claims.js'
import { RedriveEntries } from './control/redrive-entries.js'
import { RedriveIntake } from './control/redrive-intake.js'
import { Redrives } from './control/redrives.js'
import { RoutedRedriveTargets } from './control/routed-redrive-targets.js'
import { SingleBrokerView } from './control/single-broker-view.js'
import { TopicCatalog } from './control/topic-catalog.js'
import { TopicFiles } from './control/topic-files.js'
import { ClientRoutes } from './forward/client-routes.js'
import { Forwarder } from './forward/forwarder.js'
import { GROUP_LIMITS, type GroupLimits } from './group/group-limits.js'
import { LIMITS } from './limits.js'
import { TcpServer } from './net/tcp-server.js'
import { PARTITION_META_TABLES } from './partition/partition-keys.js'
import { PartitionTable } from './partition/partition-table.js'
import { QUEUE_META_TABLES } from './queue-host/queue-keys.js'
import { ReadBudget } from './queue-host/read-budget.js'
import { REPLICA_META_TABLES } from './replica/promise-store.js'
import { systemClock, type Clock } from './runtime/clock.js'
import { DeadlineQueue } from './runtime/deadline-queue.js'
import { Housekeeping } from './runtime/housekeeping.js'
import type { Logger } from './runtime/logger.js'
import { SlicedQueue } from './runtime/sliced-queue.js'
import { watchForTrouble } from './runtime/trouble-watch.js'
import { endOfTurn } from './runtime/turn.js'
import { VERSION } from './version.js'

/** What a broker is made of besides its options. */
export interface BrokerParts {
  logger: Logger
  disk?: Disk
  clock?: Clock
  /** What the brokers of a cluster share, in place of the etcd that the options name; closed by who gives it. */
  control?: ControlStore
  /** Calls a start off that waits for the control store; it rejects with a StartAbortedError. */
  signal?: AbortSignal
  /** The cluster to join, in place of that which is in the control store. */
  cluster?: BrokerCluster
}

/** A started broker, taken apart. */
interface Running {
  address: { host: string, port: number }
  services: BrokerServices
  stop: () => Promise<void>
}

/** Tables made at the first start: making one later holds up the event loop for a sync. */
const META_TABLES = [
  ...LOG_META_TABLES, ...PARTITION_META_TABLES, ...QUEUE_META_TABLES, ...CONTROL_META_TABLES, ...REPLICA_META_TABLES,
]
const EPOCH_KEY = '/epoch'
const EVENT_LOOP_WINDOW_MS = 60_000
const SETTLE_POLL_MS = 5
const STOPPING = 'the broker is stopping; connect to another one, or again after its restart'

export class Broker {
  /** The address in use, with the real port. */
  readonly address: { readonly host: string, readonly port: number }
  readonly services: BrokerServices
  private readonly running: Running
  private stopped: Promise<void> | null = null

  private constructor (running: Running) {
    this.running = running
    this.address = running.address
    this.services = running.services
  }

  /**
   * Starts a broker.
   *
   * @throws DataDirectoryError, ListenError and others whose message says what to do. Nothing is left open then.
   */
  static async start (config: BrokerConfig, parts: BrokerParts): Promise<Broker> {
    const undo: (() => Promise<unknown>)[] = []
    try {
      return new Broker(await start(config, parts, undo))
    } catch (error) {
      for (const step of undo.reverse()) await step().catch(() => {})
      throw error
    }
  }

  /** Stops in order; resolves when everything is synced and closed. Calling it again changes nothing. */
  stop (): Promise<void> {
    this.stopped ??= this.running.stop()
    return this.stopped
  }
}

/** @param undo takes what has to be closed if the start fails half way. */
async function start (config: BrokerConfig, parts: BrokerParts, undo: (() => Promise<unknown>)[]): Promise<Running> {
  const { logger, disk = new NodeDisk(), clock = systemClock } = parts
  const wallMs = (): number => clock.wallMs()
  const startedAtMs = wallMs()

  const wait: StartWait = { clock, logger, signal: parts.signal ?? null }
  const shared = await openCluster(config, parts.control ?? null, wait, undo)
  const clusterId = shared === null ? {} : { clusterId: shared.cluster.clusterId }
  const directory = await DataDirectory.open(config.data, { brokerId: config.id, disk, now: wallMs, ...clusterId })
  undo.push(() => directory.close())
  const { clean } = await directory.markDirty()
  if (clean) undo.push(() => directory.markClean())
  const meta = await openMetaStore(directory.path, disk, logger, clock)
  undo.push(() => meta.close())
  const endWatch = watchForTrouble(() => meta.trouble, logger)
  undo.push(async () => endWatch())
  const logs = await openLogs(config, directory.path, disk, meta, clock, clean, logger)
  undo.push(() => logs.close())

  const control = shared?.control ?? new LmdbControlStore(meta)
  const { topicDefaults } = config
  const leaderEpoch = shared === null ? await nextEpoch(control) : 0
  const batchBytesMax = config.maxFrameBytes - LIMITS.frameOverheadBytes
  const deadlines = new DeadlineQueue()
  const readBudget = new ReadBudget(LIMITS.queueReadBytes)
  const queues = { clock, endOfTurn, deadlines, random: Math.random, meta, logger, readBudget }
  const cluster = shared?.cluster ?? parts.cluster ?? null
  const isReplicated = cluster !== null
  const partitions = new PartitionTable(
    { store: logs, meta, leaderEpoch, isReplicated, topicDefaults, batchBytesMax, wallMs, endOfTurn, logger, queues })
  const { defaultPartitions } = config
  const files = new TopicFiles(disk, directory.path)
  const topics = shared === null
    ? new TopicCatalog({ control, partitions, files, defaultPartitions, wallMs, logger })
    : new ClusterTopics({ ...shared.cluster, control, defaultPartitions, wallMs, logger })
  const { brokerId } = directory.identity
  const clusterView = shared === null ? null : new ClusterMetadataView(shared.cluster.metadata)
  const forwarder = clusterView === null ? null : new Forwarder({ brokerId, view: clusterView, clock })
  undo.push(async () => forwarder?.close())
  const letters = new LetterIntake(topics, partitions, (topicId, partition) =>
    forwarder?.leaderEpochOf(topicId, partition) ?? -1)
  partitions.deadLetters = new DeadLetterQueues({ topics, partitions, intake: letters, others: forwarder, logger })
  if (topics instanceof TopicCatalog) await topics.load()
  const limits = groupLimits(config)
  const sharing = shared === null ? {} : { shared: shared.cluster }
  // A store of its own has no outage to wait for.
  const patiently = <T>(attempt: () => Promise<T>): Promise<T> =>
    shared === null ? attempt() : whenAvailable(attempt, wait)
  const groups = await patiently(() => Groups.start(
    { control, topics, partitions, clock, deadlines, endOfTurn, logger, limits, ...sharing }))
  undo.push(() => groups.stop(STOPPING))
  const sessions = await patiently(() => QueueSessions.start({ control, partitions, clock, deadlines }))
  const redriven = new RedriveIntake(partitions)
  const redrives = await patiently(() => Redrives.open({
    brokerId,
    partitions,
    entries: new RedriveEntries(control),
    claims: new RedriveClaims(),
    targets: new RoutedRedriveTargets(topics, redriven, forwarder),
    wasDeleted: topicId => shared?.cluster.metadata.wasDeleted(topicId) ?? topics.byId(topicId) === undefined,
    clock,
    deadlines,
    logger,
  }))
  undo.push(async () => redrives.stop())

  const member = cluster === null
    ? null
    : await ClusterMember.open({ cluster, brokerId, meta, logs, partitions, clock, logger })

  const dispatcher = new Dispatcher(logger)
  const server = new TcpServer({
    ...config,
    endOfTurn,
    monotonicMs: () => clock.monotonicMs(),
    logger,
    onFrame: (connection, frame) => dispatcher.dispatch(connection, frame),
  })
  const port = await server.listen(config.listen.host, config.listen.port)
  const advertised = advertisedAddress(config, port)
  const rack = config.rack === '' ? null : config.rack
  const services: BrokerServices = {
    config,
    version: VERSION,
    clusterId: cluster?.clusterId ?? directory.identity.clusterId,
    brokerId,
    advertised,
    clock,
    endOfTurn,
    deadlines,
    wakeUps: new SlicedQueue(endOfTurn, () => clock.monotonicMs()),
    logger,
    topics,
    partitions,
    view: clusterView ?? new SingleBrokerView({ brokerId, ...advertised, rack }, partitions),
    replicas: member?.replicas ?? null,
    peers: member?.peers ?? null,
    administration: shared === null ? null : new ClusterAdministration({ ...shared.cluster, control, wallMs, logger }),
    groups,
    sessions,
    letters,
    redrives,
    redriven,
    others: forwarder,
    producerIds: new ProducerIds(control, LIMITS.producerIdBlock, wallMs, () => partitions.highestProducerId()),
    unsent: server.unsent,
  }
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  dispatcher.serve(apiHandlers(services, {
    startedAtMs,
    connections: () => server.connections.size,
    rssBytes: () => process.memoryUsage.rss(),
    eventLoopDelayP99Us: () => Math.round(delay.percentile(99) / 1000),
    diskSpace: () => disk.space(directory.path),
  }, () => dispatcher.apis))
  if (member !== null) dispatcher.serve(member.handlers())
  const routes = shared === null ? null : new ClientRoutes(services.view, clock)
  if (shared !== null && forwarder !== null) {
    undo.push(async () => routes?.close())
    dispatcher.serve(clusterHandlers(services, forwarder, routes!))
    const keep = (): void => groups.keep(group => forwarder.coordinatorOf(group) === brokerId)
    shared.cluster.metadata.subscribe({ onAny: keep })
  }

  const concurrency = config.backgroundConcurrency
  const copies = member?.replicas ?? null
  const housekeeping = new Housekeeping({ ...config, concurrency, partitions, copies, clock, logger })
  housekeeping.start()
  const timers = [
    setInterval(() => deadlines.tick(clock.monotonicMs()), LIMITS.tickMs),
    setInterval(() => server.tick(clock.monotonicMs()), LIMITS.connectionTickMs),
    setInterval(() => delay.reset(), EVENT_LOOP_WINDOW_MS),
  ]
  if (member !== null) {
    undo.push(() => member.stop(), async () => {
      for (const timer of timers) clearInterval(timer)
    }, () => housekeeping.stop(), () => server.closeAll(0))
    const { advertisePeers } = config
    const at = advertisePeers === null
      ? { address: advertised }
      : { address: { host: advertisePeers.host, port: advertisePeers.port || port }, clients: advertised }
    await member.start(at, config.rack, wait)
  }

  async function stop (): Promise<void> {
    const deadlineMs = clock.monotonicMs() + config.shutdownTimeoutMs
    const leftMs = (): number => Math.max(LIMITS.goAwayGraceMs, deadlineMs - clock.monotonicMs())
    dispatcher.stopping = true
    server.stopAccepting('the broker is stopping', config.shutdownTimeoutMs)
    redrives.stop()
    await atMost(leftMs(), Promise.all([housekeeping.stop(), topics.atRest()]))
    await settled(partitions, clock, leftMs())
    await groups.stop(STOPPING)
    if (member !== null) await atMost(leftMs(), member.stop())
    partitions.closeAll(ERROR.SHUTTING_DOWN, STOPPING)
    await server.closeAll(leftMs())
    forwarder?.close()
    routes?.close()
    for (const timer of timers) clearInterval(timer)
    delay.disable()
    await atMost(leftMs(), partitions.flush())
    meta.stopWaiting()
    await inOrder([
      async () => partitions.checkpointAll(),
      () => logs.close(),
      async () => { if (control !== parts.control) await control.close() },
      () => meta.close(),
      () => directory.markClean(),
    ]).finally(() => {
      endWatch()
      return directory.close()
    })
  }

  return { address: { host: config.listen.host, port }, services, stop }
}

/** What brokers share, and this broker's side of it; null for a broker that is alone. */
async function openCluster (
  config: BrokerConfig, given: ControlStore | null, wait: StartWait, undo: (() => Promise<unknown>)[],
): Promise<{ control: ControlStore, cluster: Cluster } | null> {
  const control = given ?? await openSharedControl(config, wait)
  if (control === null) return null
  if (given === null) undo.push(() => control.close())
  const { capacity } = config
  const { clock, logger } = wait
  const cluster = await whenAvailable(() => Cluster.open({ control, clock, logger, capacity, version: VERSION }), wait)
  undo.push(async () => cluster.metadata.close())
  return { control, cluster }
}

/** Opens the meta store; a damaged one is set aside, since the logs have all that matters. */
async function openMetaStore (data: string, disk: Disk, logger: Logger, clock: Clock): Promise<LmdbMetaStore> {
  const path = `${data}/meta`
  try {
    return await LmdbMetaStore.open(path, { tables: META_TABLES })
  } catch (error) {
    if (!(error instanceof MetaStoreCorruptError)) throw error
    const aside = `${path}.damaged-${clock.wallMs()}`
    logger.error({ err: error, aside }, 'the meta store is damaged; it is set aside and built anew from the logs')
    await disk.rename(path, aside)
    return await LmdbMetaStore.open(path, { tables: META_TABLES })
  }
}

function openLogs (
  config: BrokerConfig, directory: string, disk: Disk, meta: MetaStore, clock: Clock, cleanStart: boolean,
  logger: Logger,
): Promise<LogStore> {
  return LogStore.open({
    directory,
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
    cleanStart,
    report: event => reportLogEvent(logger, event),
  })
}

function groupLimits (config: BrokerConfig): GroupLimits {
  const { groupSessionTimeoutMsMin, groupSessionTimeoutMsMax } = config
  return {
    ...GROUP_LIMITS,
    sessionTimeoutMsMin: groupSessionTimeoutMsMin,
    sessionTimeoutMsMax: groupSessionTimeoutMsMax,
  }
}

/** One leader epoch for all partitions of a single broker, higher at every start. */
async function nextEpoch (control: ControlStore): Promise<number> {
  const entry = await control.get(EPOCH_KEY)
  const epoch = (entry === null ? 0 : entry.value as number) + 1
  await control.commit([{ key: EPOCH_KEY, value: epoch }])
  return epoch
}

function advertisedAddress (config: BrokerConfig, port: number): { host: string, port: number } {
  const { advertise, listen } = config
  if (advertise !== null) return { host: advertise.host, port: advertise.port === 0 ? port : advertise.port }
  return { host: listen.host === '0.0.0.0' || listen.host === '::' ? hostname() : listen.host, port }
}

/** Resolves when what was appended is acknowledged, so that clients hear of it; after `withinMs` at the latest. */
async function settled (partitions: PartitionTable, clock: Clock, withinMs: number): Promise<void> {
  const deadlineMs = clock.monotonicMs() + withinMs
  while (!partitions.atRest && clock.monotonicMs() < deadlineMs) {
    await new Promise(resolve => setTimeout(resolve, SETTLE_POLL_MS))
  }
}

/** Waits for `work`, but for `withinMs` at most. */
async function atMost (withinMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => { timer = setTimeout(resolve, withinMs) })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}

/** Takes every step, also after one that failed; then rejects with the first failure. */
async function inOrder (steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  const failures: unknown[] = []
  for (const step of steps) await step().catch(cause => failures.push(cause))
  if (failures.length > 0) throw failures[0]
}

const ALARMING: ReadonlySet<LogEvent['kind']> =
  new Set(['quarantined', 'failed', 'readOnly', 'lost', 'setAside', 'metaFailed'])

function reportLogEvent (logger: Logger, event: LogEvent): void {
  const { kind, message, id, ...fields } = event
  const details = { event: kind, topicId: id.topicId, partition: id.partition, log: id.kind, ...fields }
  if (ALARMING.has(kind)) logger.error(details, message)
  else logger.info(details, message)
}
