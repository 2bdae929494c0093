import type { IncomingHttpHeaders } from 'node:http';
import { createServer, request, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { PebbleUnderTest } from './pebble-under-test.ts';

export interface Refusal {
  status: number;
  type: string;
  retryAfter: string;
}

/** A CA in front of pebble, which offers what pebble does not: renewal information (RFC 9773), profiles, CAA names, and refusals. */
export class AcmeInFront {
  /** Of each new order, what was asked for. */
  readonly orders: { identifiers: { value: string }[]; replaces?: string; profile?: string }[] = [];
  /** Paths, in order. */
  readonly requests: string[] = [];
  window: { start: string; end: string } | undefined = undefined;
  /** Whether it refuses a new order for that name. */
  refuse: (name: string) => Refusal | undefined = () => undefined;
  private readonly pebble: PebbleUnderTest;
  private readonly meta: object;
  private readonly server: Server;

  private constructor(pebble: PebbleUnderTest, meta: object) {
    this.pebble = pebble;
    this.meta = meta;
    this.server = createServer({ cert: pebble.certificate.chain, key: pebble.certificate.key }, (incoming, response) => {
      void text(incoming).then(async (body) => {
        const { status, headers, answer } = await this.answer(incoming.url ?? '', incoming.method ?? '', incoming.headers, body);
        response.writeHead(status, headers).end(answer);
      });
    });
  }

  static async start(pebble: PebbleUnderTest, meta: object = {}): Promise<AcmeInFront> {
    const front = new AcmeInFront(pebble, meta);
    await new Promise<void>((resolve) => {
      front.server.listen(0, 'localhost', resolve);
    });
    return front;
  }

  get url(): string {
    return `${this.origin}/dir`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => {
      this.server.close(resolve);
    });
  }

  private get origin(): string {
    return `https://localhost:${(this.server.address() as AddressInfo).port}`;
  }

  private async answer(path: string, method: string, headers: IncomingHttpHeaders, body: string): Promise<Answer> {
    this.requests.push(path);
    if (path.startsWith('/renewal-info/')) return this.renewalInfo();
    const refusal = path === '/order-plz' ? this.noteOrder(body) : undefined;
    if (refusal) return refuse(refusal);
    // The host goes with it: pebble's URLs are then this server's.
    const passed = await pass(`${new URL(this.pebble.url).origin}${path}`, method, headers, body, this.pebble.certificate.chain);
    if (path !== '/dir') return passed;
    const directory = { ...(JSON.parse(passed.answer) as object), meta: this.meta, renewalInfo: `${this.origin}/renewal-info` };
    return { ...json(200, directory) };
  }

  private noteOrder(body: string): Refusal | undefined {
    const { payload } = JSON.parse(body) as { payload: string };
    const order = JSON.parse(Buffer.from(payload, 'base64url').toString()) as AcmeInFront['orders'][number];
    this.orders.push(order);
    return this.refuse(order.identifiers[0]?.value ?? '');
  }

  private renewalInfo(): Answer {
    return this.window ? json(200, { suggestedWindow: this.window }, { 'retry-after': '3600' }) : json(404, {});
  }
}

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  answer: string;
}

function refuse({ status, type, retryAfter }: Refusal): Answer {
  const problem = { type: `urn:ietf:params:acme:error:${type}`, detail: 'not now' };
  return json(status, problem, { 'retry-after': retryAfter });
}

function json(status: number, document: object, headers: IncomingHttpHeaders = {}): Answer {
  return { status, headers: { 'content-type': 'application/json', ...headers }, answer: JSON.stringify(document) };
}

function pass(url: string, method: string, headers: IncomingHttpHeaders, body: string, ca: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers, ca, agent: false }, (response) => {
      text(response).then((answer) => resolve({ status: response.statusCode ?? 0, headers: response.headers, answer }), reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
