/** Things that are needed at once and take a while to make: some are kept ready, and made again in the background. */
export interface Spares<Thing> {
  /** One that is ready, or else one that is made now. */
  take(): Promise<Thing>;
  /** Those that nobody took are given back, also those that are being made. */
  close(): Promise<void>;
}

export interface SparesOptions<Thing> {
  /** So many are made together. */
  count: number;
  make: (count: number) => Promise<Thing[]>;
  discard: (thing: Thing) => void;
  /** It may have gone bad while it lay there. */
  isUsable?: (thing: Thing) => boolean;
  /** After the last was taken: what it was taken for goes first. */
  refillAfterMs: number;
}

export function createSpares<Thing>({ count, make, discard, isUsable = () => true, refillAfterMs }: SparesOptions<Thing>): Spares<Thing> {
  const ready: Thing[] = [];
  let refill: NodeJS.Timeout | undefined;
  let filling = Promise.resolve();
  let isClosed = false;

  async function fill(): Promise<void> {
    // What can't be made is told to whoever needs one, and tries it then.
    const made = await make(count).catch((): Thing[] => []);
    ready.push(...made);
    refill = undefined;
  }

  function discardAll(): void {
    for (const thing of ready.splice(0)) discard(thing);
  }

  function refillSoon(delayMs: number): void {
    if (isClosed) return;
    refill ??= setTimeout(() => {
      filling = fill();
    }, delayMs).unref();
  }

  async function takeOrMake(): Promise<Thing> {
    for (let spare = ready.pop(); spare !== undefined; spare = ready.pop()) if (isUsable(spare)) return spare;
    const [made] = await make(1);
    if (made === undefined) throw new Error('nothing was made');
    return made;
  }

  refillSoon(0);
  return {
    take() {
      const taken = takeOrMake();
      if (ready.length === 0) refillSoon(refillAfterMs);
      return taken;
    },
    async close() {
      isClosed = true;
      clearTimeout(refill);
      await filling;
      discardAll();
    },
  };
}
