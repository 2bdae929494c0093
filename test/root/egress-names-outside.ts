// The world outside of the machine, in its own network namespace: a name server whose table the test sets, and web servers.
import { createServer } from 'node:http';
import { fromTable, StubDns, type StubRecord } from '../support/stub-dns.ts';

export interface OutsideRequest {
  table: Record<string, readonly StubRecord[]>;
}

export const nameServer = '198.51.100.53';
export const webServers = ['198.51.100.7', '198.51.100.8', '198.51.100.9', '198.51.100.10', '10.0.0.5', '169.254.169.254'];
export const webPort = 8_080;

if (import.meta.main) {
  const stub = await StubDns.start(() => 'silent', nameServer, 53);
  for (const host of webServers)
    createServer((_request, response) => response.setHeader('connection', 'close').end(host)).listen(webPort, host);
  process.on('message', ({ table }: OutsideRequest) => {
    stub.respond = fromTable(table);
    process.send?.('set');
  });
  process.send?.('ready');
}
