import type { TenantName } from '../base/ids.ts';
import type { Handler } from '../protocol/channel.ts';
import type { CertsConfiguration, CertsNotifications, CertsRequests } from '../protocol/certs.ts';
import { defaultBudgets } from '../protocol/certs.ts';
import { DaemonLink } from '../protocol/daemon-link.ts';
import { logThrough } from '../protocol/link-log.ts';
import { DnsLookup } from './dns-lookup.ts';
import { checkWithoutAcme } from './domain-check.ts';
import { Engine } from './engine.ts';
import { Housekeeping } from './housekeeping.ts';
import type { AcmeIssuer } from './issuer.ts';
import { LocalCa, localCaFolder } from './local-ca.ts';
import { NameStore } from './name-store.ts';
import type { NameChanges } from './names.ts';
import { ledgerFolder, OrderLedger } from './order-ledger.ts';
import { Outbox } from './outbox.ts';
import { recordFolders, Records } from './records.ts';
import { StateFiles } from './state-files.ts';

export interface CertsOptions {
  controlSocket: string;
  stateDir: string;
  nowMs?: () => number;
}

export interface Certs {
  readonly engine: Engine;
  readonly housekeeping: Housekeeping;
  close(): void;
}

/** The longest names that a tenant may have, as many as it may have. */
const maxFrameBytes = 4 << 20;

/** Serves on while the daemon is away; may be killed at any moment. */
export async function runCerts({ controlSocket, stateDir, nowMs = Date.now }: CertsOptions): Promise<Certs> {
  const files = await StateFiles.open(stateDir, [localCaFolder, ledgerFolder, ...recordFolders]);
  const ledger = await OrderLedger.open(files, defaultBudgets, nowMs());
  const log = logThrough((level, message) => link.notify('log', { level, message }));
  const call = (method: string, params: unknown): Promise<unknown> => link.request(method, params);
  const records = new Records(files, log);
  const store = new NameStore(records, log);
  const localCa = new LocalCa(files, nowMs);
  const outbox = new Outbox({
    log,
    call,
    onComplete: (count) => link.notify('certificates-complete', { count }),
    readCertificate: (name) => engine.readIssued(name),
    statusOf: (name) => engine.status(name),
  });
  const onStatus = (name: string): void => outbox.statusChanged(name);
  const engine: Engine = new Engine({
    ...{ store, ledger, localCa, nowMs, log, onStatus },
    onCertificate: (name) => outbox.certificateChanged(name),
    onIssued: (entry) => void housekeeping.askFor(entry),
    onRemoved: (tenant, name) => outbox.removed(tenant, name),
  });
  const housekeeping: Housekeeping = new Housekeeping({ engine, store, nowMs, log, onStatus });
  let resolvers: readonly string[] = [];
  const configure = oneAfterTheOther(async ({ acme, budgets }: CertsConfiguration) => {
    resolvers = acme?.resolvers ?? [];
    engine.configure(acme && (await loadAcme(acme)), budgets);
  });

  /** A machine without ACME never loads its client. */
  async function loadAcme(acme: NonNullable<CertsConfiguration['acme']>): Promise<AcmeIssuer> {
    const { createAcmeIssuer } = await import('./acme-issuer.ts');
    return createAcmeIssuer(acme, {
      ...{ records, nowMs, log },
      setChallenge: (challenge) => call('set-challenge', challenge),
      removeChallenge: (type, host) => call('remove-challenge', { type, host }),
    });
  }

  const link: DaemonLink = new DaemonLink({
    ...{ controlSocket, maxFrameBytes },
    onFault: (error) => log.error({}, error.message),
    onLost: () => {
      engine.names.abandonSnapshot();
      outbox.lose();
    },
    handlers: { ...notificationHandlers({ engine, outbox, configure }), ...requestHandlers(engine, localCa, () => resolvers) },
  });
  return {
    ...{ engine, housekeeping },
    close: () => {
      link.close();
      engine.close();
      housekeeping.close();
    },
  };
}

interface Parts {
  engine: Engine;
  outbox: Outbox;
  configure: (configuration: CertsConfiguration) => Promise<void>;
}

function notificationHandlers({ engine, outbox, configure }: Parts): Record<keyof CertsNotifications, Handler> {
  const sendAll = (): void => outbox.sendAll(engine.names.wanted().map(({ name }) => name));
  const apply = (changes: NameChanges): Promise<void> => engine.apply(changes);
  return {
    configure: (params) => configure(params as CertsConfiguration),
    'snapshot-begin': () => engine.names.beginSnapshot(),
    'snapshot-end': async () => {
      await apply(engine.names.endSnapshot());
      sendAll();
    },
    'set-names': (params) => {
      const { tenant, names } = params as CertsNotifications['set-names'];
      return apply(engine.names.set(tenant, names));
    },
    'remove-tenant': (params) => apply(engine.names.set((params as { tenant: TenantName }).tenant, [])),
    'handshake-without-certificate': (params) => engine.hint((params as { name: string }).name),
    resend: sendAll,
  };
}

function requestHandlers(engine: Engine, localCa: LocalCa, resolvers: () => readonly string[]): Record<keyof CertsRequests, Handler> {
  return {
    renew: (params) => ({ names: engine.renew(params as CertsRequests['renew']['params']) }),
    'check-name': (params) => {
      const { name } = params as CertsRequests['check-name']['params'];
      return engine.acme ? engine.acme.check(name) : checkWithoutAcme(name);
    },
    'find-texts': (params) => findTexts((params as CertsRequests['find-texts']['params']).name, resolvers()),
    'forget-names': async (params) => ({ busy: await engine.forget((params as CertsRequests['forget-names']['params']).names) }),
    list: (params) => engine.list(params as CertsRequests['list']['params']),
    'local-ca': () => localCa.info(),
  };
}

async function findTexts(name: string, resolvers: readonly string[]): Promise<CertsRequests['find-texts']['result']> {
  const dns = new DnsLookup(resolvers);
  try {
    return { texts: (await dns.texts(name)).slice(0, 64) };
  } finally {
    dns.close();
  }
}

/** Two configurations in a row must not overtake each other. */
function oneAfterTheOther<T>(work: (input: T) => Promise<void>): (input: T) => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return (input) => {
    const next = last.catch(() => undefined).then(() => work(input));
    last = next;
    return next;
  };
}
