/** What a call of `server.listen(...)` asks for (https://nodejs.org/api/net.html#serverlisten has all its forms). */
export interface ListenRequest {
  target: { port: number; host?: string } | { path: string };
  backlog?: number;
  signal?: AbortSignal;
  callback?: () => void;
}

/** Undefined for what is not an address: a descriptor, a handle, a port out of range. Node itself then deals with the call. */
export function readListenArguments(args: readonly unknown[]): ListenRequest | undefined {
  const callback = args.findLast((arg) => typeof arg === 'function');
  const [first, ...rest] = args.filter((arg) => typeof arg !== 'function');
  const request = typeof first === 'object' && first !== null ? readOptions(first) : readPositional(first, rest);
  if (request && callback) request.callback = callback as () => void;
  return request;
}

function readPositional(first: unknown, rest: readonly unknown[]): ListenRequest | undefined {
  const host = rest.find((arg) => typeof arg === 'string');
  return compose(
    first,
    host,
    rest.find((arg) => typeof arg === 'number'),
  );
}

function readOptions(options: object): ListenRequest | undefined {
  const { port, path, host, backlog, signal, fd, handle, _handle } = options as Record<string, unknown>;
  if (typeof fd === 'number' || handle !== undefined || _handle !== undefined || !isPlain(options)) return undefined;
  const request = compose(port ?? path, host, backlog);
  if (request && signal instanceof AbortSignal) request.signal = signal;
  return request;
}

/** A `net.BoundSocket` or a server stands for a handle that is there already. */
function isPlain(options: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(options);
  return prototype === null || prototype === Object.prototype;
}

function compose(address: unknown, host: unknown, backlog: unknown): ListenRequest | undefined {
  const target = targetOf(address, host);
  if (!target) return undefined;
  return typeof backlog === 'number' ? { target, backlog } : { target };
}

function targetOf(address: unknown, host: unknown): ListenRequest['target'] | undefined {
  const port = address === undefined || address === null ? 0 : Number(address);
  if (typeof address === 'string' && (address === '' || Number.isNaN(port))) return { path: address };
  if (!Number.isInteger(port) || port < 0 || port > 65_535) return undefined;
  return typeof host === 'string' && host !== '' ? { port, host } : { port };
}
