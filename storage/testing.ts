// The entry for tests and simulators, `@sluice/storage/testing`: a disk and a meta store in memory whose crashes, power
// cuts and faults are at the test's command. Production code does not import it.

export { MemoryMetaStore, type MemoryMetaStoreOptions } from './memory-meta-store.js'
export {
  MemoryDisk, MemoryDiskSnapshot, type InFlightFate, type KillOptions, type MemoryDiskOptions, type PowerCutOptions,
  type ScheduledRequest
} from './memory-disk.js'
export type { DiskOperation, DiskOperationPattern, MemoryDiskFault } from './memory-disk-faults.js'
export type { NameSurvival } from './memory-file-system.js'
