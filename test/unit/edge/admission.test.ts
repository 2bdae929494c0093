import { describe, expect, test } from 'vitest';
import { Admission, type Waiter } from '../../../src/edge/admission.ts';

class Recorder {
  readonly admitted: string[] = [];

  waiter(name: string, onAdmitted: () => void = () => {}): Waiter {
    return {
      onAdmitted: () => {
        this.admitted.push(name);
        onAdmitted();
      },
    };
  }
}

/** With as many entered as may. */
function full(concurrent: number, queued: number): Admission {
  const admission = new Admission(concurrent, queued);
  while (admission.tryEnter());
  return admission;
}

const counts = ({ active, waiting }: Admission): string => `${active} active, ${waiting} waiting`;

test('so many may be open at once, and so many more may wait', () => {
  const admission = full(2, 1);
  const recorder = new Recorder();
  expect(admission.active).toBe(2);
  expect(admission.enqueue(recorder.waiter('a'))).toBe(true);
  expect(admission.enqueue(recorder.waiter('b'))).toBe(false);
  expect(counts(admission)).toBe('2 active, 1 waiting');
});

test('who is expected may wait beyond that, in the same order', () => {
  const admission = full(1, 1);
  const recorder = new Recorder();
  expect(admission.enqueue(recorder.waiter('a'))).toBe(true);
  expect(admission.enqueue(recorder.waiter('b'), true)).toBe(true);
  expect(admission.enqueue(recorder.waiter('c'))).toBe(false);
  admission.leave();
  admission.leave();
  expect(recorder.admitted).toEqual(['a', 'b']);
});

test('who waits enters in the order of coming, one for each that leaves', () => {
  const admission = full(2, 9);
  const recorder = new Recorder();
  for (const name of ['a', 'b', 'c']) admission.enqueue(recorder.waiter(name));
  admission.leave();
  expect(recorder.admitted).toEqual(['a']);
  admission.leave();
  admission.leave();
  expect(recorder.admitted).toEqual(['a', 'b', 'c']);
  expect(counts(admission)).toBe('2 active, 0 waiting');
});

test('who gave up is passed over, and makes room in the queue', () => {
  const admission = full(1, 2);
  const recorder = new Recorder();
  const [a, b, c] = ['a', 'b', 'c'].map((name) => recorder.waiter(name)) as [Waiter, Waiter, Waiter];
  admission.enqueue(a);
  admission.enqueue(b);
  expect(admission.abandon(a)).toBe(true);
  expect(admission.abandon(a)).toBe(false);
  expect(admission.enqueue(c)).toBe(true);
  admission.leave();
  admission.leave();
  expect(recorder.admitted).toEqual(['b', 'c']);
});

test('who has entered waits no longer', () => {
  const admission = full(1, 1);
  const waiter = new Recorder().waiter('a');
  admission.enqueue(waiter);
  admission.leave();
  expect(admission.abandon(waiter)).toBe(false);
});

test('nobody enters past one who waits', () => {
  const admission = full(1, 1);
  const entered: boolean[] = [];
  const recorder = new Recorder();
  admission.enqueue(recorder.waiter('a', () => entered.push(admission.tryEnter())));
  admission.leave();
  expect(entered).toEqual([false]);
  expect(recorder.admitted).toEqual(['a']);
});

test('a long queue of those who leave at once is passed in one go', () => {
  const admission = full(1, 100_000);
  const recorder = new Recorder();
  for (let index = 0; index < 100_000; index++) admission.enqueue(recorder.waiter(`${index}`, () => admission.leave()));
  admission.leave();
  expect(recorder.admitted).toHaveLength(100_000);
  expect(counts(admission)).toBe('0 active, 0 waiting');
});

test('one whose entering fails holds nobody up', () => {
  const admission = full(1, 2);
  const recorder = new Recorder();
  admission.enqueue({
    onAdmitted: () => {
      throw new Error('broken');
    },
  });
  admission.enqueue(recorder.waiter('b'));
  expect(() => admission.leave()).toThrow('broken');
  admission.leave();
  expect(recorder.admitted).toEqual(['b']);
});

describe('a change of the limits while in use', () => {
  test('lets in as many more at once', () => {
    const admission = full(1, 9);
    const recorder = new Recorder();
    for (const name of ['a', 'b', 'c']) admission.enqueue(recorder.waiter(name));
    admission.setLimits(3, 9);
    expect(recorder.admitted).toEqual(['a', 'b']);
    expect(counts(admission)).toBe('3 active, 1 waiting');
  });

  test('sends nobody away, and lets in nobody until enough have left', () => {
    const admission = full(3, 9);
    const recorder = new Recorder();
    admission.enqueue(recorder.waiter('a'));
    admission.setLimits(1, 0);
    expect(admission.enqueue(recorder.waiter('b'))).toBe(false);
    admission.leave();
    admission.leave();
    expect(recorder.admitted).toEqual([]);
    admission.leave();
    expect(recorder.admitted).toEqual(['a']);
    expect(counts(admission)).toBe('1 active, 0 waiting');
  });

  test('to nothing keeps everyone out', () => {
    const admission = new Admission(1, 1);
    admission.setLimits(0, 0);
    expect(admission.tryEnter()).toBe(false);
    expect(admission.enqueue(new Recorder().waiter('a'))).toBe(false);
  });
});

test('any order of events keeps the counts right', () => {
  const admission = new Admission(5, 7);
  const queue: Waiter[] = [];
  let entered = 0;
  let random = 1;
  for (let step = 0; step < 10_000; step++) {
    random = (random * 48_271) % 2_147_483_647;
    const waiter: Waiter = { onAdmitted: () => void (entered += queue.splice(queue.indexOf(waiter), 1).length) };
    const action = random % 8;
    if (action < 4 && admission.tryEnter()) entered += 1;
    else if (action < 4 && admission.enqueue(waiter)) queue.push(waiter);
    else if (action < 6 && entered > 0) {
      entered -= 1;
      admission.leave();
    } else if (action === 6 && queue.length > 0) admission.abandon(queue.splice(random % queue.length, 1)[0] as Waiter);
    else if (action === 7) admission.setLimits(random % 9, random % 11);
    expect(counts(admission)).toBe(`${entered} active, ${queue.length} waiting`);
  }
});
