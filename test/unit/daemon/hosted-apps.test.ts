import { expect, test } from 'vitest';
import type { AppName } from '../../../src/base/ids.ts';
import { createHostedApps, type HostedAppsParts } from '../../../src/daemon/hosted-apps.ts';

const site = 'site' as AppName;

/** As far as it is asked for static apps. */
function staticApps(): { parts: HostedAppsParts; published: AppName[] } {
  const published: AppName[] = [];
  const picture = { apps: () => new Map([[site, { spec: { kind: 'static' } }]]), triedGeneration: () => undefined };
  const nothing = (): void => {};
  const parts = {
    ...{ picture, service: () => ({ publish: (app: AppName) => published.push(app), announce: nothing }), startWorker: nothing },
    ...{ scheduleEnded: nothing, onManifestsChanged: nothing, onLogLines: nothing, onStaticServed: nothing },
  };
  return { parts: parts as unknown as HostedAppsParts, published };
}

test('a host that is taken up serves its static apps on before it has said a word', () => {
  const hosted = createHostedApps(staticApps().parts);
  hosted.takeUpStatic(['site', '../other']);
  expect(hosted.isStaticServed(site)).toBe(true);
  expect(hosted.isStaticServed('../other' as AppName)).toBe(false);
  hosted.keepOnly([site]);
  expect(hosted.isStaticServed(site)).toBe(true);
  hosted.keepOnly([]);
  expect(hosted.isStaticServed(site)).toBe(false);
});

test('when it ends first, they wait for the next one', () => {
  const { parts, published } = staticApps();
  const hosted = createHostedApps(parts);
  hosted.takeUpStatic(['site']);
  hosted.forgetStatic();
  expect([hosted.isStaticServed(site), published]).toEqual([false, [site]]);
});
