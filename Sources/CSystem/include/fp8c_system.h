#ifndef FP8C_SYSTEM_H
#define FP8C_SYSTEM_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// Opens `path` for reading below the folder `folder` without ever leaving it: no `..`, no link
/// that leads outside, no magic link. Returns a descriptor, or -1 with `errno` set (EXDEV where the
/// path leaves the folder).
int fp8c_open_beneath(int folder, const char *path);

/// The same without the system call openat2, which older kernels and some sandboxes do not have.
int fp8c_open_beneath_by_steps(int folder, const char *path);

/// Moves up to `count` bytes between two files inside the kernel; -1 with `errno` where it cannot.
ssize_t fp8c_copy_range(int from, int64_t from_offset, int to, int64_t to_offset, size_t count);

/// Where the first stored byte from `offset` on lies, and the first that is not: the end of the file
/// counts as a hole. -1 with `errno`: ENXIO where nothing is stored from there on.
int64_t fp8c_next_data(int file, int64_t offset);
int64_t fp8c_next_hole(int file, int64_t offset);

/// Lets the disk begin with a range of a file that was written; a hint that cannot fail.
void fp8c_start_writeback(int file, int64_t offset, int64_t count);

/// The argument of the process at `index`, or NULL behind the last one; without /proc too, which the runtime of
/// Swift reads them from.
const char *fp8c_argument(int index);

#endif
