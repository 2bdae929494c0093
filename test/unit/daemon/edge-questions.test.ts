import { duplexPair } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import type { EdgeMaster } from '../../../src/daemon/edge-master.ts';
import { createEdgeQuestions, type EdgeQuestions } from '../../../src/daemon/edge-questions.ts';
import { type Channel, createChannel, type Handler } from '../../../src/protocol/channel.ts';

const acme = 'acme' as TenantName;
const site = 'site' as AppName;

/** The daemon's end of a connection to a master that answers every question with that. */
function master(answer: Handler): Channel {
  const [ours, theirs] = duplexPair();
  const asked = createChannel({ stream: theirs, handlers: { 'let-sleep': answer, 'drain-upstream': answer, 'set-challenge': answer } });
  const channel = createChannel({ stream: ours, handlers: {} });
  onTestFinished(() => {
    asked.close();
    channel.close();
  });
  return channel;
}

const neverAnswers: Handler = () => new Promise(() => {});

type Phase = 'starting' | 'serving' | 'retiring';

/** Of masters with these connections; undefined for one that has none at the moment. */
function questions(...all: (Channel | undefined | [Phase, Channel])[]): { ask: EdgeQuestions; warnings: string[] } {
  const warnings: string[] = [];
  const log = { warn: (_: object, message: string) => warnings.push(message) } as never;
  const living = all.map((one) => {
    const [phase, channel] = Array.isArray(one) ? one : (['serving', one] as const);
    const connected = (): Promise<Channel> => (channel ? Promise.resolve(channel) : Promise.reject(new Error('not connected')));
    return { role: { phase }, isTold: phase !== 'starting', channel, connected } as unknown as EdgeMaster;
  });
  return { ask: createEdgeQuestions({ masters: { all: () => living, isStopping: false }, log }), warnings };
}

describe('an app may sleep', () => {
  const yes = (): Channel => master(() => ({ asleep: true }));

  const no = (): Channel => master(() => ({ asleep: false }));

  test('when every master agrees', async () => {
    expect(await questions(yes(), yes()).ask.maySleep(acme, site)).toBe(true);
  });

  test('whatever one would say that has been told nothing yet', async () => {
    expect(await questions(yes(), ['starting', no()]).ask.maySleep(acme, site)).toBe(true);
  });

  test.each<[string, () => Parameters<typeof questions>]>([
    ['one does not', () => [yes(), no()]],
    ['an old one does not, at which something is open still', () => [yes(), ['retiring', no()]]],
    ['one is not connected', () => [yes(), undefined]],
    ['there is none', () => []],
    ['one answers nonsense', () => [yes(), master(() => ({ asleep: 'maybe' }))]],
    ['one does not know the question', () => [yes(), master(() => Promise.reject(new Error('no')))]],
  ])('not when %s', async (_, all) => {
    expect(await questions(...all()).ask.maySleep(acme, site)).toBe(false);
  });

  test('not when a connection breaks before the answer', async () => {
    const breaking = master(neverAnswers);
    const { ask, warnings } = questions(breaking);
    const answer = ask.maySleep(acme, site);
    breaking.close();
    expect(await answer).toBe(false);
    expect(warnings).toEqual(['the edge did not tell whether an app may sleep']);
  });
});

describe('an upstream is drained', () => {
  const drained = (): Channel => master(() => ({ drained: true }));

  test('when nothing is open at it at any master, old ones included; also when there is none', async () => {
    expect(await questions().ask.drainUpstream('one', 1_000)).toBe(true);
    expect(await questions(drained(), ['retiring', drained()]).ask.drainUpstream('one', 1_000)).toBe(true);
  });

  test('not when something is open at one, or one that lives can not be asked', async () => {
    const old = master(() => ({ drained: false }));
    expect(await questions(drained(), ['retiring', old]).ask.drainUpstream('one', 1_000)).toBe(false);
    expect(await questions(drained(), undefined).ask.drainUpstream('one', 1_000)).toBe(false);
  });
});

describe('a challenge', () => {
  const challenge = { type: 'http-01', host: 'acme.example', token: 't', keyAuthorization: 't.k' } as const;

  test('goes to every master that accepts, or will', async () => {
    const heard: unknown[] = [];
    const hears = (): Channel => master((params) => void heard.push(params));
    await questions(hears(), ['starting', hears()], ['retiring', master(neverAnswers)]).ask.passChallenge('set-challenge', challenge);
    expect(heard).toEqual([challenge, challenge]);
  });

  test('is refused while there is none', async () => {
    await expect(questions(undefined).ask.passChallenge('set-challenge', challenge)).rejects.toMatchObject({
      code: 'TENANTD_E_UNREACHABLE',
    });
  });
});
