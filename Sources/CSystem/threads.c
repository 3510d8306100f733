#include "fp8c_threads.h"

#include <pthread.h>
#include <stdlib.h>

struct start {
  void (*run)(void *);
  void *context;
};

static void *begin(void *argument) {
  struct start start = *(struct start *)argument;
  free(argument);
  start.run(start.context);
  return NULL;
}

int fp8c_start_thread(void (*run)(void *), void *context) {
  struct start *start = malloc(sizeof *start);
  if (start == NULL) return -1;
  *start = (struct start){run, context};
  pthread_t thread;
  if (pthread_create(&thread, NULL, begin, start) != 0) {
    free(start);
    return -1;
  }
  pthread_detach(thread);
  return 0;
}

struct fp8c_lock {
  pthread_mutex_t mutex;
};

fp8c_lock *fp8c_new_lock(void) {
  fp8c_lock *lock = malloc(sizeof *lock);
  if (lock == NULL || pthread_mutex_init(&lock->mutex, NULL) != 0) abort();
  return lock;
}

void fp8c_take_lock(fp8c_lock *lock) { pthread_mutex_lock(&lock->mutex); }

void fp8c_give_lock(fp8c_lock *lock) { pthread_mutex_unlock(&lock->mutex); }
