import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { launchWorker } from './launched-worker.ts';

const python = { kind: 'command', command: ['python3', '-u', 'app.py'] } as const;

async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return String(port);
}

const mutable = ({ kind, command }: { kind: 'command'; command: readonly string[] }): { kind: 'command'; command: string[] } => ({
  kind,
  command: [...command],
});

describe('a command that listens on $PORT', () => {
  test('is reached through the inherited socket once it listens', async () => {
    await using worker = launchWorker('python-http', mutable(python), { PORT: await freePort() });
    await worker.listening();
    expect((await worker.ask('/')).body).toBe('python');
    const body = 'y'.repeat(1_000_000);
    expect((await worker.ask('/', { method: 'POST', body, headers: { 'content-length': '1000000' } })).body).toBe(body);
  });

  test("gets SIGTERM passed on, and its exit code is the worker's", async () => {
    await using worker = launchWorker('python-http', mutable(python), { PORT: await freePort() });
    await worker.listening();
    worker.child.kill('SIGTERM');
    expect(await worker.exited).toEqual([9, null]);
    await worker.shows('SIGTERM seen');
  });

  test('ends with 128 and the signal when a signal ended it', async () => {
    await using worker = launchWorker('python-http', { kind: 'command', command: ['sh', '-c', 'kill -SEGV $$'] });
    expect(await worker.exited).toEqual([139, null]);
  });

  test('that can not be found ends with 127 and says so', async () => {
    await using worker = launchWorker('python-http', { kind: 'command', command: ['no-such-program'] });
    expect(await worker.exited).toEqual([127, null]);
    await worker.shows('no-such-program can not be started');
  });

  test('passes its last answer on although it exits right after it', async () => {
    const script = `import os,socket
s=socket.create_server(("127.0.0.1",int(os.environ["PORT"])))
while True:
  c,_=s.accept()
  if not c.recv(65536): continue
  c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n"+b"z"*200000)
  os._exit(3)`;
    await using worker = launchWorker('python-http', { kind: 'command', command: ['python3', '-c', script] }, { PORT: await freePort() });
    await worker.listening();
    expect((await worker.ask('/')).body).toHaveLength(200_000);
    expect(await worker.exited).toEqual([3, null]);
  });
});
