/** One after the other, in the order they were asked for; a failure is the asker's alone. */
export function createTurns(): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work);
    last = result.catch(() => {}); // whoever asked for it hears of it
    return result;
  };
}
