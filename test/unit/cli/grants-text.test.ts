import { expect, test } from 'vitest';
import { renderGrants } from '../../../src/cli/grants-command.ts';

const nowMs = Date.UTC(2026, 10, 21, 12);
const layout = { width: 80, paint: (_: unknown, text: string) => text, nowMs };

test('grants show what is used how often, and which lead nowhere', () => {
  const used = { requests: 3, lastUsedAt: new Date(nowMs - 5_000).toISOString() };
  const text = renderGrants(
    [
      { tenant: 'acme', app: 'api', to: 'hooli', access: 'http', isThere: true, ...used },
      { tenant: 'acme', path: '/data/shared', to: 'nobody', access: 'read', isThere: false },
      { tenant: 'acme', app: 'apii', to: 'hooli', access: 'http', isThere: true, appIsMissing: true, requests: 0 },
    ],
    layout,
  );
  expect(text).toBe(
    [
      'WHAT                     MAY BE USED BY           ACCESS  REQUESTS  LAST',
      'acme/api                 hooli                    http    3         5 s ago',
      'acme:/data/shared        nobody (no such tenant)  read',
      'acme/apii (no such app)  hooli                    http    0',
      '',
    ].join('\n'),
  );
});
