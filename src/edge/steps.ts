import { chooseCoding } from '../http1/accept-encoding.ts';
import { findField } from '../http1/field-lookup.ts';
import type { RequestHead } from '../http1/request-head.ts';
import { rewriteRequestHead, wantsUpgrade } from '../http1/rewrite.ts';
import { type Answer, answers } from './answers.ts';
import type { Exchange } from './exchange.ts';
import { findApp } from './path-routes.ts';
import { prepareRequestBody } from './request-body.ts';

/** Does its part for a request, or answers it. */
type Step = (exchange: Exchange, head: RequestHead) => Answer | undefined;

/** A request's way before it is sent on, in order. */
export const requestSteps: readonly Step[] = [
  ...[readRequest, findTenant, checkServerName, redirectHost, redirectToHttps],
  ...[routePath, limitBody, writeUpstreamHead, prepareResponse],
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

function findTenant(exchange: Exchange, head: RequestHead): Answer | undefined {
  exchange.host = exchange.edge.routes.findHost(head.host);
  return exchange.host ? undefined : answers.misdirected;
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

/** Keeps the port, by which the client got here, and the whole target. */
function redirectHost({ client, host }: Exchange, head: RequestHead): Answer | undefined {
  if (host?.redirectTo === undefined) return undefined;
  const scheme = client.connection.secure ? 'https' : 'http';
  const port = head.port === '' ? '' : `:${head.port}`;
  return redirectTo(`${scheme}://${host.redirectTo}${port}${pathOf(head)}`);
}

function redirectToHttps({ client, edge, host }: Exchange, head: RequestHead): Answer | undefined {
  if (client.connection.secure || edge.httpsPort === undefined || !host?.tenant.tls.redirect) return undefined;
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

function routePath(exchange: Exchange, head: RequestHead): Answer | undefined {
  if (!exchange.host) return answers.misdirected;
  const target = findApp(exchange.host.paths, head.target);
  if (target === 'ambiguous') return answers.ambiguousPath;
  exchange.target = target;
  return target ? undefined : answers.notFound;
}

/** A chunked body is measured as it comes. */
function limitBody({ target }: Exchange, head: RequestHead): Answer | undefined {
  return target && head.contentLength > target.tenant.limits.bodySizeBytes ? answers.bodyTooLarge : undefined;
}

function writeUpstreamHead(exchange: Exchange, head: RequestHead): undefined {
  const { id, target, client } = exchange;
  exchange.head = rewriteRequestHead(
    head,
    `${target?.identityFields ?? ''}x-request-id: ${id}\r\nx-forwarded-host: ${head.authority}\r\n${client.connection.forwardedFields}`,
  );
}

function prepareResponse(exchange: Exchange, head: RequestHead): undefined {
  if (exchange.target?.compress) exchange.coding = chooseCoding(findField(head, 'accept-encoding'));
  // RFC 6797 7.2: over a secure connection only.
  const hstsSeconds = exchange.host?.tenant.tls.hstsSeconds ?? 0;
  if (hstsSeconds > 0 && exchange.client.connection.secure)
    exchange.addedFields.push('strict-transport-security', `max-age=${hstsSeconds}`);
}
