import type { Problem } from '../base/problem.ts';
import { readAcmeFiles, type AcmeFiles } from '../config/acme-files.ts';
import { challengesOf } from '../config/acme-rules.ts';
import type { AcmeSettings } from '../config/acme-schema.ts';
import type { DaemonConfig } from '../config/daemon-config.ts';
import type { AcmeConfiguration, CertsConfiguration } from '../protocol/certs.ts';
import { showAddress } from './addresses.ts';

/** What `certs` is to be told of tenantd.yaml; no configuration when a file that `acme` names can not be used. */
export async function readCertsConfiguration(
  config: Pick<DaemonConfig, 'acme' | 'http' | 'https'>,
  file: string,
): Promise<{ configuration?: CertsConfiguration; problems: Problem[] }> {
  const { acme } = config;
  if (!acme) return { configuration: {}, problems: [] };
  const { files, problems } = await readAcmeFiles(acme, file);
  return files ? { configuration: { acme: toAcme(acme, files, challengesOf(config)) }, problems } : { problems };
}

function toAcme(acme: AcmeSettings, files: AcmeFiles, challenges: AcmeConfiguration['challenges']): AcmeConfiguration {
  const { email, resolvers, publicAddresses, dnsHook, rfc2136 } = acme;
  return {
    directories: acme.directories.map(({ url, eab, profile }, index) => ({
      url,
      ...(eab && { eab: { keyId: eab.keyId, macKey: files.macKeys[index] ?? '' } }),
      ...(profile !== undefined && { profile }),
    })),
    ...(email !== undefined && { email }),
    ...(files.caPem !== undefined && { caPem: files.caPem }),
    resolvers: resolvers.map(showAddress),
    publicAddresses,
    challenges,
    ...(dnsHook && { dnsHook }),
    ...(rfc2136 && { rfc2136: toRfc2136(rfc2136, files.updateKey ?? '') }),
  };
}

function toRfc2136(
  { server, zone, keyName }: NonNullable<AcmeSettings['rfc2136']>,
  keySecret: string,
): NonNullable<AcmeConfiguration['rfc2136']> {
  return { server: showAddress(server), ...(zone !== undefined && { zone }), keyName, keySecret };
}
