import { setTimeout as delay } from 'node:timers/promises';
import type * as acme from 'acme-client';
import { AcmeFault, readError, toProofFault } from './acme-fault.ts';
import { retryAfterMsOf } from './acme-transport.ts';
import { ariIdOf, faultOf } from './issued.ts';
import type { CertificateRecord, PendingOrder } from './records.ts';
import { TryFault } from './try-fault.ts';
import { makeKeyPair, makeSigningRequest, readKey, writeKey } from './x509-parts.ts';

/** Sets up the proof of a challenge, and takes it away again. */
export interface Proof {
  /** In order of preference. */
  readonly types: readonly string[];
  present(type: string, token: string, keyAuthorization: string): Promise<void>;
  /** Does not throw. */
  cleanUp(): Promise<void>;
}

export interface OrderOptions {
  client: acme.Client;
  /** Of the CA: the directory's URL and, for people, its host. */
  directory: string;
  host: string;
  name: string;
  profile: string | undefined;
  /** RFC 9773, 5: the certificate that this one replaces. */
  replaces: string | undefined;
  pending: PendingOrder | undefined;
  proof: Proof;
  nowMs: () => number;
  /** A new order may be placed when it resolves. */
  permit: () => Promise<void>;
  save: (order: PendingOrder | undefined) => Promise<void>;
}

type Order = acme.Order;

/** CAs keep orders for a week; one that is not done within a day is not worth its puzzles. */
const resumeWithinMs = 86_400_000;
const firstPollMs = 250;
const longestPollMs = 15_000;
/** Then the order stays, and the next try goes on with it. */
const patienceMs = 120_000;

/**
 * RFC 8555, 7.4: one order for one name, from placing it (or from where a killed process left it) to the certificate.
 * The key is on disk before the CA is asked to sign it.
 */
export async function orderCertificate(options: OrderOptions): Promise<CertificateRecord> {
  const { client, name, directory } = options;
  const { order, pending } = (await resume(options)) ?? (await place(options));
  const proved = await prove(order, options);
  const signed = await finalize(proved, pending, options);
  const chain = await client.getCertificate(signed);
  const record: CertificateRecord = { name, from: directory, chain, key: pending.key, ariId: ariIdOf(chain) };
  const fault = faultOf(record);
  if (fault === undefined) return record;
  await options.save(undefined);
  throw new TryFault('ca', `${options.host} sent a certificate that can not be used: ${fault}`);
}

interface Begun {
  order: Order;
  pending: PendingOrder;
}

async function resume({ client, directory, pending, proof, nowMs, save }: OrderOptions): Promise<Begun | undefined> {
  if (!pending) return undefined;
  const isOld = pending.placedMs < nowMs() - resumeWithinMs;
  const order = pending.directory === directory && !isOld ? await find(client, pending.url) : undefined;
  // Whatever proof a killed process left behind.
  await proof.cleanUp();
  if (order && order.status !== 'invalid') return { order, pending };
  await save(undefined);
  return undefined;
}

async function find(client: acme.Client, url: string): Promise<Order | undefined> {
  try {
    return await client.getOrder({ url } as Order);
  } catch (error) {
    // Forgotten, or another account's.
    if (error instanceof AcmeFault && error.status >= 400 && error.status < 500 && error.status !== 429) return undefined;
    throw error;
  }
}

async function place(options: OrderOptions): Promise<Begun> {
  const { client, name, directory, nowMs, permit, save } = options;
  const key = await writeKey(await makeKeyPair());
  await permit();
  const order = await request(client, options, { identifiers: [{ type: 'dns', value: name }] });
  const pending = { directory, url: order.url, key, placedMs: nowMs() };
  await save(pending);
  return { order, pending };
}

