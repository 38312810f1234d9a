// Tokens of sessions: proof that an id was given out by this cluster, which any of its brokers can check.
//
//   token = base64url of HMAC-SHA-256(secret, session id)

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

export const SECRET_BYTES = 32

/** A session id: a positive safe integer that nobody guesses. */
export function newSessionId (): number {
  return 1 + randomBytes(6).readUIntBE(0, 6)
}

export function tokenOf (secret: Buffer, sessionId: number): string {
  return createHmac('sha256', secret).update(String(sessionId)).digest('base64url')
}

export function isTokenOf (secret: Buffer, sessionId: number, token: string): boolean {
  const expected = Buffer.from(tokenOf(secret, sessionId))
  const given = Buffer.from(token)
  return given.length === expected.length && timingSafeEqual(given, expected)
}
