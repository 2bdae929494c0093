import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Answerer } from './answerer.ts';
import type { ClientTenant } from './client-tenant.ts';
import { readQuery } from './query.ts';
import { encodeReply } from './reply.ts';
import type { Tenants } from './tenants.ts';

export type Transport = 'udp' | 'tcp';

/**
 * A query's way: who asks, is there room, what is asked, what is answered.
 *
 * Who asks is known by the address that a packet comes from: the packet rules let no tenant use another's.
 */
export class Responder {
  private readonly tenants: Tenants;
  private readonly answerer: Answerer;
  private readonly log: Log;

  constructor(tenants: Tenants, answerer: Answerer, log: Log) {
    this.tenants = tenants;
    this.log = log;
    this.answerer = answerer;
  }

  serves(address: string): boolean {
    return this.tenants.at(address) !== undefined;
  }

  /** `send` is called at most once, perhaps later: not for what gets no answer. */
  respond(bytes: Buffer, address: string, transport: Transport, send: (answer: Buffer) => void): void {
    const tenant = this.tenants.at(address);
    const read = tenant && readQuery(bytes);
    if (!tenant || !read) return;
    if (!tenant.budget.begin()) return void (tenant.counters.dropped += 1);
    const { query, error } = read;
    if (error !== undefined) {
      tenant.budget.end();
      return send(encodeReply(query, { rcode: error, records: [], ttlSeconds: 0 }, transport));
    }
    void this.finish(tenant, async () => {
      const reply = await this.answerer.answer(tenant, query);
      // The address may be somebody else's by now.
      if (this.tenants.at(address) === tenant) send(encodeReply(query, reply, transport));
    });
  }

  private async finish(tenant: ClientTenant, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      // One query is not worth everybody's resolver.
      this.log.error({}, `a query of ${tenant.name} was not answered: ${messageOf(error)}`);
    } finally {
      tenant.budget.end();
    }
  }
}
