import { join } from 'node:path';
import { accepts, freePort, type ProgramOptions, startProgram } from './programs.ts';

export const proxyNames = ['tenantd', 'nginx', 'haproxy', 'caddy', 'http-proxy'] as const;
export type ProxyName = (typeof proxyNames)[number];

/** PEM files, the same for all. */
export interface Certificate {
  chainFile: string;
  keyFile: string;
  /** Chain and key, as HAProxy wants them. */
  bothFile: string;
}

export interface ProxyOptions {
  /** For its configuration, logs and sockets. */
  folder: string;
  certificate: Certificate;
  /** Unix sockets. */
  upstreams: readonly string[];
  /** As for taskset; undefined for all. */
  cpus?: string | undefined;
  /** Or threads, as it has them. */
  processes: number;
  /** For ours: node's options. */
  nodeOptions?: readonly string[];
}

export interface Proxy {
  name: ProxyName;
  /** Of the process that started its others. */
  pid: number;
  httpPort: number;
  httpsPort: number;
  /** A file or a folder. */
  logPath: string;
  stop(): Promise<void>;
}

export interface Ports {
  httpPort: number;
  httpsPort: number;
}

/** Every proxy answers to this name, over TLS too. */
export const hostName = 'localhost';
export const listenAddress = '127.0.0.1';
/** Connections to the upstreams that are kept open. */
export const pooledConnections = 256;

/** One that listens itself on ports it is told. */
export async function startListening(
  name: ProxyName,
  { folder, cpus }: ProxyOptions,
  program: (ports: Ports) => Pick<ProgramOptions, 'command' | 'env'> & { logsToOutput?: boolean },
): Promise<Proxy> {
  const ports = { httpPort: await freePort(), httpsPort: await freePort() };
  const { command, env = {}, logsToOutput = false } = program(ports);
  const logPath = join(folder, 'requests.log');
  const outputFile = logsToOutput ? logPath : join(folder, 'output.log');
  const running = startProgram({ command, env, cpus, cwd: folder, outputFile });
  try {
    await running.untilReady(() => acceptsBoth(ports));
  } catch (error) {
    await running.stop();
    throw error;
  }
  return { name, pid: running.pid, ...ports, logPath, stop: () => running.stop() };
}

export async function acceptsBoth({ httpPort, httpsPort }: Ports): Promise<boolean> {
  const answers = await Promise.all([httpPort, httpsPort].map((port) => accepts({ port, host: listenAddress })));
  return answers.every(Boolean);
}
