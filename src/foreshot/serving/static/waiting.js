// Time: pauses that end early when they are given up.

/** Resolves after so many milliseconds; rejects with the signal's reason when that is aborted first. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", giveUp);
      resolve();
    }, milliseconds);
    const giveUp = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    signal?.addEventListener("abort", giveUp, { once: true });
  });
}

/** What a promise gives, unless the signal is aborted first. */
export function unlessAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const giveUp = () => reject(signal.reason);
    signal?.addEventListener("abort", giveUp, { once: true });
    promise.then(resolve, reject).finally(() => signal?.removeEventListener("abort", giveUp));
  });
}
