import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TenantName } from '../../../src/base/ids.ts';
import { type Channel, createChannel } from '../../../src/protocol/channel.ts';
import {
  type DnsAddress,
  type OpenAddresses,
  type QueryCounters,
  resolverCalls,
  resolverEvents,
  type ResolverNotifications,
} from '../../../src/protocol/resolver.ts';
import { runResolver } from '../../../src/resolver/resolver-process.ts';
import { type Answered, askByUdp, encodeQuery, freeDnsPort, readAnswered, typeA } from '../../support/dns-query.ts';
import { until } from '../../support/until.ts';

export interface TestTenant {
  addresses: readonly string[];
  names: readonly string[] | 'any';
}

/** The resolver in this process, on loopback, and the daemon's side of its protocol, which checks all that it hears by schema. */
export class ResolverUnderTest {
  readonly opened: OpenAddresses[] = [];
  readonly log: string[] = [];
  readonly counters = new Map<string, QueryCounters>();
  tenants: Record<string, TestTenant>;
  upstreams: readonly DnsAddress[];
  /** Settles before `open-addresses` is answered; throws to refuse. */
  onOpen: (params: OpenAddresses) => Promise<void> | void = () => undefined;
  nowMs = 0;
  /** Otherwise it says what it knows, without saying that this is all. */
  knowsAll = true;
  port = 0;
  private readonly directory = mkdtempSync(join(tmpdir(), 'resolver-'));
  private readonly controlSocket = join(this.directory, 'control.sock');
  private readonly server: Server;
  private channel: Channel | undefined = undefined;
  private close = (): void => {};

  private constructor(tenants: Record<string, TestTenant>, upstreams: readonly DnsAddress[]) {
    this.tenants = tenants;
    this.upstreams = upstreams;
    this.server = createServer((stream) => this.welcome(createChannel({ stream, handlers: this.handlers() })));
  }

  static async start(tenants: Record<string, TestTenant>, upstreams: readonly DnsAddress[]): Promise<ResolverUnderTest> {
    const started = new ResolverUnderTest(tenants, upstreams);
    started.port = await freeDnsPort();
    await started.daemonReturns();
    started.close = runResolver({ controlSocket: started.controlSocket, nowMs: () => started.nowMs }).close;
    await started.untilServing();
    return started;
  }

  async daemonReturns(): Promise<void> {
    this.server.listen(this.controlSocket);
    await once(this.server, 'listening');
  }

  async daemonVanishes(): Promise<void> {
    const { channel } = this;
    channel?.close();
    await new Promise((resolve) => {
      this.server.close(resolve);
    });
  }

  tell<Method extends keyof ResolverNotifications>(method: Method, params: ResolverNotifications[Method]): void {
    this.channel?.notify(method, params);
  }

  setTenant(name: string, tenant: TestTenant): void {
    this.tenants[name] = tenant;
    this.tell('set-tenant', { tenant: name as TenantName, ...tenant });
  }

  /** Asks by UDP from that address; undefined: no answer within `limitMs`. */
  async ask(from: string, name: string, type = typeA, limitMs = 8_000): Promise<Answered | undefined> {
    const bytes = await this.askRaw(from, encodeQuery(name, type), limitMs);
    return bytes && readAnswered(bytes);
  }

  askRaw(from: string, query: Buffer, limitMs = 8_000): Promise<Buffer | undefined> {
    return askByUdp({ from, to: { host: '127.0.0.1', port: this.port }, query, limitMs });
  }

  /** Asks by TCP; answers with all that came before the connection was closed, or with as many answers as there were queries. */
  async askByTcp(from: string, queries: readonly Buffer[]): Promise<Answered[]> {
    const socket = connect({ host: '127.0.0.1', port: this.port, localAddress: from });
    const { promise, resolve } = Promise.withResolvers<void>();
    const answers: Answered[] = [];
    let received = Buffer.alloc(0);
    socket.on('error', () => resolve());
    socket.on('close', () => resolve());
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        answers.push(readAnswered(received.subarray(2, end)));
        received = received.subarray(end);
      }
      if (answers.length >= queries.length) resolve();
    });
    for (const query of queries) socket.write(Buffer.concat([Buffer.from([query.length >> 8, query.length & 255]), query]));
    await promise;
    socket.destroy();
    return answers;
  }

  /** A name of nobody is refused to a tenant: then it listens, and has heard of the tenants. */
  async untilServing(): Promise<void> {
    const [tenant] = Object.values(this.tenants);
    const from = tenant?.addresses[0] ?? '';
    await until(async () => (await this.ask(from, 'nobody', typeA, 100)) !== undefined, 'the resolver answers');
    await until(async () => (await this.askByTcp(from, [encodeQuery('nobody', typeA)])).length === 1, 'the resolver answers by TCP');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    if (this.server.listening) await this.daemonVanishes();
    rmSync(this.directory, { recursive: true });
  }

  private welcome(channel: Channel): void {
    this.channel = channel;
    channel.notify('configure', { listen: [{ host: '127.0.0.1', port: this.port }], upstreams: this.upstreams });
    if (this.knowsAll) channel.notify('snapshot-begin', {});
    for (const [tenant, settings] of Object.entries(this.tenants)) channel.notify('set-tenant', { tenant, ...settings });
    if (this.knowsAll) channel.notify('snapshot-end', {});
  }

  private handlers(): Record<string, (params: unknown) => unknown> {
    return {
      hello: (params) => resolverEvents.hello.parse(params),
      log: (params) => {
        const { level, message } = resolverEvents.log.parse(params);
        this.log.push(`${level}: ${message}`);
      },
      counters: (params) => {
        for (const counters of resolverEvents.counters.parse(params).tenants) this.counters.set(counters.tenant, counters);
      },
      'open-addresses': async (params) => {
        const checked = resolverCalls['open-addresses'].parse(params);
        await this.onOpen(checked);
        this.opened.push(checked);
        return null;
      },
    };
  }
}
