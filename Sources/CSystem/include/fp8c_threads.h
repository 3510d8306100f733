#ifndef FP8C_THREADS_H
#define FP8C_THREADS_H

/// Runs a function on a thread of its own that nobody waits for; -1 where the system gives no thread.
int fp8c_start_thread(void (*run)(void *), void *context);

/// A lock of the system, which checkers of threads know.
typedef struct fp8c_lock fp8c_lock;

/// A lock that nobody holds; never freed.
fp8c_lock *fp8c_new_lock(void);
void fp8c_take_lock(fp8c_lock *lock);
void fp8c_give_lock(fp8c_lock *lock);

#endif
