import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { linksBeginningWith } from '../../../src/privileged/egress-links.ts';
import type { Programs } from '../../../src/privileged/programs.ts';

/** An ip(8) that prints this. */
function ipThatPrints(text: string): Programs {
  const directory = mkdtempSync(join(tmpdir(), 'tenantd-ip-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'ip'), `#!/bin/sh\necho '${text}'\n`, { mode: 0o755 });
  return { ip: join(directory, 'ip') } as Programs;
}

test('links of other kinds, which ip prints as empty when the kind is not known yet, are none of ours', async () => {
  const afterBoot = ipThatPrints('[{},{}]');
  expect(await linksBeginningWith(afterBoot, 'td')).toEqual([]);
  const later = ipThatPrints('[{},{"ifname":"tdabc1","ifalias":"acme 1234"},{"ifname":"veth0"}]');
  expect(await linksBeginningWith(later, 'td')).toEqual([{ name: 'tdabc1', note: 'acme 1234' }]);
});
