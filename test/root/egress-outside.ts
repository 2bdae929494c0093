// Servers of the world outside, in a network namespace of a test: on each address of the command line, on each port, by TCP and UDP.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

export const outsideServers = import.meta.filename;
const ports = [8_080, 9_090];

if (import.meta.main) {
  // Whoever the test asks about has sent something that arrived.
  const datagrams: string[] = [];
  process.stdin.on('data', () => process.stdout.write(`${JSON.stringify(datagrams)}\n`));
  for (const address of process.argv.slice(2)) for (const port of ports) await listen(address, port);
  process.stdout.write('ready\n');

  async function listen(address: string, port: number): Promise<void> {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.write(`${address} sees ${socket.remoteAddress}\n`);
      socket.on('data', (data) => socket.write(data));
    });
    await once(server.listen(port, address), 'listening');
    const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    udp.bind(port, address);
    await once(udp, 'listening');
    udp.on('message', (data, from) => {
      datagrams.push(`${data.toString()} from ${from.address}`);
      udp.send(`${address} sees ${from.address}`, from.port, from.address);
    });
  }
}
