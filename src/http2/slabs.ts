/** Room for frames: what is before `at` is given away. */
export interface Slab {
  readonly bytes: Buffer;
  at: number;
}

export const slabBytes = 16 * 1024;
/** With less left it is not worth keeping. */
const leastRoomBytes = 1024;
const mostFree = 32;

/**
 * Memory that frames are written into. A slab is lent to a connection with something to send; what it wrote there goes to the socket
 * as it is, and the rest of the slab serves the next connection. A slab's memory is freed when the last socket has sent its part.
 */
export class Slabs {
  private readonly free: Slab[] = [];

  take(bytes: number): Slab {
    const slab = this.free.pop();
    if (slab && slab.bytes.length - slab.at >= bytes) return slab;
    if (slab) this.giveBack(slab);
    return { bytes: Buffer.allocUnsafeSlow(Math.max(bytes, slabBytes)), at: 0 };
  }

  giveBack(slab: Slab): void {
    if (slab.bytes.length - slab.at >= leastRoomBytes && this.free.length < mostFree) this.free.push(slab);
  }
}
