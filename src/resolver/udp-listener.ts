import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Responder } from './responder.ts';

/** Room for a burst of all tenants together; beyond it the kernel drops. */
const receiveBufferBytes = 1 << 20;
/** Answers that the kernel would not take yet; beyond it they are dropped, as packets may be. */
const maxSendQueueBytes = 1 << 20;

/** Answers questions that come by UDP. Settles when it listens; rejects when the address can't be had. */
export async function listenUdp(host: string, port: number, responder: Responder): Promise<() => void> {
  const socket = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4', recvBufferSize: receiveBufferBytes });
  let isOpen = true;
  socket.on('message', (bytes, { address, port: clientPort }) =>
    responder.respond(bytes, address, 'udp', (answer) => {
      // A client that is gone is no fault.
      if (isOpen && socket.getSendQueueSize() < maxSendQueueBytes) socket.send(answer, clientPort, address, () => {});
    }),
  );
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once('error', reject);
  socket.bind({ address: host, port, exclusive: true }, resolve);
  try {
    await promise;
  } catch (error) {
    socket.close();
    throw error;
  }
  // Of single packets, such as an address that is not there for a moment: clients ask again.
  socket.on('error', () => {});
  return () => {
    // Answers may still be on their way to it.
    isOpen = false;
    socket.close();
  };
}
