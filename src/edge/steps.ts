import type { RequestHead } from '../http1/request-head.ts';
import { rewriteRequestHead, wantsUpgrade } from '../http1/rewrite.ts';
import { type Answer, answers } from './answers.ts';
import type { Exchange } from './exchange.ts';
import { findApp } from './path-routes.ts';
import { prepareRequestBody } from './request-body.ts';

/** Does its part for a request, or answers it. */
type Step = (exchange: Exchange, head: RequestHead) => Answer | undefined;

/** A request's way before it is sent on, in order. */
export const requestSteps: readonly Step[] = [readRequest, findTenant, redirectHost, routePath, limitBody, writeUpstreamHead];

/** Keeps what is needed after the head is gone. */
function readRequest(exchange: Exchange, head: RequestHead): undefined {
  exchange.method = head.method;
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

/** Keeps the port, by which the client got here, and the whole target. */
function redirectHost({ host }: Exchange, head: RequestHead): Answer | undefined {
  if (host?.redirectTo === undefined) return undefined;
  const port = head.port === '' ? '' : `:${head.port}`;
  const target = head.target === '*' ? '/' : head.target;
  return { status: 308, sentence: 'This site is at another address.', location: `http://${host.redirectTo}${port}${target}` };
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
