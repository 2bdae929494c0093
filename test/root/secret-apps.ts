import { request } from '../support/client.ts';
import { repositoryPath, type TenantFiles, type TestDaemon } from '../support/test-daemon.ts';

/** What an app of test/fixtures shows of one secret. */
export interface ShownSecret {
  variable: string | null;
  file: string | null;
  mode: string | null;
  names: string[];
  environ: string[];
  descriptors: string[];
}

/** An app at a host of its own that answers /NAME with what it has of that secret. */
export function secretApp(name: string, host: string, lines = 'kind: node\nentry: server.js\n'): TenantFiles {
  return {
    [`apps/${name}`]: { copy: repositoryPath('test/fixtures/apps/shows-secrets') },
    [`apps/${name}/app.yaml`]: `drain: 2s\nroutes: ["${host}/"]\n${lines}`,
  };
}

export async function showSecret(daemon: TestDaemon, host: string, name: string): Promise<ShownSecret> {
  const { status, text } = await request(daemon.port, { host, path: `/${name}` });
  if (status !== 200) throw new Error(`${host}: ${status} ${text}`);
  return JSON.parse(text) as ShownSecret;
}
