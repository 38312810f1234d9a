// The public entry of @sluice/storage. What tests and simulators use instead of a real disk is in `testing.ts`.

export { DiskError, type Disk, type DiskFile } from './disk.js'
export { NodeDisk } from './node-disk.js'
export { readWholeFile, writeFileAtomically } from './atomic-file.js'
export { META_KEY_BYTES_MAX, type MetaEntry, type MetaRange, type MetaStore, type MetaWrite } from './meta-store.js'
export { LmdbMetaStore, type LmdbMetaStoreOptions } from './lmdb-meta-store.js'
export { LmdbMissingError } from './lmdb.js'
export { MetaStoreCorruptError, MetaStoreFailedError } from './meta-store-errors.js'
export { LogStore, type LogStoreOptions } from './log-store.js'
export { LOG_META_TABLES } from './log-meta.js'
export { LogReadFailure } from './log-read-failure.js'
export { PartitionLog } from './partition-log.js'
export {
  type CompactionResult, type Delay, type EpochStart, type FlushPolicy, LOG_CONFIG_DEFAULT, LOG_STORE_LIMITS_DEFAULT,
  type LogClock, type LogConfig, type LogEvent, type LogId, type LogReadError, type LogSegment, type LogSlice,
  type LogState, type LogStoreLimits, type OffsetAtTime, type OffsetRange, type ReadDone, type RetentionResult,
} from './log-types.js'
export {
  DataDirectory, FORMAT_VERSION, type DataDirectoryIdentity, type DataDirectoryOptions, type LastStop
} from './data-directory.js'
export { DataDirectoryError, type DataDirectoryErrorCode } from './data-directory-error.js'
export { DirectoryLock, readLockHolder, type LockHolder } from './directory-lock.js'
export {
  dumpSegment, listSegments, type LogCheck, repairLog, type RepairResult, type SegmentCheck, type SegmentInfo,
  verifyLog,
} from './segment-inspection.js'
