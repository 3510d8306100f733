/* Times the kernels beside loops of the same traffic without arithmetic, on one thread.
 *
 * Prints lines of `name seconds`, one per run: what is compared runs in turn, so that a machine that slows
 * down slows both. The harness takes medians. */
#include "fp8c_kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { elements = 64 << 20, block = 1 << 18, rounds = 5, candidates = 20 };

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The traffic of a cast: reads every byte of the source and writes one byte per element. */
static void move_cast(const unsigned char *source, size_t width, unsigned char *target, size_t count) {
  typedef unsigned char bytes __attribute__((vector_size(64), aligned(1)));
  for (size_t i = 0; i < count; i += 64) {
    bytes sum = *(const bytes *)(source + i * width);
    for (size_t part = 1; part < width; part++) {
      sum |= *(const bytes *)(source + i * width + part * 64);
    }
    *(bytes *)(target + i) = sum;
  }
}

/* The traffic of a reduction: reads every byte. */
static unsigned char move_read(const unsigned char *source, size_t count) {
  typedef unsigned char bytes __attribute__((vector_size(64), aligned(1)));
  bytes sums[4] = {{0}, {0}, {0}, {0}};
  for (size_t i = 0; i < count; i += 256) {
    for (int part = 0; part < 4; part++) sums[part] |= *(const bytes *)(source + i + part * 64);
  }
  bytes sum = sums[0] | sums[1] | sums[2] | sums[3];
  unsigned char all = 0;
  for (int i = 0; i < 64; i++) all |= sum[i];
  return all;
}

/* One candidate as it would be judged without a table: cast, back, and the squared difference, in binary32
 * with as many sums as fill the registers. */
#if defined(__x86_64__)
__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
static float
compare(const float *values, size_t count, float scale, float factor) {
  float sums[64] = {0};
  for (size_t start = 0; start < count; start += 64) {
    for (size_t lane = 0; lane < 64; lane++) {
      float value = values[start + lane], quotient = value * factor;
      uint32_t bits;
      memcpy(&bits, &quotient, sizeof bits);
      uint32_t magnitude = bits & 0x7FFFFFFF;
      uint32_t clipped = magnitude < 0x43700000 ? magnitude : 0x43700000; /* 240 */
      uint32_t exponent = clipped & 0x7F800000;
      exponent = exponent < 0x3C800000 ? 0x3C800000 : exponent; /* 2^-6 */
      uint32_t magic = exponent + (20 << 23);
      float number, step;
      memcpy(&number, &clipped, sizeof number);
      memcpy(&step, &magic, sizeof step);
      float error = __builtin_fabsf(value) - ((number + step) - step) * scale;
      sums[lane] += error * error;
    }
  }
  return sums[0] + sums[63];
}

/* Approximately normal, 0.02 wide, as weights are; one in 4,096 is 20 times as large. */
static void fill(float *values) {
  unsigned long long state = 1;
  for (size_t i = 0; i < elements; i++) {
    float sum = 0;
    for (int k = 0; k < 4; k++) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      sum += (float)(int)(state >> 32) * 0x1p-31f;
    }
    values[i] = sum * (state >> 52 == 0 ? 0.4f : 0.02f);
  }
}

static void report(const char *name, double start) { printf("%s %.6f\n", name, seconds() - start); }

int main(void) {
  float *values = aligned_alloc(64, sizeof(float) * elements);
  unsigned char *halves = aligned_alloc(64, 2ull * elements), *floats16 = aligned_alloc(64, 2ull * elements);
  unsigned char *codes = aligned_alloc(64, elements);
  struct fp8c_moment *moments = calloc(FP8C_BUCKETS, sizeof *moments);
  if (!values || !halves || !floats16 || !codes || !moments) return 1;
  fill(values);
  fp8c_narrow(values, FP8C_BFLOAT16, halves, elements, 0);
  fp8c_narrow(values, FP8C_FLOAT16, floats16, elements, 0);
  memset(codes, 1, elements);
  struct fp8c_layout tensor = {1, (size_t)-1, 0};
  float factor = 256, largest = 0, differences = 0;
  unsigned char kept = 0;
  const unsigned char *bytes = (const unsigned char *)values;

  for (int round = 0; round < rounds; round++) {
    double start = seconds();
    move_cast(bytes, 4, codes, elements);
    report("move-cast-fp32", start);
    start = seconds();
    fp8c_quantize(values, FP8C_FLOAT32, codes, elements, tensor, FP8C_E4M3, 240, FP8C_MULTIPLY, &factor);
    report("cast-fp32", start);
    start = seconds();
    move_cast(halves, 2, codes, elements);
    report("move-cast-bf16", start);
    start = seconds();
    fp8c_quantize(halves, FP8C_BFLOAT16, codes, elements, tensor, FP8C_E4M3, 240, FP8C_MULTIPLY, &factor);
    report("cast-bf16", start);
    start = seconds();
    fp8c_quantize(floats16, FP8C_FLOAT16, codes, elements, tensor, FP8C_E4M3, 240, FP8C_MULTIPLY,
                  &factor);
    report("cast-fp16", start);
    start = seconds();
    kept |= move_read(bytes, 4ull * elements);
    report("move-read-fp32", start);
    start = seconds();
    fp8c_max_abs(values, FP8C_FLOAT32, elements, tensor, &largest);
    report("max-abs-fp32", start);
    start = seconds();
    for (size_t at = 0; at < elements; at += block) {
      fp8c_moments(values + at, FP8C_FLOAT32, block, moments);
    }
    report("moments-fp32", start);
    start = seconds();
    for (int candidate = 0; candidate < candidates; candidate++) {
      float scale = 1;
      for (int k = 0; k < candidate; k++) scale *= 2;
      differences += compare(values, elements, scale / 1024, 1024 / scale);
    }
    report("twenty-passes-fp32", start);
  }
  return kept == 0 && largest == 0 && differences == 0;
}
