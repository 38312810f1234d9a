// The public entry of @sluice/storage. What tests and simulators use instead of a real disk is in `testing.ts`.

export { DiskError, type Disk, type DiskFile } from './disk.js'
export { NodeDisk } from './node-disk.js'
export { META_KEY_BYTES_MAX, type MetaEntry, type MetaRange, type MetaStore, type MetaWrite } from './meta-store.js'
