import type { RequestHead } from '../http1/request-head.ts';
import type { Client } from './client-address.ts';
import { type ForwardedElement, parseForwarded } from './forwarded-field.ts';
import { ForwardingFields } from './forwarding-fields.ts';
import { addressOfNode } from './ip-address.ts';
import type { TrustedProxies } from './trusted-proxies.ts';

/** A client can write any number of trusted addresses into its fields. */
const maxSteps = 32;

const protos = new Map<string, Client['proto']>([
  ['http', 'http'],
  ['https', 'https'],
  ['ws', 'http'],
  ['wss', 'https'],
]);

/**
 * The client behind a trusted peer, by what that and trusted proxies before it say.
 *
 * X-Forwarded-For is read from its end, since each proxy appends the address that it was reached from: the first one that is not
 * itself a trusted proxy is the client's. What is no address (`unknown`, `_hidden`) ends the walk at the last good one, at worst
 * the peer's own. What a client wrote itself is never reached. Scheme and port are those that the same proxy names.
 *
 * `Forwarded` (RFC 7239) counts only where there is none of X-Forwarded-For, -Proto and -Port: most proxies write those, and pass
 * on unread what a client wrote into `Forwarded`. X-Forwarded-Host is never believed: a request's host is the one it asks for.
 */
export class ForwardedClient implements Client {
  address = '';
  proto: Client['proto'] = 'http';
  port = 0;
  private readonly proxies: TrustedProxies;
  private readonly fields = new ForwardingFields();
  /** How many addresses of the list were passed on the way to `address`; -1 at the peer. */
  private hop = -1;

  constructor(proxies: TrustedProxies) {
    this.proxies = proxies;
  }

  /** Only for a peer that is trusted. Good until the next call. */
  read(head: RequestHead, peer: Client): this {
    const { fields } = this;
    this.address = peer.address;
    this.proto = peer.proto;
    this.port = peer.port;
    this.hop = -1;
    fields.read(head);
    if (fields.for !== '' || fields.proto !== '' || fields.port !== '') this.readSeparateFields();
    else if (fields.forwarded.length > 0) this.readForwarded(lastElements(fields.forwarded));
    return this;
  }

  private readSeparateFields(): void {
    const { for: list, proto, port } = this.fields;
    for (let steps = 0, end = list.length; steps < maxSteps && end > 0; steps++) {
      const comma = list.lastIndexOf(',', end - 1);
      const node = list.slice(comma + 1, end).trim();
      end = comma;
      // RFC 9110 5.6.1.2: an empty member counts for nothing.
      if (node !== '' && !this.walkTo(node)) break;
    }
    this.setProto(memberFromEnd(proto, this.hop));
    this.setPort(memberFromEnd(port, this.hop));
  }

  private readForwarded(elements: readonly ForwardedElement[]): void {
    for (let index = elements.length - 1; index >= 0; index--) if (!this.walkTo(elements[index]?.for ?? '')) break;
    this.setProto(elements.at(-1 - Math.max(this.hop, 0))?.proto ?? '');
  }

  /** Whether the walk goes on: the address is a proxy's that we believe. */
  private walkTo(node: string): boolean {
    const address = addressOfNode(node);
    if (address === undefined) return false;
    this.address = address;
    this.hop += 1;
    return this.proxies.trusts(address);
  }

  private setProto(text: string): void {
    const proto = protos.get(text.toLowerCase());
    if (!proto) return;
    this.proto = proto;
    // A proxy that says how it was reached, but not at which port, means the usual one; ours is behind it.
    this.port = proto === 'https' ? 443 : 80;
  }

  private setPort(text: string): void {
    const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
    if (port > 0 && port <= 65_535) this.port = port;
  }
}

/** What the same proxy says in another list; the first member of a list that is shorter, because a proxy replaced it. */
function memberFromEnd(list: string, hop: number): string {
  let end = list.length;
  let comma = list.lastIndexOf(',');
  for (let passed = 0; passed < hop && comma > 0; passed++) {
    end = comma;
    comma = list.lastIndexOf(',', end - 1);
  }
  return list.slice(comma + 1, end).trim();
}

/** The last of all lines together, back to one that can't be read. */
function lastElements(lines: readonly string[]): ForwardedElement[] {
  const elements: ForwardedElement[] = [];
  for (let index = lines.length - 1; index >= 0 && elements.length < maxSteps; index--) {
    const parsed = parseForwarded(lines[index] ?? '');
    if (!parsed) break;
    elements.unshift(...parsed.slice(-maxSteps));
  }
  return elements.slice(-maxSteps);
}
