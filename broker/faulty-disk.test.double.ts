// The real disk, with the faults of a bad one on command. Only writes and syncs below `logs/` are concerned.

import { DiskError, NodeDisk, type DiskFile } from '@sluice/storage'

export class FaultyDisk extends NodeDisk {
  /** `full`: writes find no space; `failing`: syncs fail, for good; `stuck`: writes take for ever. */
  fault: 'none' | 'full' | 'failing' | 'stuck' = 'none'
  private stuck: (() => void)[] = []

  mend (): void {
    this.fault = 'none'
    for (const write of this.stuck.splice(0)) write()
  }

  override async open (path: string, options: Parameters<NodeDisk['open']>[1]): Promise<DiskFile> {
    const isLog = path.includes('/logs/')
    if (isLog && this.fault === 'full' && options.create === 'new') throw new DiskError('ENOSPC', 'open', path)
    const file = await super.open(path, options)
    if (!isLog) return file
    const write = file.write.bind(file)
    const sync = file.sync.bind(file)
    file.write = (buffers, position, done) => {
      if (this.fault === 'full') setImmediate(() => done(new DiskError('ENOSPC', 'write', path)))
      else if (this.fault === 'stuck') this.stuck.push(() => write(buffers, position, done))
      else write(buffers, position, done)
    }
    file.sync = done => {
      if (this.fault === 'failing') setImmediate(() => done(new DiskError('EIO', 'sync', path)))
      else sync(done)
    }
    return file
  }
}
