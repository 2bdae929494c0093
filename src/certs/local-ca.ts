import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { TenantdError } from '../base/errors.ts';
import { localCaFile } from '../protocol/certs-paths.ts';
import type { LocalCaInfo } from '../protocol/certs.ts';
import type { StateFiles } from './state-files.ts';
import { type KeyPair, makeCertificate, makeKeyPair, namesExtension, readKey, writeKey } from './x509-parts.ts';

const [folder = '', rootFile = ''] = localCaFile.split('/');
/** Key and certificate, PEM: one file, so that they always fit. `root.pem` is a copy of the certificate, for people. */
const pairFile = 'root-with-key.pem';
export const localCaFolder: string = folder;

const dayMs = 86_400_000;
const rootLifetimeMs = 3_652 * dayMs;
const leafLifetimeMs = 90 * dayMs;
/** Clocks of browsers on other machines may be behind. */
const backdateMs = 3_600_000;

interface Root {
  certificate: string;
  subject: string;
  keys: KeyPair;
  notAfterMs: number;
}

/**
 * The CA of this machine alone.
 *
 * Invariants:
 * - A root is made once, and again when it is about to expire; its key never leaves the state directory, and is on disk before
 *   anybody sees the certificate.
 * - The root signs leaves only (path length 0). It has no name constraints: which names tenants will have isn't known, and
 *   browsers would have to be told to trust a new root with each of them.
 */
export class LocalCa {
  private readonly files: StateFiles;
  private readonly nowMs: () => number;
  private root: Promise<Root> | undefined = undefined;

  constructor(files: StateFiles, nowMs: () => number) {
    this.files = files;
    this.nowMs = nowMs;
  }

  async info(): Promise<LocalCaInfo> {
    const { certificate, subject, notAfterMs } = await this.loadRoot();
    return { certificate, subject, fingerprint: new X509Certificate(certificate).fingerprint256, notAfterMs };
  }

  /** ECDSA P-256, 90 days, never longer than the root. */
  async issue(name: string): Promise<{ chain: string; key: string }> {
    const root = await this.loadRoot();
    const keys = await makeKeyPair();
    const chain = await makeCertificate({
      subject: '',
      keys,
      issuer: root,
      notBeforeMs: this.nowMs() - backdateMs,
      notAfterMs: Math.min(this.nowMs() + leafLifetimeMs, root.notAfterMs),
      extensions: [
        namesExtension(name, true),
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(root.keys.publicKey),
      ],
    });
    return { chain, key: await writeKey(keys) };
  }

  private loadRoot(): Promise<Root> {
    this.root ??= this.readRoot().catch((error: unknown) => {
      this.root = undefined;
      throw error;
    });
    return this.root;
  }

  private async readRoot(): Promise<Root> {
    const pair = await this.files.read(folder, pairFile);
    if (pair === undefined) return this.makeRoot();
    const parsed = parsePair(pair);
    if (!parsed)
      throw new TenantdError(
        'TENANTD_E_STATE',
        'the root certificate of the local CA is damaged on disk',
        `restore ${folder}/${pairFile} in the state of the certificates from a backup, or remove it: a new root is made then, which browsers must be told to trust`,
      );
    const notAfterMs = Date.parse(parsed.validTo);
    if (notAfterMs - leafLifetimeMs < this.nowMs()) return this.makeRoot();
    const certificate = parsed.toString();
    if ((await this.files.read(folder, rootFile)) !== certificate) await this.files.write(folder, rootFile, certificate, 0o644);
    return { certificate, subject: new x509.X509Certificate(certificate).subject, keys: await readKey(pair), notAfterMs };
  }

  private async makeRoot(): Promise<Root> {
    const keys = await makeKeyPair();
    const subject = `CN=tenantd local CA ${randomBytes(3).toString('hex')}`;
    // Certificates know seconds only.
    const notAfterMs = Math.floor((this.nowMs() + rootLifetimeMs) / 1_000) * 1_000;
    const certificate = await makeCertificate({
      ...{ subject, keys, notAfterMs },
      notBeforeMs: this.nowMs() - backdateMs,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    await this.files.write(folder, pairFile, `${await writeKey(keys)}${certificate}`);
    await this.files.write(folder, rootFile, certificate, 0o644);
    return { certificate, subject, keys, notAfterMs };
  }
}

/** Undefined when one of the two can't be read, or they do not fit. */
function parsePair(pair: string): X509Certificate | undefined {
  try {
    const parsed = new X509Certificate(pair.slice(pair.indexOf('-----BEGIN CERTIFICATE')));
    return parsed.checkPrivateKey(createPrivateKey(pair)) ? parsed : undefined;
  } catch {
    return undefined;
  }
}
