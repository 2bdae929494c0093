import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { findPortHolder } from './port-guard.ts';

const firstPollMs = 5;
const lastPollMs = 100;
/** The tables of sockets are slow to read on a machine with many. */
const heldByAnotherPollMs = 1_000;

/** Answers with the address on which a program that tells nobody listens. `onHeld`: another app has its port. */
export async function awaitOwnListener(port: number, uid: number, onHeld: () => void): Promise<string> {
  for (let pollMs = firstPollMs; ; pollMs = Math.min(pollMs * 2, lastPollMs)) {
    if ((await accepts('127.0.0.1', port)) || (await accepts('::1', port))) {
      const holder = await findPortHolder(port, uid);
      if (holder.held === 'by-us') return holder.host;
      if (holder.held === 'by-another') {
        onHeld();
        await delay(heldByAnotherPollMs);
      }
    }
    await delay(pollMs);
  }
}

function accepts(host: string, port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host, port });
  socket.once('connect', () => resolve(true));
  socket.once('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}
