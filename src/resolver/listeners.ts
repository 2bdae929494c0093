import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { DnsAddress } from '../protocol/resolver.ts';
import type { Responder } from './responder.ts';
import { listenTcp } from './tcp-listener.ts';
import { listenUdp } from './udp-listener.ts';

/** The address comes and goes with tenants' links. */
const retryPolicy: BackoffPolicy = { firstMs: 20, maxMs: 1_000, healthyMs: 0 };

/**
 * Where tenants ask.
 *
 * Invariant: each configured address has, by UDP and by TCP, one listener or one timer that tries again.
 */
export class Listeners {
  private readonly responder: Responder;
  private readonly log: Log;
  private readonly closers = new Map<string, () => void>();

  constructor(responder: Responder, log: Log) {
    this.responder = responder;
    this.log = log;
  }

  configure(addresses: readonly DnsAddress[]): void {
    const wanted = new Map(addresses.map((address) => [`${address.host} ${address.port}`, address]));
    for (const [key, close] of this.closers)
      if (!wanted.has(key)) {
        this.closers.delete(key);
        close();
      }
    for (const [key, address] of wanted) if (!this.closers.has(key)) this.closers.set(key, this.keepListening(address));
  }

  close(): void {
    this.configure([]);
  }

  private keepListening(address: DnsAddress): () => void {
    const closers = [listenUdp, listenTcp].map((listen) =>
      this.tryAgain(address, () => listen(address.host, address.port, this.responder)),
    );
    return () => closers.forEach((close) => close());
  }

  private tryAgain({ host, port }: DnsAddress, listen: () => Promise<() => void>): () => void {
    let isClosed = false;
    let close = (): void => {};
    const attempt = async (failures: number): Promise<void> => {
      try {
        const closeListener = await listen();
        if (isClosed) closeListener();
        else close = closeListener;
      } catch (error) {
        if (isClosed) return;
        if (failures === 0) this.log.debug({}, `can not listen on ${host} port ${port} yet: ${messageOf(error)}`);
        const timer = setTimeout(() => void attempt(failures + 1), backoffDelayMs(retryPolicy, failures + 1));
        close = () => clearTimeout(timer);
      }
    };
    void attempt(0);
    return () => {
      isClosed = true;
      close();
    };
  }
}
