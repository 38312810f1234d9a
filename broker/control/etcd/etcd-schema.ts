// The part of etcd's gRPC interface (v3) that the control store uses: its messages, by the field numbers of etcd's
// rpc.proto, kv.proto and auth.proto, and its calls.
//
//   KV     Range  read keys           Txn     compare and change
//   Lease  Grant  Revoke  KeepAlive   Watch   changes as they come        Auth  user and password → token
//
// 64-bit numbers are text: a lease's id fills all of its bits. Enumerations are plain numbers, so that none can be
// encoded as 0 because its name was misspelt. Fields that are not listed are skipped.

import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js'
import { fromJSON } from '@grpc/proto-loader'

export interface Header { revision: string }
export interface KeyValue { key: Buffer, modRevision: string, value: Buffer, lease: string }

export interface RangeRequest {
  key: Buffer
  /** Exclusive; left out for the one key. */
  rangeEnd?: Buffer
  /** Entries at most; 0 for all. */
  limit?: number
  /** As it was at this revision; 0 for now. */
  revision?: string
}
export interface RangeResponse { header: Header, kvs: KeyValue[], more: boolean }

export interface PutRequest { key: Buffer, value: Buffer, lease?: string }
/** One of the two. */
export interface RequestOp { requestPut?: PutRequest, requestDeleteRange?: { key: Buffer } }
export interface Compare { result: number, target: number, key: Buffer, modRevision: string }
export interface TxnRequest { compare: Compare[], success: RequestOp[] }
export interface TxnResponse { header: Header, succeeded: boolean }

export interface LeaseGrantRequest { ttl: string }
export interface LeaseGrantResponse { id: string, ttl: string, error: string }
export interface LeaseRevokeRequest { id: string }
export interface LeaseKeepAliveRequest { id: string }
/** A `ttl` of 0: the lease is no more. */
export interface LeaseKeepAliveResponse { id: string, ttl: string }

export interface WatchRequest {
  createRequest: { key: Buffer, rangeEnd: Buffer, startRevision: string }
}
export interface WatchEvent { type: number, kv: KeyValue }
export interface WatchResponse {
  header: Header
  created: boolean
  canceled: boolean
  /** Above 0: what was asked for is not kept any more. */
  compactRevision: string
  cancelReason: string
  events: WatchEvent[]
}

export interface AuthenticateRequest { name: string, password: string }
export interface AuthenticateResponse { token: string }

export const COMPARE_EQUAL = 0
export const COMPARE_MOD_REVISION = 2
export const EVENT_DELETE = 1

/** Field name → `[type, number]` or `['repeated', type, number]`. */
type Fields = Record<string, readonly [string, number] | readonly ['repeated', string, number]>

function message (fields: Fields, oneofs?: Record<string, { oneof: string[] }>): object {
  const entries = Object.entries(fields).map(([name, field]) => [name, field.length === 2
    ? { type: field[0], id: field[1] }
    : { rule: 'repeated', type: field[1], id: field[2] }])
  return { fields: Object.fromEntries(entries), ...(oneofs === undefined ? {} : { oneofs }) }
}

