import type { EdgeChallenge, EdgeRequests } from '../protocol/edge.ts';

type SetChallenge = { method: 'set-challenge'; params: EdgeRequests['set-challenge']['params'] };
type RemoveChallenge = { method: 'remove-challenge'; params: EdgeRequests['remove-challenge']['params'] };
export type ChallengeMessage = SetChallenge | RemoveChallenge;

/** The challenges that stand, kept by the master for edges that start meanwhile. */
export class ChallengeRecord {
  private readonly standing = new Map<string, SetChallenge>();

  record(message: ChallengeMessage): void {
    const key = `${message.params.type} ${message.params.host}`;
    if (message.method === 'set-challenge') this.standing.set(key, message);
    else this.standing.delete(key);
  }

  replay(): Iterable<ChallengeMessage> {
    return this.standing.values();
  }

  state(): EdgeChallenge[] {
    return [...this.standing.values()].map(({ params }) => params);
  }
}
