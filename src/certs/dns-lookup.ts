import { Resolver } from 'node:dns/promises';
import { errnoOf, messageOf } from '../base/errors.ts';
import { TryFault } from './try-fault.ts';

export interface CaaRecord {
  critical: boolean;
  tag: string;
  value: string;
}

const tries = { timeout: 3_000, tries: 2 };

/**
 * Questions to resolvers. A name without such records gives none; a resolver that fails throws a TryFault that blames
 * neither the name nor the CA: a dead resolver must not make dead names.
 */
export class DnsLookup {
  private readonly resolver: Resolver;

  /** `address` or `address:port`; none: the system's. */
  constructor(servers: readonly string[]) {
    this.resolver = new Resolver(tries);
    if (servers.length > 0) this.resolver.setServers(servers);
  }

  addresses4(name: string): Promise<string[]> {
    return ask(name, () => this.resolver.resolve4(name));
  }

  addresses6(name: string): Promise<string[]> {
    return ask(name, () => this.resolver.resolve6(name));
  }

  async alias(name: string): Promise<string | undefined> {
    const [target] = await ask(name, () => this.resolver.resolveCname(name));
    return target?.toLowerCase().replace(/\.$/, '');
  }

  async texts(name: string): Promise<string[]> {
    const records = await ask(name, () => this.resolver.resolveTxt(name));
    return records.map((parts) => parts.join(''));
  }

  async caa(name: string): Promise<CaaRecord[]> {
    const records = await ask(name, () => this.resolver.resolveCaa(name));
    return records.flatMap(({ critical, ...properties }) =>
      Object.entries(properties).map(([tag, value]) => ({ critical: critical > 0, tag: tag.toLowerCase(), value: String(value) })),
    );
  }

  close(): void {
    this.resolver.cancel();
  }
}

/** The answers that mean "there is none": no such name, no such record, or a name that can not be asked for. */
const emptyAnswers = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME']);

async function ask<T>(name: string, question: () => Promise<T[]>): Promise<T[]> {
  try {
    return await question();
  } catch (error) {
    const code = errnoOf(error) ?? messageOf(error);
    if (emptyAnswers.has(code)) return [];
    throw new TryFault('outside', `the DNS resolvers did not answer for ${name} (${code})`, { cause: error });
  }
}
