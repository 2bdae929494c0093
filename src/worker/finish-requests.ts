import type { Server } from 'node:net';

/** Stops accepting and answers once the last connection has ended, each as soon as its request is done. */
export function finishRequests(server: Server | undefined): Promise<void> {
  if (!server?.listening) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  // An http server closes idle connections itself, but leaves one that is busy now open for another keep-alive time.
  if ('keepAliveTimeout' in server) Object.assign(server, { keepAliveTimeout: 1, keepAliveTimeoutBuffer: 0 });
  server.close(() => resolve());
  return promise;
}