async function request(
  client: acme.Client,
  { profile, replaces }: OrderOptions,
  order: { identifiers: acme.Order['identifiers'] },
): Promise<Order> {
  const wanted = { ...order, ...(profile !== undefined && { profile }) };
  if (replaces === undefined) return client.createOrder(wanted);
  try {
    return await client.createOrder({ ...wanted, replaces } as typeof wanted);
  } catch (error) {
    // RFC 9773, 5: a CA may refuse for that member alone, with `alreadyReplaced` say.
    const isOfMember = error instanceof AcmeFault && ['alreadyReplaced', 'malformed'].includes(error.type);
    if (!isOfMember) throw error;
    return client.createOrder(wanted);
  }
}

async function prove(order: Order, options: OrderOptions): Promise<Order> {
  if (order.status !== 'pending') return order;
  const { client, proof, host, save } = options;
  try {
    for (const authorization of await client.getAuthorizations(order)) {
      if (authorization.status === 'pending') await answer(authorization, options);
      else if (authorization.status !== 'valid') throw new TryFault('name', `${host} takes no proof for this order any more`);
    }
  } catch (error) {
    // The order is lost with its proof.
    if (error instanceof TryFault && (error.blame === 'name' || error.blame === 'refused')) await save(undefined);
    throw error;
  } finally {
    await proof.cleanUp();
  }
  return poll(
    options,
    () => client.getOrder(order),
    ({ status }) => status !== 'pending',
  );
}

async function answer(authorization: acme.Authorization, options: OrderOptions): Promise<void> {
  const { client, proof, host } = options;
  const offered = new Map(authorization.challenges.map((challenge): [string, typeof challenge] => [challenge.type, challenge]));
  const type = proof.types.find((candidate) => offered.has(candidate));
  const challenge = type === undefined ? undefined : offered.get(type);
  if (type === undefined || !challenge) throw new TryFault('refused', `${host} offers no way to prove the name that is set up here`);
  await proof.present(type, challenge.token, await client.getChallengeKeyAuthorization(challenge));
  if (challenge.status === 'pending') await client.completeChallenge(challenge);
  const done = await poll(
    options,
    () => readAuthorization(client, authorization),
    ({ status }) => status !== 'pending',
  );
  if (done.status === 'valid') return;
  const failed = done.challenges.find(({ error }) => error !== undefined);
  throw toProofFault(failed?.error, failed?.type ?? type, host);
}

async function readAuthorization(client: acme.Client, { url }: acme.Authorization): Promise<acme.Authorization> {
  const [authorization] = await client.getAuthorizations({ authorizations: [url] } as Order);
  if (!authorization) throw new AcmeFault({ status: 0, type: 'none', detail: 'the CA lost an authorization' });
  return authorization;
}

async function finalize(order: Order, { key }: PendingOrder, options: OrderOptions): Promise<Order> {
  const { client, name, host, save } = options;
  const ready = order.status === 'ready' ? await client.finalizeOrder(order, await makeSigningRequest(await readKey(key), name)) : order;
  const isDone = ({ status }: Order): boolean => status === 'valid' || status === 'invalid';
  const done = isDone(ready) ? ready : await poll(options, () => client.getOrder(ready), isDone);
  if (done.status === 'valid') return done;
  await save(undefined);
  throw new TryFault('refused', `${host} gave the order up: ${readError(done.error).detail}`);
}

/** Asks again until it is done, as often as the CA wants to be asked, at most `longestPollMs` apart unless it says so. */
async function poll<T extends object>({ host }: OrderOptions, ask: () => Promise<T>, isDone: (value: T) => boolean): Promise<T> {
  const endMs = performance.now() + patienceMs;
  let pauseMs = firstPollMs;
  for (;;) {
    const value = await ask();
    if (isDone(value)) return value;
    const waitMs = Math.max(pauseMs, retryAfterMsOf(value) ?? 0);
    if (performance.now() + waitMs > endMs)
      throw new TryFault('outside', `${host} is still working on the order`, { retryAfterMs: retryAfterMsOf(value) });
    await delay(waitMs);
    pauseMs = Math.min(longestPollMs, pauseMs * 1.5);
  }
}
