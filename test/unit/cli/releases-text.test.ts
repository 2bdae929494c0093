import { expect, test } from 'vitest';
import { renderDeployed } from '../../../src/cli/deploy-command.ts';
import { renderReleases } from '../../../src/cli/releases-command.ts';
import { parseAppReference } from '../../../src/cli/references.ts';
import { createPaint } from '../../../src/cli/terminal.ts';

const layout = { width: 80, paint: createPaint(false), nowMs: Date.parse('2026-11-21T14:00:00Z') };

test('releases are a table, and why one was taken back is below it', () => {
  const made = { createdBy: 'operator', files: 12, bytes: 3_400 };
  const text = renderReleases(
    [
      {
        release: '20261121-135900-aaaa',
        current: false,
        previous: false,
        createdAt: '2026-11-21T13:59:00Z',
        ...made,
        failure: 'taken back by tenantd: exited with \x1b[31mcode 1',
      },
      { release: '20261121-130000-bbbb', current: true, previous: false, createdAt: '2026-11-21T13:00:00Z', ...made },
      { release: 'local', current: false, previous: true },
    ],
    layout,
  );
  expect(text).toBe(
    [
      'RELEASE               STATE       MADE           BY        FILES  SIZE',
      '20261121-135900-aaaa  taken back  1 min ago      operator  12     3.3 KiB',
      '  taken back by tenantd: exited with code 1',
      '20261121-130000-bbbb  current     1 h 0 min ago  operator  12     3.3 KiB',
      'local                 previous',
      '',
    ].join('\n'),
  );
  expect(text.split('\n').every((line) => line.length <= 80)).toBe(true);
});

test('what a deploy made is said in one line', () => {
  const target = parseAppReference('acme/site');
  expect(renderDeployed(target, { release: '20261121-135900-aaaa', files: 1, bytes: 96, previous: 'local' })).toBe(
    'acme/site: 20261121-135900-aaaa serves (1 file, 96 B); before: local\n',
  );
  expect(renderDeployed(target, { release: '20261121-135900-aaaa', files: 2, bytes: 96, stopped: true })).toBe(
    'acme/site: 20261121-135900-aaaa is current; the app is stopped (2 files, 96 B)\n',
  );
});
