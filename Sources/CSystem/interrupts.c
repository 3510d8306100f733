#include "fp8c_interrupts.h"

#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* A fixed table, so that the handler only reads memory and calls unlink and raise, which POSIX allows
 * in a handler. A slot is filled before its flag is set, and cleared by its flag first. */
enum { slots = 16 };
static char paths[slots][PATH_MAX];
static _Atomic int used[slots];

static void end(int number) {
  for (int slot = 0; slot < slots; slot++) {
    if (atomic_load(&used[slot]) == 2) unlink(paths[slot]);
  }
  signal(number, SIG_DFL);
  raise(number);
}

void fp8c_install_interrupts(void) {
  signal(SIGINT, end);
  signal(SIGTERM, end);
  signal(SIGHUP, end);
  signal(SIGXFSZ, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
}

int fp8c_add_temporary(const char *path) {
  if (strlen(path) >= PATH_MAX) return 0;
  for (int slot = 0; slot < slots; slot++) {
    int free_slot = 0;
    if (atomic_compare_exchange_strong(&used[slot], &free_slot, 1)) {
      strcpy(paths[slot], path);
      atomic_store(&used[slot], 2);
      return 1;
    }
  }
  return 0;
}

void fp8c_remove_temporary(const char *path) {
  for (int slot = 0; slot < slots; slot++) {
    if (atomic_load(&used[slot]) == 2 && strcmp(paths[slot], path) == 0) {
      atomic_store(&used[slot], 0);
      return;
    }
  }
}
