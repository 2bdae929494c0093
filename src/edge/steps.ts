import { chooseCoding } from '../http1/accept-encoding.ts';
import { findField } from '../http1/field-lookup.ts';
import type { RequestHead } from '../http1/request-head.ts';
import { rewriteRequestHead, wantsUpgrade } from '../http1/rewrite.ts';
import { type Answer, answers } from './answers.ts';
import { clientFields } from './client-address.ts';
import type { Exchange } from './exchange.ts';
import { findApp } from './path-routes.ts';
import { prepareRequestBody } from './request-body.ts';

/** INTERFACE.md 4: the public keys of `x-tenantd-context`. */
const contextKeysPath = '/.well-known/tenantd/jwks.json';

/** Does its part for a request, or answers it. */
type Step = (exchange: Exchange, head: RequestHead) => Answer | undefined;

/** A request's way before it is sent on, in order. */
export const requestSteps: readonly Step[] = [
  ...[readRequest, readClient, answerChallenge, findTenant, checkServerName, limitRate, limitConnections],
  ...[answerSuspended, redirectHost, redirectToHttps],
  serveContextKeys,
  ...[routePath, noteQuiet, limitSizes, limitTunnels, writeUpstreamHead, prepareResponse],
];

/** Keeps what is needed after the head is gone. */
function readRequest(exchange: Exchange, head: RequestHead): undefined {
  exchange.method = head.method;
  exchange.hostName = head.host;
  exchange.path = head.target;
  exchange.minor = head.minor;
  exchange.keepAlive = head.minor === 1 ? !head.close : head.keepAlive && !head.close;
  exchange.upgrade = wantsUpgrade(head);
  if (head.minor === 0) exchange.bodyForm = 'content';
  prepareRequestBody(exchange, head);
}

/** A trusted proxy tells for whom it speaks. */
function readClient(exchange: Exchange, head: RequestHead): undefined {
  const { edge, client } = exchange;
  const { peer } = client.connection;
  if (!peer.trusted) return undefined;
  const forwarded = edge.forwardedClient.read(head, peer);
  exchange.clientAddress = forwarded.address;
  exchange.secure = forwarded.proto === 'https';
  exchange.clientFields = clientFields(forwarded);
  return undefined;
}

function findTenant(exchange: Exchange, head: RequestHead): Answer | undefined {
  const { caller } = exchange.client.connection;
  const { routes } = exchange.edge;
  const host = caller ? routes.findGranted(caller, head.host) : routes.findHost(head.host);
  if (!host) return caller ? answers.notGranted : answers.misdirected;
  exchange.host = host;
  exchange.usage = host.tenant.usage;
  const { requestTimeoutMs } = host.tenant.limits;
  if (requestTimeoutMs > 0) exchange.endsAtMs = exchange.edge.deadlines.nowMs + requestTimeoutMs;
  return undefined;
}

/** RFC 8555 8.3: a CA that asks for a name asks nothing of its app; the tenant may not be in service yet. */
function answerChallenge({ edge }: Exchange, head: RequestHead): Answer | undefined {
  const bytes = edge.challenges.httpContent(head.host, head.target);
  if (!bytes) return undefined;
  const document = { contentType: 'application/octet-stream', cacheControl: 'no-store', bytes };
  return { status: 200, sentence: '', outcome: 'edge', document };
}

/**
 * A connection's certificate vouches for one name. RFC 9110 7.4: a request for another one is for this connection too only if that
 * certificate covers it; and two tenants share no connection.
 */
function checkServerName({ client, edge, host }: Exchange, head: RequestHead): Answer | undefined {
  const { serverName } = client.connection;
  if (serverName === undefined || serverName === head.host) return undefined;
  const tenant = edge.routes.findHost(serverName)?.tenant;
  const covered = tenant !== undefined && tenant === host?.tenant && edge.certificates.find(tenant.name, serverName)?.covers(head.host);
  return covered ? undefined : answers.misdirected;
}

function limitRate({ host, startedAtMs }: Exchange): Answer | undefined {
  const retryAfterSeconds = host?.tenant.rate.take(startedAtMs) ?? 0;
  return retryAfterSeconds === 0 ? undefined : { ...answers.tooManyRequests, retryAfterSeconds };
}

