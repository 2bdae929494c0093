import type { Waiter } from './admission.ts';
import type { AppTarget, HeldRequest } from './app-target.ts';
import type { Quiet } from './quiet-requests.ts';

/** Whose place it is. */
export interface PlacedRequest extends Waiter, HeldRequest {
  /** Known before it takes a place, and the same from then on. */
  readonly quiet: Quiet | undefined;
}

/**
 * What one exchange takes of what its app and its tenant count: that it is open, that it is held until the app is ready, and a
 * request's place among its tenant's, or a tunnel's.
 *
 * Invariant: whatever was taken is given back once, to the same app and tenant.
 */
export class RequestPlace {
  isHeld = false;
  private readonly request: PlacedRequest;
  private target: AppTarget | undefined = undefined;
  private kind: 'none' | 'queued' | 'request' | 'tunnel' = 'none';
  private wasHeld = false;

  constructor(request: PlacedRequest) {
    this.request = request;
  }

  get isQueued(): boolean {
    return this.kind === 'queued';
  }

  /** Until the app's state changes. False when as many requests of the tenant wait for an app already. */
  hold(target: AppTarget, limit: number): boolean {
    if (target.tenant.heldRequests >= limit) return false;
    this.begin(target);
    target.tenant.heldRequests += 1;
    target.hold(this.request);
    this.isHeld = true;
    this.wasHeld = true;
    return true;
  }

  /** Waits for the app no longer. */
  release(): void {
    if (!this.isHeld || !this.target) return;
    this.isHeld = false;
    this.target.tenant.heldRequests -= 1;
    this.target.letGo(this.request);
  }

  /** False when too many wait already. `isQueued` tells whether it has to be waited for. */
  enter(target: AppTarget): boolean {
    if (this.kind !== 'none') return true;
    const { admission } = target.tenant;
    if (admission.tryEnter()) this.kind = 'request';
    else if (admission.enqueue(this.request, this.wasHeld)) {
      this.kind = 'queued';
      target.queued += 1;
    } else return false;
    this.begin(target);
    return true;
  }

  /** Its turn has come. */
  admit(): void {
    this.kind = 'request';
    if (this.target) this.target.queued -= 1;
  }

  /** A tunnel is no request any more. */
  becomeTunnel(): void {
    const { target, kind } = this;
    if (!target) return;
    this.kind = 'tunnel';
    target.tenant.webSockets += 1;
    if (kind === 'request') target.tenant.admission.leave();
  }

  leave(): void {
    this.release();
    const { kind, target } = this;
    if (!target) return;
    this.kind = 'none';
    this.target = undefined;
    target.noteEnd(this.request.quiet);
    const { tenant } = target;
    if (kind === 'request') tenant.admission.leave();
    else if (kind === 'tunnel') tenant.webSockets -= 1;
    else if (kind === 'queued') {
      target.queued -= 1;
      tenant.admission.abandon(this.request);
    }
  }

  private begin(target: AppTarget): void {
    if (this.target) return;
    this.target = target;
    target.noteBegin(this.request.quiet);
  }
}
