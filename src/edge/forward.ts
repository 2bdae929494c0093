import { errnoOf } from '../base/errors.ts';
import { pickUpstream } from './app-target.ts';
import type { Exchange } from './exchange.ts';
import { writeHeadAndBody } from './socket-write.ts';
import type { UpstreamFailure } from './upstream-failures.ts';
import type { UpstreamPool } from './upstream-pool.ts';

/** RFC 9110 9.2.2. */
const idempotentMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** Sends a request to the app's least busy worker. */
export function forward(exchange: Exchange): void {
  const pool = exchange.target && pickUpstream(exchange.target, exchange.unreachable);
  if (pool) sendTo(exchange, pool, false);
  else exchange.fail('unreachable');
}

function sendTo(exchange: Exchange, pool: UpstreamPool, fresh: boolean): void {
  const { edge, requestBody } = exchange;
  const upstream = pool.acquire(exchange, fresh);
  exchange.upstream = upstream;
  exchange.sentAtMs = performance.now();
  exchange.uploadBlocked = !writeHeadAndBody(upstream.socket, exchange.head, exchange.firstPiece);
  exchange.limit(requestBody.done ? exchange.responseTimeoutMs : edge.limits.bodyStallMs);
}

/** The connection was lost before a response began: sends the request again where that is safe, or says how it failed. */
export function retryAfterLoss(exchange: Exchange, error: Error | undefined): UpstreamFailure | undefined {
  const { upstream } = exchange;
  if (!upstream) return undefined;
  const { pool, connected, reused } = upstream;
  const errno = errnoOf(error);
  // An idle connection that the app closed says nothing against it; a full queue is no absence; want of descriptors is ours.
  if (!reused && !isOurs(errno)) pool.noteFailure(!connected && errno !== 'EAGAIN');
  exchange.detach(false);
  if (!connected) return tryAnother(exchange, pool, errno);
  if (!maySendAgain(exchange, reused, errno)) return 'closedEarly';
  exchange.retried = true;
  return sendAgain(exchange, true, 'closedEarly');
}

/** The edge, or the machine, has no descriptor left. */
function isOurs(errno: string | undefined): boolean {
  return errno === 'EMFILE' || errno === 'ENFILE';
}

/** Nothing was sent: any other worker may have it. */
function tryAnother(exchange: Exchange, failed: UpstreamPool, errno: string | undefined): UpstreamFailure | undefined {
  exchange.unreachable.push(failed);
  const failure = errno === 'EAGAIN' || isOurs(errno) ? 'busy' : 'unreachable';
  return exchange.replayable ? sendAgain(exchange, false, failure) : failure;
}

/** To any worker that is left; where the daemon knows already that there is none, the request waits for the next one. */
function sendAgain(exchange: Exchange, fresh: boolean, failure: UpstreamFailure): UpstreamFailure | undefined {
  const { target, edge } = exchange;
  if (target && edge.stallGuard?.isAside(target.tenant.name)) return failure;
  const next = target && pickUpstream(target, exchange.unreachable);
  if (next) sendTo(exchange, next, fresh);
  else if (target?.holdsRequests) exchange.admit();
  else return failure;
  return undefined;
}

/**
 * Once, when all that was sent is at hand and nothing came back: any idempotent request; any other one only on a connection that
 * the app closed with our bytes unread, which a Unix socket tells by EPIPE or ECONNRESET, where an app that read them and then
 * died shows as a plain end.
 */
function maySendAgain(exchange: Exchange, reused: boolean, errno: string | undefined): boolean {
  if (exchange.retried || !exchange.replayable || exchange.partialHead || exchange.interimResponses > 0) return false;
  return idempotentMethods.has(exchange.method) || (reused && (errno === 'EPIPE' || errno === 'ECONNRESET'));
}
