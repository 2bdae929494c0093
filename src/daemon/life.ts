/** A state that only a table of transitions changes, and since when it is. */
export interface Life<State extends string, Sighting extends string> {
  readonly state: State;
  readonly sinceMs: number;
  /** True when it is another state now. */
  see(sighting: Sighting): boolean;
}

export function createLife<State extends string, Sighting extends string>(
  transitions: Readonly<Record<State, Readonly<Record<Sighting, State>>>>,
  first: State,
  nowMs: () => number,
): Life<State, Sighting> {
  let state = first;
  let sinceMs = nowMs();

  return {
    get state() {
      return state;
    },
    get sinceMs() {
      return sinceMs;
    },
    see(sighting) {
      const next = transitions[state][sighting];
      if (next === state) return false;
      state = next;
      sinceMs = nowMs();
      return true;
    },
  };
}