function limitConnections({ host, client }: Exchange): Answer | undefined {
  return host && !client.connection.enterTenant(host.tenant) ? answers.tooManyConnections : undefined;
}

function answerSuspended({ host }: Exchange): Answer | undefined {
  return host?.tenant.suspended ? answers.suspended : undefined;
}

/** Keeps the port, by which the client got here, and the whole target. */
function redirectHost({ secure, host }: Exchange, head: RequestHead): Answer | undefined {
  if (host?.redirectTo === undefined) return undefined;
  const scheme = secure ? 'https' : 'http';
  const port = head.port === '' ? '' : `:${head.port}`;
  return redirectTo(`${scheme}://${host.redirectTo}${port}${pathOf(head)}`);
}

/** A caller comes by a socket, which speaks no TLS. */
function redirectToHttps({ secure, edge, host, client }: Exchange, head: RequestHead): Answer | undefined {
  if (secure || client.connection.caller || edge.httpsPort === undefined || !host?.tenant.tls.redirect) return undefined;
  if (!edge.certificates.find(host.tenant.name, head.host)) return undefined;
  const port = edge.httpsPort === 443 ? '' : `:${edge.httpsPort}`;
  return redirectTo(`https://${head.host}${port}${pathOf(head)}`);
}

function redirectTo(location: string): Answer {
  return { status: 308, sentence: 'This site is at another address.', outcome: 'redirect', location };
}

function pathOf({ target }: RequestHead): string {
  return target === '*' ? '/' : target;
}

function serveContextKeys({ edge, method }: Exchange, { target }: RequestHead): Answer | undefined {
  if (target !== contextKeysPath || (method !== 'GET' && method !== 'HEAD')) return undefined;
  return { status: 200, sentence: '', outcome: 'edge', document: edge.contextTokens.jwks };
}

function routePath(exchange: Exchange, head: RequestHead): Answer | undefined {
  if (!exchange.host) return answers.misdirected;
  const target = findApp(exchange.host.paths, head.target);
  if (target === 'ambiguous') return answers.ambiguousPath;
  exchange.target = target;
  if (target) exchange.usage = target.usage;
  const { caller } = exchange.client.connection;
  if (caller && target) {
    exchange.client.connection.called = target;
    exchange.edge.grantUses.add(target, caller);
  }
  return target ? undefined : answers.notFound;
}

/** AppRoute.noWake. */
function noteQuiet(exchange: Exchange, head: RequestHead): undefined {
  const quietRequests = exchange.target?.quietRequests;
  if (quietRequests) exchange.quiet = quietRequests.find(head);
}

/** A chunked body is measured as it comes. */
function limitSizes({ target }: Exchange, head: RequestHead): Answer | undefined {
  if (!target) return undefined;
  const { bodySizeBytes, headSizeBytes, targetSizeBytes } = target.tenant.limits;
  if (head.targetEnd - head.targetStart > targetSizeBytes) return answers.targetTooLong;
  if (head.text.length > headSizeBytes) return answers.headTooLarge;
  return head.contentLength > bodySizeBytes ? answers.bodyTooLarge : undefined;
}

function limitTunnels({ upgrade, target }: Exchange): Answer | undefined {
  return upgrade && target && !target.tenant.mayOpenTunnel ? answers.tunnelsTaken : undefined;
}

function writeUpstreamHead(exchange: Exchange, head: RequestHead): undefined {
  const { id, target, host, edge, clientFields: fields } = exchange;
  const { callerName } = exchange.client.connection;
  const context = target && edge.contextTokens.fieldLine(target, head.host, host?.wildcard, Date.now(), callerName);
  exchange.head = rewriteRequestHead(
    head,
    `${target?.identityFields ?? ''}x-request-id: ${id}\r\nx-forwarded-host: ${head.authority}\r\n${fields}${context ?? ''}`,
  );
}

function prepareResponse(exchange: Exchange, head: RequestHead): undefined {
  if (exchange.target?.compress) exchange.coding = chooseCoding(findField(head, 'accept-encoding'));
  // RFC 6797 7.2: over a secure connection only.
  const hstsSeconds = exchange.host?.tenant.tls.hstsSeconds ?? 0;
  if (hstsSeconds > 0 && exchange.secure) exchange.addedFields.push('strict-transport-security', `max-age=${hstsSeconds}`);
}
