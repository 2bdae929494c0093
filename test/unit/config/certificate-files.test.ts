import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CertificateResult, readCertificate } from '../../../src/config/certificate-files.ts';

const chainText = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
const keyText = '-----BEGIN PRIVATE KEY-----\nBBBB\n-----END PRIVATE KEY-----\n';
const whole = { text: { chain: chainText, key: keyText } };
/** Root's, on every Linux, and writable by nobody else. */
const ofRoot = '/etc/passwd';
const isRoot = process.getuid?.() === 0;

let root: string;
let dir: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tenantd-certificate-'));
  dir = join(root, 'tenants', 'acme');
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'acme.pem'), chainText);
  writeFileSync(join(dir, 'acme.key'), keyText);
});
afterEach(() => rmSync(root, { recursive: true }));

function read(certificate = 'acme.pem', key = 'acme.key'): Promise<CertificateResult> {
  const place = { dir, file: join(dir, 'tenant.yaml'), closedDirs: [join(root, 'tenants'), join(root, 'state')] };
  return readCertificate({ certificate, key, line: 2, column: 5 }, place);
}

describe("files in the tenant's folder", () => {
  test('are read as they are', async () => {
    expect(await read()).toEqual(whole);
  });

  test('may lie in a folder of it', async () => {
    mkdirSync(join(dir, 'tls'));
    writeFileSync(join(dir, 'tls', 'a.pem'), chainText);
    expect(await read('tls/a.pem')).toEqual(whole);
  });

  test.each<[string, string, string, () => void]>([
    ['is not there', 'TENANTD_E_FILE_MISSING', 'the file is not there', () => rmSync(join(dir, 'acme.key'))],
    ['is empty', 'TENANTD_E_FILE_EMPTY', 'the file is empty', () => writeFileSync(join(dir, 'acme.key'), '')],
    ['is too large', 'TENANTD_E_FILE_TOO_LARGE', 'the file is over 64 KiB', () => writeFileSync(join(dir, 'acme.key'), 'x'.repeat(65_537))],
    [
      'is not UTF-8',
      'TENANTD_E_CERTIFICATE',
      'the file is not PEM text',
      () => writeFileSync(join(dir, 'acme.key'), Buffer.of(0x30, 0x82)),
    ],
    ['has control characters', 'TENANTD_E_CERTIFICATE', 'the file is not PEM text', () => writeFileSync(join(dir, 'acme.key'), '\u0001')],
    [
      'is a link',
      'TENANTD_E_FILE_NOT_PLAIN',
      'this is a link, not a plain file',
      () => {
        rmSync(join(dir, 'acme.key'));
        symlinkSync(ofRoot, join(dir, 'acme.key'));
      },
    ],
    [
      'is a folder',
      'TENANTD_E_FILE_NOT_PLAIN',
      'this is not a plain file',
      () => {
        rmSync(join(dir, 'acme.key'));
        mkdirSync(join(dir, 'acme.key'));
      },
    ],
  ])('of which one %s are a problem of the line in tenant.yaml', async (_, code, message, act) => {
    act();
    expect((await read()).problem).toEqual({
      code,
      message: `\`tls.key\`, ${join(dir, 'acme.key')}: ${message}`,
      fix: expect.stringMatching(/./),
      ...{ file: join(dir, 'tenant.yaml'), line: 2, column: 5 },
    });
  });

  test('of the largest size fit into one frame to the edge, whatever they hold', async () => {
    writeFileSync(join(dir, 'acme.pem'), '\n'.repeat(256 << 10));
    writeFileSync(join(dir, 'acme.key'), '"'.repeat(64 << 10));
    const { text } = await read();
    expect(JSON.stringify({ method: 'set-certificate', params: text }).length).toBeLessThan(1 << 20);
  });
});

describe('an absolute path', () => {
  test.runIf(isRoot)('is taken at its word, links too', async () => {
    symlinkSync(ofRoot, join(root, 'link.pem'));
    expect((await read(join(root, 'link.pem'))).text?.chain).toContain('root:');
  });

  test('is refused where others than root can write what it leads to', async () => {
    writeFileSync(join(root, 'a.key'), keyText);
    chmodSync(join(root, 'a.key'), 0o620);
    const { problem } = await read('acme.pem', join(root, 'a.key'));
    expect(problem).toMatchObject({ code: 'TENANTD_E_FILE_UNREADABLE', message: expect.stringContaining('others than root can write') });
  });

  test.each(['tenants/globex/apps/site/key.pem', 'state/tenants/acme/data/key.pem'])('is refused where tenants write: %s', async (path) => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), keyText);
    const { problem } = await read('acme.pem', join(root, path));
    expect(problem).toMatchObject({ code: 'TENANTD_E_BAD_PATH', message: expect.stringContaining("one of tenantd's own folders") });
  });
});
