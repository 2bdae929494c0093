/**
 * Why a try to get a certificate ended without one.
 * - `dns`: the name does not point here. `name`: the CA could not prove that it does. Both count as failures of the name.
 * - `refused`: this CA will not certify this name now; another one may.
 * - `ca`: the CA is not there or not well; nobody should ask it for a while.
 * - `outside`: a resolver, the edges or a program of ours failed. Nobody's fault in the tenant.
 */
export type Blame = 'dns' | 'name' | 'refused' | 'ca' | 'outside';

/** `message` is for the people of the tenant: plain words. */
export class TryFault extends Error {
  override readonly name = 'TryFault';
  readonly blame: Blame;
  /** Asked for by whoever refused. */
  readonly retryAfterMs: number | undefined;

  constructor(blame: Blame, message: string, options: ErrorOptions & { retryAfterMs?: number | undefined } = {}) {
    super(message, options);
    this.blame = blame;
    this.retryAfterMs = options.retryAfterMs;
  }
}
