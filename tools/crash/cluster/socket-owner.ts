// Which process has opened a TCP connection on this machine, as Linux tells: /proc/net/tcp has the number of its
// socket, /proc/PID/fd who holds that.

import { readFile, readdir, readlink } from 'node:fs/promises'

/** `local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode`, addresses as hexadecimal HOST:PORT. */
const ROW = /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:([0-9A-F]{4}) \S+ \S+ \S+ \S+ +\d+ +\d+ (\d+)/

/**
 * The process out of `pids` that holds the connection from `localPort` to `remotePort`, both of this machine.
 *
 * @returns null where none of them does, any more, or where the system does not tell.
 */
export async function socketOwner (
  localPort: number, remotePort: number, pids: readonly number[],
): Promise<number | null> {
  const table = await readFile('/proc/net/tcp', 'utf8').catch(() => '')
  const inode = inodeOf(table, localPort, remotePort)
  if (inode === null) return null
  const link = `socket:[${inode}]`
  for (const pid of pids) if (await holds(pid, link)) return pid
  return null
}

function inodeOf (table: string, localPort: number, remotePort: number): string | null {
  const wanted = [localPort, remotePort].map(port => port.toString(16).toUpperCase().padStart(4, '0'))
  for (const line of table.split('\n')) {
    const row = ROW.exec(line)
    if (row !== null && row[1] === wanted[0] && row[2] === wanted[1]) return row[3] === '0' ? null : row[3]!
  }
  return null
}

async function holds (pid: number, link: string): Promise<boolean> {
  const folder = `/proc/${pid}/fd`
  const handles = await readdir(folder).catch(() => [])
  const links = await Promise.all(handles.map(handle => readlink(`${folder}/${handle}`).catch(() => '')))
  return links.includes(link)
}
