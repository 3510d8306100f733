#ifndef FP8C_THREADS_H
#define FP8C_THREADS_H

/// Runs a function on a thread of its own that nobody waits for; -1 where the system gives no thread.
int fp8c_start_thread(void (*run)(void *), void *context);

#endif
