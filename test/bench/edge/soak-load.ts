import { runLoader } from './programs.ts';
import { hostName, listenAddress, type Ports } from './proxy.ts';

const clients = 16;
/** Far more than a phase can need; a loader that hangs is ended then. */
const longestSeconds = 3_600;

/** So many requests, a third each over HTTP/1.1, HTTP/1.1 with TLS, and HTTP/2, at once. Throws unless each was answered well. */
export async function loadAll({ httpPort, httpsPort }: Ports, requests: number, signal: AbortSignal): Promise<number> {
  const count = Math.floor(requests / 3);
  const kinds = [
    ['--h1', `--connect-to=${listenAddress}:${httpPort}`, `http://${hostName}:${httpPort}/small`],
    ['--h1', `--connect-to=${listenAddress}:${httpsPort}`, `https://${hostName}:${httpsPort}/small`],
    ['-m8', `--connect-to=${listenAddress}:${httpsPort}`, `https://${hostName}:${httpsPort}/small`],
  ];
  await Promise.all(kinds.map((options) => load(options, count, signal)));
  return 3 * count;
}

async function load(options: readonly string[], count: number, signal: AbortSignal): Promise<void> {
  const command = ['h2load', '-t1', `-c${clients}`, `-n${count}`, ...options];
  const text = await runLoader(command, { cpus: undefined, seconds: longestSeconds, signal });
  const [, done] = /^status codes: (\d+) 2xx/m.exec(text) ?? [];
  if (Number(done) !== count) throw new Error(`${done} of ${count} requests were answered with 2xx:\n${text.slice(-1_000)}`);
}
