import type { Http2Stream } from './stream.ts';

/** How many resets of ours are remembered: the client may not have heard of them when it sends. */
const mostRemembered = 256;

/** What is known of a client's stream id (RFC 9113 5.1). */
export type StreamState = 'idle' | 'open' | 'closed' | 'reset-by-us';

/** The streams of a connection. */
export class StreamTable {
  /** The highest id that the client has used. */
  lastId = 0;
  /** The highest id of a request that was not refused by a shutdown. */
  lastServedId = 0;
  private readonly open = new Map<number, Http2Stream>();
  private readonly resetByUs = new Set<number>();

  get size(): number {
    return this.open.size;
  }

  get(id: number): Http2Stream | undefined {
    return this.open.get(id);
  }

  all(): Iterable<Http2Stream> {
    return this.open.values();
  }

  /** Even ids are the server's, which opens none. */
  stateOf(id: number): StreamState {
    if (this.open.has(id)) return 'open';
    if (id > this.lastId || id % 2 === 0) return 'idle';
    return this.resetByUs.has(id) ? 'reset-by-us' : 'closed';
  }

  add(stream: Http2Stream): void {
    this.open.set(stream.id, stream);
  }

  remove(stream: Http2Stream): void {
    stream.closed = true;
    this.open.delete(stream.id);
  }

  /** Closes all; answers which were open. */
  removeAll(): Http2Stream[] {
    const streams = [...this.open.values()];
    for (const stream of streams) this.remove(stream);
    return streams;
  }

  rememberReset(id: number): void {
    this.resetByUs.add(id);
    if (this.resetByUs.size <= mostRemembered) return;
    for (const oldest of this.resetByUs) {
      this.resetByUs.delete(oldest);
      return;
    }
  }
}
