#include "bits.h"

/* A count and a sum of up to 2^20 numbers of 19 bits share a word, the sum of their squares has its own:
 * one addition of two words per element. Two tables take turns, as an element of the same bucket as the
 * one before has to wait for it. */

#define FP8C_LOW_BITS 19
#define FP8C_GATHERED 8
#define FP8C_FLUSHED ((size_t)1 << 20)
#define FP8C_COUNT_AT 40

typedef uint64_t fp8c_pair __attribute__((vector_size(16)));

/// Adds `count` elements, a constant where it is used.
FP8C_INLINE void gather(const void *source, enum fp8c_type type, size_t begin, size_t count,
                        fp8c_pair (*tables)[FP8C_BUCKETS]) {
  uint32_t buckets[FP8C_GATHERED];
  uint64_t sums[FP8C_GATHERED], squares[FP8C_GATHERED];
  for (size_t k = 0; k < count; k++) {
    uint32_t bits = fp8c_load(source, type, begin + k);
    uint64_t low = bits & ((1u << FP8C_LOW_BITS) - 1);
    buckets[k] = (bits & 0x7FFFFFFF) >> FP8C_LOW_BITS;
    sums[k] = low | (uint64_t)1 << FP8C_COUNT_AT;
    squares[k] = low * low;
  }
  for (size_t k = 0; k < count; k++) {
    tables[k % 2][buckets[k]] += (fp8c_pair){sums[k], squares[k]};
  }
}

FP8C_INLINE void moments_block(const void *source, enum fp8c_type type, size_t count,
                               struct fp8c_moment *moments) {
  fp8c_pair tables[2][FP8C_BUCKETS];
  for (size_t done = 0; done < count;) {
    size_t end = count - done < FP8C_FLUSHED ? count : done + FP8C_FLUSHED;
    memset(tables, 0, sizeof tables);
    for (; done + FP8C_GATHERED <= end; done += FP8C_GATHERED) {
      gather(source, type, done, FP8C_GATHERED, tables);
    }
    for (; done < end; done++) gather(source, type, done, 1, tables);
    for (size_t bucket = 0; bucket < FP8C_BUCKETS; bucket++) {
      struct fp8c_moment *moment = &moments[bucket];
      for (int turn = 0; turn < 2; turn++) {
        fp8c_pair pair = tables[turn][bucket];
        moment->count += pair[0] >> FP8C_COUNT_AT;
        moment->sum += pair[0] & (((uint64_t)1 << FP8C_COUNT_AT) - 1);
        moment->squares += pair[1];
        moment->squares_high += moment->squares < pair[1];
      }
    }
  }
}

FP8C_MANY_CPUS
void fp8c_moments(const void *source, enum fp8c_type type, size_t count,
                  struct fp8c_moment moments[FP8C_BUCKETS]) {
  switch (type) {
  case FP8C_FLOAT32: moments_block(source, FP8C_FLOAT32, count, moments); break;
  case FP8C_BFLOAT16: moments_block(source, FP8C_BFLOAT16, count, moments); break;
  case FP8C_FLOAT16: moments_block(source, FP8C_FLOAT16, count, moments); break;
  }
}
