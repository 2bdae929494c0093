import http from 'node:http';
import { request } from './client.ts';

export interface LoadReport {
  requests: number;
  /** What did not end in 200 with the expected text. */
  failures: string[];
}

/** Asks every host in turn, `workers` at a time, until it is stopped. */
export function startSteadyLoad(options: {
  port: number;
  hosts: readonly { host: string; expected: string }[];
  workers: number;
  path?: string;
}): {
  stop(): Promise<LoadReport>;
} {
  const { port, hosts, workers, path = '/' } = options;
  const report: LoadReport = { requests: 0, failures: [] };
  const agent = new http.Agent({ keepAlive: true, maxSockets: workers });
  const stopping = new AbortController();
  let next = 0;

  async function ask(): Promise<void> {
    while (!stopping.signal.aborted) {
      const target = hosts[next++ % hosts.length];
      if (!target) return;
      report.requests += 1;
      try {
        const { status, text } = await request(port, { host: target.host, path, agent });
        if (status !== 200 || text !== target.expected) report.failures.push(`${target.host}: ${status} ${text.slice(0, 200)}`);
      } catch (error) {
        report.failures.push(`${target.host}: ${String(error)}`);
      }
    }
  }

  const running = Array.from({ length: workers }, ask);
  return {
    async stop() {
      stopping.abort();
      await Promise.all(running);
      agent.destroy();
      return report;
    },
  };
}
