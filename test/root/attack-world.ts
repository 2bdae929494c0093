import net from 'node:net';
import { TenantdError } from '../../src/base/errors.ts';
import { type Channel, createChannel } from '../../src/protocol/channel.ts';
import type { ProposalListResult } from '../../src/protocol/proposal-calls.ts';
import { StubDns } from '../support/stub-dns.ts';
import type { TestDaemon } from '../support/test-daemon.ts';
import { footprintOf, startAttackedDaemon, treasures } from './attack-support.ts';
import { releasesOf } from './release-support.ts';
import { connectWith, ctlAs, makeToken } from './token-support.ts';

/** A daemon on which alpha's admin attacks beta, who lends to gamma. */
export interface AttackWorld {
  daemon: TestDaemon;
  /** Of role admin, of alpha. */
  token: string;
  tokenId: string;
  beta: { release: string; tokenId: string; viewer: string; admin: string; proposal: string };
  /** The neighbours, before anything was tried. */
  before: unknown;
  footprint(): Promise<unknown>;
  /** Of one call with alpha's token: what it was answered, or `CODE: message (fix)`. */
  answerTo(call: string, params: object): Promise<string>;
  connectOperator(): Channel;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function openAttackWorld(): Promise<AttackWorld> {
  // Whatever is asked, the attacker's name servers say what it wants to be heard.
  let proof = '';
  const dns = await StubDns.start(({ name }) => (name.startsWith('_tenantd.') ? { answers: [{ type: 'TXT', value: proof }] } : {}));
  const daemon = await startAttackedDaemon(dns);
  const { token, id: tokenId } = await makeToken(daemon, 'admin', 'alpha');
  const beta = await furnishBeta(daemon);
  const world: AttackWorld = {
    ...{ daemon, token, tokenId, beta, before: undefined },
    footprint: async () => ({ beta: await footprintOf(daemon, 'beta'), gamma: await footprintOf(daemon, 'gamma') }),
    answerTo: (call, params) => answerWith(daemon, token, call, params),
    connectOperator: () => createChannel({ stream: net.connect(`${daemon.directory}/run/control/operator.sock`), handlers: {} }),
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      await dns.close();
    },
  };
  const tried = await world.answerTo('domain-add', { tenant: 'alpha', names: ['any.example'], dryRun: true });
  proof = /TXT \\?"([^"\\]+)/.exec(tried)?.[1] ?? '';
  if ([proof, beta.release, beta.proposal].includes('')) throw new Error(`there is nothing to attack: ${JSON.stringify({ beta, tried })}`);
  world.before = await world.footprint();
  return world;
}

async function furnishBeta(daemon: TestDaemon): Promise<AttackWorld['beta']> {
  const release = (await releasesOf(daemon, 'beta/vault')).find(({ current }) => current)?.release ?? '';
  const { token: viewer, id: tokenId } = await makeToken(daemon, 'viewer', 'beta');
  const { token: admin } = await makeToken(daemon, 'admin', 'beta');
  // A token's first use is noted.
  for (const token of [viewer, admin]) await ctlAs(daemon, token, 'status');
  await ctlAs(daemon, (await makeToken(daemon, 'agent', 'beta')).token, 'app', 'scale', 'beta/vault', '2');
  const { stdout } = await daemon.ctl('proposal', 'list', 'beta', '--json');
  return { release, tokenId, viewer, admin, proposal: (JSON.parse(stdout) as ProposalListResult).proposals[0]?.id ?? '' };
}

async function answerWith(daemon: TestDaemon, token: string, call: string, params: object): Promise<string> {
  const channel = await connectWith(daemon, token);
  try {
    return JSON.stringify(await channel.request(call, params, 60_000));
  } catch (error) {
    if (!(error instanceof TenantdError)) throw error;
    return `${error.code}: ${error.message} (${error.fix})`;
  } finally {
    channel.close();
  }
}

/** What of the neighbours is in an answer, and was not in the question. */
export function wordsIn(answer: string, { beta }: AttackWorld, asked = ''): string[] {
  const words = [treasures.secret, treasures.data, beta.tokenId, beta.release, 'gamma', '"tenant":"beta"'];
  const whenDenied = answer.startsWith('TENANTD_E_DENIED') ? ['beta'] : [];
  return [...words.filter((word) => !asked.includes(word)), ...whenDenied].filter((word) => answer.includes(word));
}
