import { expect, test } from 'vitest';
import { unreachable } from '../../../src/cli/control-client.ts';

const failed = (code: string) => Object.assign(new Error(`connect ${code}`), { code });
const explain = (code: string, isRoot: boolean) => unreachable({ isRoot }, '/etc/tenantd/tenantd.yaml', '/run/x.sock', failed(code));

test.each(['EACCES', 'EPERM'])('%s tells others than root to become root', (code) => {
  expect(explain(code, false)).toMatchObject({ code: 'TENANTD_E_UNREACHABLE', fix: expect.stringContaining('TENANTD_TOKEN') });
  expect(explain(code, true).fix).not.toContain('sudo');
});

test.each(['ENOENT', 'ECONNREFUSED'])('%s tells where a daemon was looked for, and by which configuration', (code) => {
  const error = explain(code, true);
  expect(error).toMatchObject({ code: 'TENANTD_E_UNREACHABLE', message: 'no daemon answers at /run/x.sock' });
  expect(error.fix).toContain('/etc/tenantd/tenantd.yaml');
});

test('anything else is told as it is', () => {
  expect(explain('EMFILE', true)).toMatchObject({ code: 'TENANTD_E_UNREACHABLE', message: expect.stringContaining('connect EMFILE') });
});
