#include "bits.h"

/// The largest finite magnitude of a run, as bits; counts the others.
///
/// Bits of magnitudes compare as integers, which vectorizes where a float maximum does not.
FP8C_INLINE uint32_t largest_of_run(const void *source, enum fp8c_type type, size_t begin,
                                    size_t end, size_t *nonfinite) {
  uint32_t most = 0;
  size_t others = 0;
  size_t i = begin;
  for (; i + FP8C_STRIP <= end; i += FP8C_STRIP) {
    fp8c_prefetch(source, type, i);
    uint32_t strange = 0;
    for (size_t k = i; k < i + FP8C_STRIP; k++) {
      uint32_t magnitude = fp8c_load(source, type, k) & 0x7FFFFFFF;
      uint32_t finite = magnitude < 0x7F800000 ? magnitude : 0;
      strange += magnitude >= 0x7F800000;
      most = most > finite ? most : finite;
    }
    others += strange;
  }
  for (; i < end; i++) {
    uint32_t magnitude = fp8c_load(source, type, i) & 0x7FFFFFFF;
    uint32_t finite = magnitude < 0x7F800000 ? magnitude : 0;
    others += magnitude >= 0x7F800000;
    most = most > finite ? most : finite;
  }
  *nonfinite += others;
  return most;
}

FP8C_INLINE size_t max_abs(const void *source, enum fp8c_type type, size_t count,
                           struct fp8c_layout layout, float *restrict largest) {
  size_t nonfinite = 0;
  size_t done = 0;
  while (done < count) {
    size_t channel = fp8c_channel(layout, layout.first + done);
    size_t end;
    if (layout.inner == 1) {
      size_t row = layout.channels - channel;
      end = row < count - done ? done + row : count;
      size_t others = 0;
      for (size_t i = done; i < end; i++) {
        uint32_t magnitude = fp8c_load(source, type, i) & 0x7FFFFFFF;
        uint32_t finite = magnitude < 0x7F800000 ? magnitude : 0;
        others += magnitude >= 0x7F800000;
        uint32_t before = fp8c_bits(largest[channel + (i - done)]);
        largest[channel + (i - done)] = fp8c_float(before > finite ? before : finite);
      }
      nonfinite += others;
    } else {
      end = done + fp8c_run(layout, layout.first + done, count - done);
      uint32_t most = largest_of_run(source, type, done, end, &nonfinite);
      uint32_t before = fp8c_bits(largest[channel]);
      largest[channel] = fp8c_float(before > most ? before : most);
    }
    done = end;
  }
  return nonfinite;
}

FP8C_MANY_CPUS
size_t fp8c_max_abs(const void *source, enum fp8c_type type, size_t count,
                    struct fp8c_layout layout, float *largest) {
  switch (type) {
  case FP8C_FLOAT32: return max_abs(source, FP8C_FLOAT32, count, layout, largest);
  case FP8C_BFLOAT16: return max_abs(source, FP8C_BFLOAT16, count, layout, largest);
  case FP8C_FLOAT16: return max_abs(source, FP8C_FLOAT16, count, layout, largest);
  }
  return 0;
}

size_t fp8c_first_nonfinite(const void *source, enum fp8c_type type, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if ((fp8c_load(source, type, i) & 0x7FFFFFFF) >= 0x7F800000) return i;
  }
  return count;
}

FP8C_MANY_CPUS
uint8_t fp8c_largest_code(const uint8_t *codes, size_t count) {
  uint8_t most = 0;
  for (size_t i = 0; i < count; i++) {
    uint8_t magnitude = codes[i] & 0x7F;
    most = most > magnitude ? most : magnitude;
  }
  return most;
}
