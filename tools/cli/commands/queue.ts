// `sluice queue`: the commands of queues. Each group of them has a file in `../queue/`.

import type { Command } from 'commander'
import { newCommand } from '../command.js'
import type { RunAction } from '../command-module.js'
import { create, list } from '../queue/administration.js'
import { cancel, pause, purge, reschedule, resume } from '../queue/control.js'
import { explain, peek, stats } from '../queue/inspection.js'
import { receive } from '../queue/receive.js'
import { redrive } from '../queue/redrive.js'
import { send } from '../queue/send.js'
import { ack, extend, nack, reject, release } from '../queue/settle.js'
import { alter, describe, remove } from './topic.js'

const EXAMPLES = [
  'sluice queue create emails --partitions 4 --max-attempts 10 --dead-letter emails-dead',
  "printf 'hello\\n' | sluice queue send emails --delay 5s",
  'sluice queue receive emails -n 10 --wait 5s --ack',
]

export function command (run: RunAction): Command {
  const queue = newCommand('queue', 'Work with queues: records that are leased, acknowledged one by one, and retried.', EXAMPLES)
  for (const child of [
    create(run), list(run), describe(run, 'queue'), alter(run, 'queue'), remove(run, 'queue'),
    send(run), receive(run), ack(run), nack(run), release(run), reject(run), extend(run),
    stats(run), explain(run), peek(run),
    cancel(run), reschedule(run), pause(run), resume(run), purge(run), redrive(run),
  ]) queue.addCommand(child)
  return queue
}
