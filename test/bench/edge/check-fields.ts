import { get } from 'node:http';
import { hostName, listenAddress, type Proxy } from './proxy.ts';

/** The same fields from everybody: the upstream says what it got. */
export async function checkFields({ httpPort }: Proxy): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  get({ host: listenAddress, port: httpPort, path: '/fields', headers: { host: `${hostName}:${httpPort}` }, agent: false }, (response) => {
    void response.toArray().then((chunks) => resolve(Buffer.concat(chunks as Buffer[]).toString()), reject);
  }).once('error', reject);
  const got = await promise;
  const expected = new RegExp(`^(::ffff:)?127\\.0\\.0\\.1\\|http\\|${hostName}(:${httpPort})?\\|${httpPort}\\|[\\w-]{8,}$`);
  if (!expected.test(got)) throw new Error(`forwarding fields: ${got}`);
}
