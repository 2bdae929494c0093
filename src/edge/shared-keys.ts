import { randomBytes } from 'node:crypto';
import type { EdgeKeyNotifications } from '../protocol/edge.ts';
import { ContextKeyRing, type ContextRingState } from './context-key-ring.ts';

export type KeyMessage = {
  [Method in keyof EdgeKeyNotifications]: { method: Method; params: EdgeKeyNotifications[Method] };
}[keyof EdgeKeyNotifications];

export interface SharedKeysOptions {
  /** To every edge. */
  tell: (message: KeyMessage) => void;
  /** Steady: setting the machine's clock must not age keys. */
  nowMs: () => number;
}

/** What the master gives its edges so that they are one server: what one of them sealed or signed, all can open or vouch for. */
export interface SharedKeys {
  /** For an edge that starts now. */
  replay(): KeyMessage[];
  /** For the master that takes this one's place: clients and apps notice nothing. */
  state(): SharedKeysState;
  /** Those of the master before, in place of its own. */
  take(before: SharedKeysState): void;
  /** Changes what is due, and tells of it; called once a minute. */
  check(): void;
  stop(): void;
}

export interface SharedKeysState {
  ticketKeys: string;
  ticketAgeMs: number;
  context: ContextRingState;
}

/** An edge can open tickets of one key only (Node's `setTicketKeys`): older ones cost their clients a full handshake. */
const ticketKeyLifeMs = 12 * 3_600_000;
/** Name, HMAC key and AES key of Node's `ticketKeys`. */
const ticketKeyBytes = 48;
const checkEveryMs = 60_000;

export function createSharedKeys({ tell, nowMs }: SharedKeysOptions): SharedKeys {
  let ring = new ContextKeyRing(nowMs());
  let ticketMessage = ticketKeys(randomBytes(ticketKeyBytes).toString('base64'));
  let ticketSinceMs = nowMs();
  const contextMessage = (): KeyMessage => ({ method: 'set-context-keys', params: { keys: ring.keys } });

  function check(): void {
    const now = nowMs();
    if (now - ticketSinceMs >= ticketKeyLifeMs) {
      ticketMessage = ticketKeys(randomBytes(ticketKeyBytes).toString('base64'));
      ticketSinceMs = now;
      tell(ticketMessage);
    }
    if (ring.turn(now)) tell(contextMessage());
  }

  function state(): SharedKeysState {
    const now = nowMs();
    return { ticketKeys: ticketMessage.params.keys, ticketAgeMs: now - ticketSinceMs, context: ring.state(now) };
  }

  function take({ ticketKeys: keys, ticketAgeMs, context }: SharedKeysState): void {
    const now = nowMs();
    ring = new ContextKeyRing(now, context);
    ticketMessage = ticketKeys(keys);
    ticketSinceMs = now - ticketAgeMs;
    tell(ticketMessage);
    tell(contextMessage());
  }

  const timer = setInterval(check, checkEveryMs).unref();
  return { check, state, take, replay: () => [ticketMessage, contextMessage()], stop: () => clearInterval(timer) };
}

function ticketKeys(keys: string): Extract<KeyMessage, { method: 'set-ticket-keys' }> {
  return { method: 'set-ticket-keys', params: { keys } };
}
