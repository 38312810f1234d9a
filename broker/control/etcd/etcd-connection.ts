// Calls to the members of an etcd: each with a deadline, to one member at a time, and to the next one after a failure.
//
//   read:  member 1 ─ fails ─▶ member 2 ─ fails ─▶ … once around, then `unavailable`
//   send:  member 1 ─ fails ─▶ `ambiguous`; only what was certainly not sent goes on to the next member
//
// - A call that changes something is never made again by itself: nobody can tell here whether that would be right.
// - Reads are never `serializable`: a member that is behind, or cut off, asks the leader or does not answer.
// - `hasleader` makes a member that has lost its leader say so at once, on streams too.
// - A token is fetched with the first call and again when etcd has forgotten it; to be refused for it changes nothing,
//   so the call is then made once more.
// - A stream ends where a call to its member fails: what hangs on it goes on at another member at once. Where there are
//   no calls pings find out what TCP does not, such as a member that is stopped; etcd takes more than one in 5 s for an
//   attack.

import {
  Client, credentials, Metadata, status, type ChannelCredentials, type ClientDuplexStream, type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js'
import type { Clock } from '../../runtime/clock.js'
import type { Logger } from '../../runtime/logger.js'
import { ControlStoreError, type ControlFault } from '../control-store.js'
import { CALLS } from './etcd-schema.js'

export interface EtcdAddress { readonly host: string, readonly port: number }

export interface EtcdConnectionOptions {
  /** The client addresses of the members. */
  readonly endpoints: readonly EtcdAddress[]
  /** PEM; null for connections in clear text. Without a CA those of the system count. */
  readonly tls: { readonly ca: Buffer | null, readonly cert: Buffer | null, readonly key: Buffer | null } | null
  readonly login: { readonly user: string, readonly password: string } | null
  readonly clock: Clock
  readonly logger: Logger
  /** How long one member has for one call. */
  readonly callTimeoutMs?: number
}

/** A member of the etcd and our channel to it. */
interface Member { readonly client: Client, readonly address: string }

const CALL_TIMEOUT_MS = 600
/** Etcd takes its time over a password, on purpose. */
const LOGIN_TIMEOUT_MS = 3_000
/** An outage that is shorter is not worth a line in the log. */
const OUTAGE_LOGGED_MS = 2_000

const CHANNEL_OPTIONS = {
  'grpc.keepalive_time_ms': 6_000,
  'grpc.keepalive_timeout_ms': 2_000,
  'grpc.keepalive_permit_without_calls': 0,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.max_receive_message_length': -1,
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.use_local_subchannel_pool': 1,
}

export class EtcdConnection {
  readonly callTimeoutMs: number
  private readonly options: EtcdConnectionOptions
  private readonly members: readonly Member[]
  private readonly calls = new Set<{ cancel (): void }>()
  private readonly streams = new Set<{ readonly member: Member, end (error: Error | null): void }>()
  private currentIndex = 0
  private token: Promise<string> | null = null
  private closed = false
  private failingSinceMs: number | null = null
  private outageLogged = false

  constructor (options: EtcdConnectionOptions) {
    this.options = options
    this.callTimeoutMs = options.callTimeoutMs ?? CALL_TIMEOUT_MS
    const channelCredentials = credentialsOf(options.tls)
    this.members = options.endpoints.map(({ host, port }) => {
      const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
      return { address, client: new Client(address, channelCredentials, CHANNEL_OPTIONS) }
    })
  }

  get isClosed (): boolean { return this.closed }

  /** A call that may be made as often as one likes. Rejects with a ControlStoreError that is never `ambiguous`. */
  async read<Request, Response> (call: MethodDefinition<Request, Response>, request: Request): Promise<Response> {
    let failure: unknown
    // Once around; with a single member twice, since the first failure may be that of a connection long dead.
    for (let tries = Math.max(2, this.members.length); tries > 0; tries--) {
      try {
        return await this.callAsUser(call, request)
      } catch (error) {
        failure = this.errorOf(error, 'unavailable')
        if ((failure as ControlStoreError).fault !== 'unavailable') break
      }
    }
    throw failure
  }

  /** A call that changes something. `ambiguous` where it may have been made. */
  async send<Request, Response> (call: MethodDefinition<Request, Response>, request: Request): Promise<Response> {
    for (let tries = this.members.length; ; tries--) {
      try {
        return await this.callAsUser(call, request)
      } catch (error) {
        if (!wasNotSent(error)) throw this.errorOf(error, 'ambiguous')
        if (tries <= 1) throw this.errorOf(error, 'unavailable')
      }
    }
  }

  /** Opens a stream to one member; `onEnd` is called once, however it ends, unless it was cancelled. */
  async stream<Request, Response> (
    call: MethodDefinition<Request, Response>, onData: (response: Response) => void, onEnd: (error: Error) => void,
  ): Promise<{ write (request: Request): void, cancel (): void }> {
    const metadata = await this.metadata()
    this.checkOpen()
    const member = this.members[this.currentIndex]!
    const stream = member.client.makeBidiStreamRequest(
      call.path, call.requestSerialize, call.responseDeserialize, metadata) as ClientDuplexStream<Request, Response>
    let ended = false
    const end = (error: Error | null): void => {
      if (ended) return
      ended = true
      this.streams.delete(open)
      stream.cancel()
      if (error === null) return
      this.turnFrom(member)
      onEnd(error)
    }
    const open = { member, end }
    this.streams.add(open)
    stream.on('data', (response: Response) => { if (!ended) onData(response) })
    stream.on('error', error => end(error))
    stream.on('end', () => end(new Error('the member ended the stream')))
    return {
      write: (request: Request) => { if (!ended) stream.write(request) },
      cancel: () => end(null),
    }
  }

  /** Etcd has refused us although we have a token: the next call fetches another. */
  forgetToken (): void { this.token = null }

  /** Turns to another member where calls still go to the one that is used now. */
  turn (): void { this.turnFrom(this.members[this.currentIndex]!) }

  close (): void {
    this.closed = true
    for (const stream of [...this.streams]) stream.end(null)
    for (const call of [...this.calls]) call.cancel()
    for (const { client } of this.members) client.close()
  }

  private turnFrom (member: Member): void {
    if (this.members[this.currentIndex] === member) this.currentIndex = (this.currentIndex + 1) % this.members.length
  }

  private async callAsUser<Request, Response> (
    call: MethodDefinition<Request, Response>, request: Request,
  ): Promise<Response> {
    const metadata = await this.metadata()
    try {
      return await this.callOnce(call, request, metadata, this.callTimeoutMs)
    } catch (error) {
      if (this.options.login === null || !isStaleToken(error)) throw error
      this.forgetToken()
      return await this.callOnce(call, request, await this.metadata(), this.callTimeoutMs)
    }
  }

  /** What goes with every call. Rejects like a read where a token is needed and cannot be had. */
  private async metadata (): Promise<Metadata> {
    const metadata = new Metadata()
    metadata.set('hasleader', 'true')
    if (this.options.login === null) return metadata
    this.token ??= this.logIn()
    const { token } = this
    try {
      metadata.set('token', await token)
    } catch (error) {
      if (this.token === token) this.token = null
      // Nothing but the login was tried: whatever the call would have done has not happened.
      throw this.errorOf(error, 'unavailable')
    }
    return metadata
  }

  private async logIn (): Promise<string> {
    const { user, password } = this.options.login!
    const request = { name: user, password }
    const { token } = await this.callOnce(CALLS.authenticate, request, new Metadata(), LOGIN_TIMEOUT_MS)
    return token
  }

  /** Makes a call to the current member and turns to the next one where it does not answer. */
  private callOnce<Request, Response> (
    call: MethodDefinition<Request, Response>, request: Request, metadata: Metadata, timeoutMs: number,
  ): Promise<Response> {
    const member = this.members[this.currentIndex]!
    const { path, requestSerialize, responseDeserialize } = call
    return new Promise((resolve, reject) => {
      this.checkOpen()
      const finish = (error: ServiceError | null, response?: Response): void => {
        if (!this.calls.delete(handle)) return
        clearTimeout(timer)
        if (error !== null && isFailure(error)) {
          this.turnFrom(member)
          for (const stream of [...this.streams]) if (stream.member === member) stream.end(error)
          this.noteFailure(member, error)
        } else {
          this.noteAnswer()
        }
        if (error === null) resolve(response!)
        else reject(error)
      }
      const handle = { cancel: () => {} }
      this.calls.add(handle)
      // Where this process has stood still the answer may be there already, unread: read first, then judge.
      const timer = setTimeout(() => setImmediate(() => {
        if (!this.calls.has(handle)) return
        finish(failureOf(status.DEADLINE_EXCEEDED, `it did not come within ${timeoutMs} ms`))
        handle.cancel()
      }), timeoutMs)
      if (call.requestStream) {
        const stream = member.client.makeBidiStreamRequest(
          path, requestSerialize, responseDeserialize, metadata)
        handle.cancel = () => stream.cancel()
        stream.once('data', (response: Response) => {
          finish(null, response)
          stream.end()
        })
        stream.on('error', (error: ServiceError) => finish(error))
        stream.on('end', () => finish(failureOf(status.UNAVAILABLE, 'the member ended the stream')))
        stream.write(request)
      } else {
        const unary = member.client.makeUnaryRequest(
          path, requestSerialize, responseDeserialize, request, metadata, finish)
        handle.cancel = () => unary.cancel()
      }
    })
  }

  private checkOpen (): void {
    if (this.closed) throw new ControlStoreError('closed', 'the control store is closed')
  }

  private errorOf (error: unknown, otherwise: ControlFault): Error {
    if (error instanceof ControlStoreError) return error
    if (this.closed) return new ControlStoreError('closed', 'the control store was closed', { cause: error })
    const { code, details = String(error) } = error as Partial<ServiceError>
    const fault = FAULTS.get(code ?? status.UNKNOWN) ?? (isRefusal(details) ? 'denied' : otherwise)
    if (fault === 'invalid' && isRefusal(details)) return new ControlStoreError('denied', `etcd: ${details}`)
    const members = this.members.map(({ address }) => address).join(', ')
    const message = fault === otherwise ? `no answer from etcd at ${members}: ${details}` : `etcd: ${details}`
    return new ControlStoreError(fault, message, { cause: error })
  }

  private noteFailure (member: Member, error: ServiceError): void {
    if (this.closed) return
    const nowMs = this.options.clock.monotonicMs()
    this.failingSinceMs ??= nowMs
    if (this.outageLogged || nowMs - this.failingSinceMs < OUTAGE_LOGGED_MS) return
    this.outageLogged = true
    this.options.logger.warn({ member: member.address, reason: error.details },
      'etcd does not answer: records flow on, and what has to be written there waits')
  }

  private noteAnswer (): void {
    if (this.failingSinceMs === null) return
    const outageMs = Math.round(this.options.clock.monotonicMs() - this.failingSinceMs)
    if (this.outageLogged) this.options.logger.info({ outageMs }, 'etcd answers again')
    this.failingSinceMs = null
    this.outageLogged = false
  }
}

function credentialsOf (tls: EtcdConnectionOptions['tls']): ChannelCredentials {
  if (tls === null) return credentials.createInsecure()
  return credentials.createSsl(tls.ca, tls.key, tls.cert)
}

/** What certain answers say; all others leave open what has happened. */
const FAULTS: ReadonlyMap<number, ControlFault> = new Map([
  [status.INVALID_ARGUMENT, 'invalid'],
  [status.FAILED_PRECONDITION, 'invalid'],
  [status.OUT_OF_RANGE, 'invalid'],
  [status.UNIMPLEMENTED, 'invalid'],
  [status.NOT_FOUND, 'leaseLost'],
  [status.PERMISSION_DENIED, 'denied'],
  [status.UNAUTHENTICATED, 'denied'],
  // Too many requests, or no space left: told before anything is done.
  [status.RESOURCE_EXHAUSTED, 'unavailable'],
])

/** True where a member did not answer, rather than answering with a refusal. */
function isFailure ({ code }: ServiceError): boolean {
  return !FAULTS.has(code) || code === status.RESOURCE_EXHAUSTED
}

/** True where no connection could be made, so that nothing can have been sent. */
function wasNotSent (error: unknown): boolean {
  if (error instanceof ControlStoreError) return error.fault === 'unavailable'
  const { code, details } = error as Partial<ServiceError>
  return code === status.UNAVAILABLE && details !== undefined && details.startsWith('No connection established') &&
    !isRefusal(details)
}

/** Texts of etcd and of TLS that mean: not with this user, password or certificate. */
function isRefusal (details: string): boolean {
  return /certificate|self.signed|unable to verify|altname|user name is empty|authentication failed|auth\w* is not enabled/i
    .test(details)
}

function isStaleToken (error: unknown): boolean {
  const { code, details = '' } = error as Partial<ServiceError>
  return code === status.UNAUTHENTICATED || /auth store is old|user name is empty/.test(details)
}

function failureOf (code: status, details: string): ServiceError {
  return Object.assign(new Error(details), { code, details, metadata: new Metadata() })
}

/** True where a revision is older than what etcd keeps. */
export function isCompacted (error: unknown): boolean {
  const { cause } = error as Error
  return (cause as Partial<ServiceError> | undefined)?.code === status.OUT_OF_RANGE
}
