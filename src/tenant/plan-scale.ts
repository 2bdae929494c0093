/** What one look at an app's load found. */
export interface LoadSample {
  /** Workers that are ready. */
  ready: number;
  /** At the edge: requests that are open at its workers, and that wait for a place or a worker. */
  open: number;
  waiting: number;
  /** Of its event loops, on average: the share of time that they are busy, and how late a timer is. Absent: it has none that tell. */
  loop?: { busy: number; lateMs: number };
}

export interface Scale {
  /** So many workers there should be. */
  target: number;
  pressedSinceMs?: number;
  calmSinceMs?: number;
}

export interface ScaleBounds {
  least: number;
  most: number;
}

/** Edge and workers tell their load once a second: two looks in a row. */
const pressedMs = 900;
const calmMs = 60_000;
/** While there are more workers than the least, and nothing is told. */
const lookAgainMs = 5_000;

/** Between the two nothing changes: what one worker less would bring about must be far from what asks for one more. */
const busyOver = 0.8;
const busyBelow = 0.5;
const lateOverMs = 100;
const lateBelowMs = 50;
/** Where no event loop tells: requests that are open for each worker. */
const openOver = 4;
const openBelow = 2;

/**
 * How many workers an app should have: up by half within two seconds of pressure, and only once all that were asked for are ready; down by
 * one for each minute of calm. `sample` is absent when nothing may be concluded: the app is failing.
 */
export function planScale(scale: Scale, sample: LoadSample | undefined, bounds: ScaleBounds, nowMs: number): Scale {
  const target = clampTarget(scale.target, bounds);
  if (!sample || bounds.least === bounds.most) return { target };
  if (isPressed(sample)) return grow({ ...scale, target }, sample, bounds, nowMs);
  return isCalm(sample, target) ? shrink({ ...scale, target }, bounds, nowMs) : { target };
}

/** When to look next, if nothing is told before. */
export function lookAtScaleMs({ target, calmSinceMs }: Scale, { least }: ScaleBounds, nowMs: number): number | undefined {
  if (target <= least) return undefined;
  return calmSinceMs === undefined ? nowMs + lookAgainMs : Math.max(nowMs + 1, calmSinceMs + calmMs);
}

export function clampTarget(target: number, { least, most }: ScaleBounds): number {
  return Math.min(Math.max(target, least), most);
}

/** One request at a time, however heavy, is not served sooner by more workers. */
function isPressed({ ready, open, waiting, loop }: LoadSample): boolean {
  const isBusy = loop ? loop.busy >= busyOver || loop.lateMs >= lateOverMs : open >= openOver * ready;
  return open + waiting > ready && (waiting > 0 || isBusy);
}

/** What there is to do would be little for one worker less, too. */
function isCalm({ ready, open, waiting, loop }: LoadSample, target: number): boolean {
  const left = target - 1;
  if (waiting > 0 || left < 1) return false;
  return loop ? loop.busy * ready < busyBelow * left && loop.lateMs < lateBelowMs : open <= openBelow * left;
}

function grow({ target, pressedSinceMs = Infinity }: Scale, { ready }: LoadSample, { most }: ScaleBounds, nowMs: number): Scale {
  const sinceMs = Math.min(pressedSinceMs, nowMs);
  if (nowMs - sinceMs < pressedMs || ready < target || target === most) return { target, pressedSinceMs: sinceMs };
  return { target: Math.min(most, target + Math.ceil(target / 2)), pressedSinceMs: nowMs };
}

function shrink({ target, calmSinceMs = Infinity }: Scale, { least }: ScaleBounds, nowMs: number): Scale {
  const sinceMs = Math.min(calmSinceMs, nowMs);
  if (target === least || nowMs - sinceMs < calmMs) return { target, calmSinceMs: sinceMs };
  return { target: target - 1, calmSinceMs: nowMs };
}