const MESSAGES = {
  ResponseHeader: message({ revision: ['int64', 3] }),
  KeyValue: message({ key: ['bytes', 1], modRevision: ['int64', 3], value: ['bytes', 5], lease: ['int64', 6] }),
  RangeRequest: message({ key: ['bytes', 1], rangeEnd: ['bytes', 2], limit: ['int64', 3], revision: ['int64', 4] }),
  RangeResponse: message({
    header: ['ResponseHeader', 1], kvs: ['repeated', 'KeyValue', 2], more: ['bool', 3],
  }),
  PutRequest: message({ key: ['bytes', 1], value: ['bytes', 2], lease: ['int64', 3] }),
  DeleteRangeRequest: message({ key: ['bytes', 1] }),
  RequestOp: message(
    { requestPut: ['PutRequest', 2], requestDeleteRange: ['DeleteRangeRequest', 3] },
    { request: { oneof: ['requestPut', 'requestDeleteRange'] } }),
  Compare: message(
    { result: ['int32', 1], target: ['int32', 2], key: ['bytes', 3], modRevision: ['int64', 6] },
    { targetUnion: { oneof: ['modRevision'] } }),
  TxnRequest: message({ compare: ['repeated', 'Compare', 1], success: ['repeated', 'RequestOp', 2] }),
  TxnResponse: message({ header: ['ResponseHeader', 1], succeeded: ['bool', 2] }),
  LeaseGrantRequest: message({ ttl: ['int64', 1] }),
  LeaseGrantResponse: message({ id: ['int64', 2], ttl: ['int64', 3], error: ['string', 4] }),
  LeaseRevokeRequest: message({ id: ['int64', 1] }),
  LeaseRevokeResponse: message({ header: ['ResponseHeader', 1] }),
  LeaseKeepAliveRequest: message({ id: ['int64', 1] }),
  LeaseKeepAliveResponse: message({ id: ['int64', 2], ttl: ['int64', 3] }),
  WatchCreateRequest: message({ key: ['bytes', 1], rangeEnd: ['bytes', 2], startRevision: ['int64', 3] }),
  WatchRequest: message(
    { createRequest: ['WatchCreateRequest', 1] }, { requestUnion: { oneof: ['createRequest'] } }),
  Event: message({ type: ['int32', 1], kv: ['KeyValue', 2] }),
  WatchResponse: message({
    header: ['ResponseHeader', 1],
    created: ['bool', 3],
    canceled: ['bool', 4],
    compactRevision: ['int64', 5],
    cancelReason: ['string', 6],
    events: ['repeated', 'Event', 11],
  }),
  AuthenticateRequest: message({ name: ['string', 1], password: ['string', 2] }),
  AuthenticateResponse: message({ token: ['string', 2] }),
}

const stream = { requestStream: true, responseStream: true }

const SERVICES = {
  KV: {
    methods: {
      Range: { requestType: 'RangeRequest', responseType: 'RangeResponse' },
      Txn: { requestType: 'TxnRequest', responseType: 'TxnResponse' },
    },
  },
  Lease: {
    methods: {
      LeaseGrant: { requestType: 'LeaseGrantRequest', responseType: 'LeaseGrantResponse' },
      LeaseRevoke: { requestType: 'LeaseRevokeRequest', responseType: 'LeaseRevokeResponse' },
      LeaseKeepAlive: { requestType: 'LeaseKeepAliveRequest', responseType: 'LeaseKeepAliveResponse', ...stream },
    },
  },
  Watch: { methods: { Watch: { requestType: 'WatchRequest', responseType: 'WatchResponse', ...stream } } },
  Auth: { methods: { Authenticate: { requestType: 'AuthenticateRequest', responseType: 'AuthenticateResponse' } } },
}

const loaded = fromJSON(
  { nested: { etcdserverpb: { nested: { ...MESSAGES, ...SERVICES } } } } as Parameters<typeof fromJSON>[0],
  { keepCase: true, longs: String, enums: Number, defaults: true, arrays: true })

function method<Request, Response> (service: keyof typeof SERVICES, name: string): MethodDefinition<Request, Response> {
  const definition = loaded[`etcdserverpb.${service}`] as ServiceDefinition
  return definition[name] as MethodDefinition<Request, Response>
}

/** The calls, as grpc-js wants them described. */
export const CALLS = {
  range: method<RangeRequest, RangeResponse>('KV', 'Range'),
  txn: method<TxnRequest, TxnResponse>('KV', 'Txn'),
  leaseGrant: method<LeaseGrantRequest, LeaseGrantResponse>('Lease', 'LeaseGrant'),
  leaseRevoke: method<LeaseRevokeRequest, object>('Lease', 'LeaseRevoke'),
  leaseKeepAlive: method<LeaseKeepAliveRequest, LeaseKeepAliveResponse>('Lease', 'LeaseKeepAlive'),
  watch: method<WatchRequest, WatchResponse>('Watch', 'Watch'),
  authenticate: method<AuthenticateRequest, AuthenticateResponse>('Auth', 'Authenticate'),
} as const
