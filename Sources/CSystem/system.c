#define _GNU_SOURCE
#include "fp8c_system.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// Components that are still to be walked, the next one first; links put theirs in front.
typedef struct {
  char text[2 * 4096];
  size_t begin;
} rest_of_path;

static int put_in_front(rest_of_path *rest, const char *text) {
  size_t length = strlen(text);
  if (length + 1 > rest->begin) {
    errno = ENAMETOOLONG;
    return -1;
  }
  // A slash ends what is put in front, unless nothing stands behind it.
  if (rest->text[rest->begin] != 0) rest->text[--rest->begin] = '/';
  rest->begin -= length;
  memcpy(rest->text + rest->begin, text, length);
  return 0;
}

// Cuts the next component off into `name`; 0 where there is none.
static int next_component(rest_of_path *rest, char *name, size_t size) {
  while (rest->text[rest->begin] == '/') rest->begin++;
  size_t length = strcspn(rest->text + rest->begin, "/");
  if (length == 0) return 0;
  if (length >= size) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(name, rest->text + rest->begin, length);
  name[length] = 0;
  rest->begin += length;
  return 1;
}

enum { depth_limit = 256, link_limit = 40, name_limit = 256 };

// Every step opens one name below a descriptor that is held, so that nothing that is swapped meanwhile can
// lead elsewhere; `..` in a link goes back to a descriptor and never above the first.
int fp8c_open_beneath_by_steps(int folder, const char *path) {
  rest_of_path rest = {.begin = sizeof rest.text - 1};
  int stack[depth_limit];
  int depth = 0;
  int links = 0;
  int result = -1;
  int reason = 0;
  char name[name_limit];
  if (path[0] == '/') {
    errno = EXDEV;
    return -1;
  }
  if (put_in_front(&rest, path) < 0) return -1;
  for (;;) {
    int found = next_component(&rest, name, sizeof name);
    if (found <= 0) {
      // The path ends in a folder.
      if (found == 0) errno = EISDIR;
      break;
    }
    if (strcmp(name, ".") == 0) continue;
    if (strcmp(name, "..") == 0) {
      if (depth == 0) {
        errno = EXDEV;
        break;
      }
      close(stack[--depth]);
      continue;
    }
    int at = depth == 0 ? folder : stack[depth - 1];
    char target[4096];
    ssize_t length = readlinkat(at, name, target, sizeof target - 1);
    if (length >= 0) {
      target[length] = 0;
      if (++links > link_limit) {
        errno = ELOOP;
        break;
      }
      if (target[0] == '/') {
        errno = EXDEV;
        break;
      }
      if (put_in_front(&rest, target) < 0) break;
      continue;
    }
    if (errno != EINVAL) break;
    // A slash at the end asks for a folder.
    int isLast = rest.text[rest.begin] == 0;
    int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW;
    int opened;
    do {
      opened = openat(at, name, isLast ? flags : flags | O_DIRECTORY);
    } while (opened < 0 && errno == EINTR);
    if (opened < 0) break;
    if (isLast) {
      result = opened;
      break;
    }
    if (depth == depth_limit) {
      close(opened);
      errno = ELOOP;
      break;
    }
    stack[depth++] = opened;
  }
  reason = errno;
  while (depth > 0) close(stack[--depth]);
  errno = reason;
  return result;
}

int fp8c_open_beneath(int folder, const char *path) {
  struct open_how how = {
      .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
      .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
  };
  int descriptor;
  do {
    descriptor = (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
  } while (descriptor < 0 && (errno == EINTR || errno == EAGAIN));
  // Kernels before 5.6 do not have the call; some sandboxes forbid it.
  if (descriptor < 0 && (errno == ENOSYS || errno == EPERM)) {
    return fp8c_open_beneath_by_steps(folder, path);
  }
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

static int argument_count;
static char **arguments;

// The C library of GNU hands constructors what it hands `main`.
__attribute__((constructor)) static void keep_arguments(int count, char **values) {
  argument_count = count;
  arguments = values;
}

const char *fp8c_argument(int index) {
  return index >= 0 && index < argument_count ? arguments[index] : NULL;
}
