#define _GNU_SOURCE
#include "fp8c_system.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

int fp8c_open_beneath(int folder, const char *path) {
  struct open_how how = {
      .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
      .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
  };
  int descriptor;
  do {
    descriptor = (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
  } while (descriptor < 0 && (errno == EINTR || errno == EAGAIN));
  return descriptor;
}

ssize_t fp8c_copy_range(int from, int64_t from_offset, int to, int64_t to_offset, size_t count) {
  loff_t source = from_offset;
  loff_t destination = to_offset;
  return copy_file_range(from, &source, to, &destination, count, 0);
}

int64_t fp8c_next_data(int file, int64_t offset) { return lseek(file, offset, SEEK_DATA); }

int64_t fp8c_next_hole(int file, int64_t offset) { return lseek(file, offset, SEEK_HOLE); }

void fp8c_start_writeback(int file, int64_t offset, int64_t count) {
  (void)sync_file_range(file, offset, count, SYNC_FILE_RANGE_WRITE);
}
