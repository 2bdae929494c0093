import type { Plan } from '../config/plans.ts';
import type { RequestLimitName } from '../protocol/edge.ts';

/** A tenant's words, in one line of printable ASCII. */
export function oneLine(text: string, most: number): string {
  const escaped = text.slice(0, most).replaceAll(/[^\x20-\x7e]/g, escapeCharacter);
  return escaped.length <= most && text.length <= most ? escaped : `${escaped.slice(0, most - 3)}...`;
}

function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
}

export function mebibytes(bytes: number): string {
  return bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
}

export function percent(share: number): string {
  return `${Math.floor(share * 100)} %`;
}

const requestWords: Record<RequestLimitName, (limits: Plan['requests']) => string> = {
  requestsPerSecond: ({ requestsPerSecond }) => `requests got 429: over ${requestsPerSecond} a second`,
  concurrentRequests: ({ concurrentRequests, queuedRequests }) =>
    `requests got 503: ${concurrentRequests} were open, and ${queuedRequests} waited or one waited for too long`,
  connectionsPerAddress: ({ connectionsPerAddress }) => `requests got 429: over ${connectionsPerAddress} connections of one address`,
  webSockets: ({ webSockets }) => `upgrades got 503: ${webSockets} tunnels were open`,
  bodySize: ({ bodySizeBytes }) => `requests got 413: a body over ${mebibytes(bodySizeBytes)}`,
  headerSize: ({ headSizeBytes }) => `requests got 431: a head over ${mebibytes(headSizeBytes)}`,
  uriSize: ({ targetSizeBytes }) => `requests got 414: an address over ${mebibytes(targetSizeBytes)}`,
  responseTimeout: ({ responseTimeoutMs }) => `requests got 504: no answer within ${responseTimeoutMs / 1_000} s`,
  requestTimeout: ({ requestTimeoutMs }) => `requests were cut or got 504: they took over ${requestTimeoutMs / 1_000} s`,
};

export function requestFaultWords(kind: RequestLimitName, { requests }: Plan): string {
  return requestWords[kind](requests);
}
