import { rcode } from '../dns/message.ts';
import { exchange, type ExchangedAnswer, type Upstream } from './exchange.ts';
import { isUsable } from './upstream-answer.ts';

/** Two rounds: a packet may get lost. Clients ask again after two to five seconds. */
const roundTimeoutsMs = [800, 1_600];
const maxServers = 3;

/**
 * The machine's resolvers, asked one after the other until one knows; the last that knew is asked first.
 *
 * Invariant: at most `maxOpen` questions are on their way, each with a socket of its own.
 */
export class Upstreams {
  private configured = '[]';
  /** In the order in which they are asked. */
  private servers: readonly Upstream[] = [];
  private readonly withoutEdns = new Set<string>();
  private readonly maxOpen: number;
  private open = 0;

  constructor(maxOpen: number) {
    this.maxOpen = maxOpen;
  }

  /** False when they are the same as before. */
  setServers(servers: readonly Upstream[]): boolean {
    const key = JSON.stringify(servers);
    if (key === this.configured) return false;
    this.configured = key;
    this.servers = servers.slice(0, maxServers);
    this.withoutEdns.clear();
    return true;
  }

  /** Undefined: nobody answers, or too much is asked already. */
  async ask(name: string, type: number): Promise<ExchangedAnswer | undefined> {
    if (this.open >= this.maxOpen) return undefined;
    this.open += 1;
    try {
      return await this.askInTurn(name, type);
    } finally {
      this.open -= 1;
    }
  }

  private async askInTurn(name: string, type: number): Promise<ExchangedAnswer | undefined> {
    for (const timeoutMs of roundTimeoutsMs)
      for (const server of this.servers) {
        const answer = await this.askServer(server, name, type, timeoutMs);
        if (!answer || !isUsable(answer.message)) continue;
        this.prefer(server);
        return answer;
      }
    return undefined;
  }

  private async askServer(server: Upstream, name: string, type: number, timeoutMs: number): Promise<ExchangedAnswer | undefined> {
    const key = `${server.host} ${server.port}`;
    const edns = !this.withoutEdns.has(key);
    const answer = await exchange(server, { name, type, edns }, timeoutMs);
    if (!edns || answer?.message.rcode !== rcode.formatError) return answer;
    this.withoutEdns.add(key);
    return exchange(server, { name, type, edns: false }, timeoutMs);
  }

  private prefer(server: Upstream): void {
    if (this.servers[0] === server || !this.servers.includes(server)) return;
    this.servers = [server, ...this.servers.filter((other) => other !== server)];
  }
}
