#ifndef FP8C_BITS_H
#define FP8C_BITS_H
#include "fp8c_kernels.h"

#include <string.h>

/* A fused multiply-add rounds once where the baseline rounds twice: results would depend on the CPU. */
#pragma STDC FP_CONTRACT OFF

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FP8C_NO_CLONES
#endif
#endif

/* One source for many processors, chosen when the program is loaded. Not under the thread sanitizer,
 * whose runtime is not yet up when the choice is made. */
#if defined(__x86_64__) && defined(__linux__) && !defined(FP8C_NO_CLONES)
#define FP8C_MANY_CPUS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FP8C_MANY_CPUS
#endif

#define FP8C_INLINE static inline __attribute__((always_inline))

/* Sources are ranges of files: elements need not be aligned. */
typedef uint16_t __attribute__((aligned(1))) fp8c_u16;
typedef uint32_t __attribute__((aligned(1))) fp8c_u32;

FP8C_INLINE float fp8c_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

FP8C_INLINE uint32_t fp8c_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// bfloat16 to the bits of a float32.
FP8C_INLINE uint32_t fp8c_widen_bfloat16(uint16_t half) { return (uint32_t)half << 16; }

/// float16 to the bits of a float32, without branches.
FP8C_INLINE uint32_t fp8c_widen_float16(uint16_t half) {
  uint32_t magnitude = (uint32_t)(half & 0x7FFF) << 13;
  uint32_t sign = (uint32_t)(half & 0x8000) << 16;
  uint32_t normal = magnitude + ((127 - 15) << 23);
  uint32_t special = magnitude + ((255 - 31) << 23);
  /* Below 2^-14: give the fraction the exponent of 2^-14 and take that number away again. */
  uint32_t least = (127 - 14) << 23;
  uint32_t subnormal = fp8c_bits(fp8c_float(magnitude + least) - fp8c_float(least));
  uint32_t bits = magnitude >= (31u << 23) ? special : normal;
  bits = magnitude < (1u << 23) ? subnormal : bits;
  return bits | sign;
}

/// float32 to bfloat16, to nearest even; NaN stays NaN.
FP8C_INLINE uint16_t fp8c_narrow_bfloat16(uint32_t bits) {
  uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  uint32_t nan = (bits >> 16) | 0x40;
  return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? nan : rounded);
}

/// float32 to float16, to nearest even; NaN stays NaN.
FP8C_INLINE uint16_t fp8c_narrow_float16(uint32_t bits) {
  uint32_t magnitude = bits & 0x7FFFFFFF;
  uint32_t normal = (magnitude - ((127 - 15) << 23) + 0xFFF + ((magnitude >> 13) & 1)) >> 13;
  /* The spacing of float32 at 0.5 is 2^-24, the least float16: adding it rounds, once. */
  uint32_t small = magnitude < 0x38800000 ? magnitude : 0;
  uint32_t subnormal = fp8c_bits(fp8c_float(small) + 0.5f) - 0x3F000000;
  uint32_t half = magnitude < 0x38800000 ? subnormal : normal;
  half = magnitude >= 0x47800000 ? 0x7C00 : half;
  half = magnitude > 0x7F800000 ? 0x7E00 : half;
  return (uint16_t)(half | ((bits >> 16) & 0x8000));
}

/// The bits, as a float32, of element `index`.
FP8C_INLINE uint32_t fp8c_load(const void *source, enum fp8c_type type, size_t index) {
  switch (type) {
  case FP8C_FLOAT32: return ((const fp8c_u32 *)source)[index];
  case FP8C_BFLOAT16: return fp8c_widen_bfloat16(((const fp8c_u16 *)source)[index]);
  case FP8C_FLOAT16: return fp8c_widen_float16(((const fp8c_u16 *)source)[index]);
  }
  return 0;
}

/// What an encoding needs, as numbers of float32.
struct fp8c_shape {
  uint32_t mantissa_bits;
  uint32_t bias;
};

FP8C_INLINE struct fp8c_shape fp8c_shape(enum fp8c_encoding encoding) {
  struct fp8c_shape e4m3 = {3, 7};
  struct fp8c_shape e5m2 = {2, 15};
  return encoding == FP8C_E4M3 ? e4m3 : e5m2;
}

/// The code of a float32 that is not NaN, with at most the magnitude `limit`.
FP8C_INLINE uint8_t fp8c_encode_number(uint32_t bits, uint32_t limit, struct fp8c_shape shape) {
  uint32_t magnitude = bits & 0x7FFFFFFF;
  uint32_t clipped = magnitude < limit ? magnitude : limit;
  uint32_t exponent = clipped & 0x7F800000;
  uint32_t least_normal = (128 - shape.bias) << 23;
  exponent = exponent < least_normal ? least_normal : exponent;
  /* The float32 whose spacing is that of the codes around the number: adding it rounds, once. */
  uint32_t shift = 23 - shape.mantissa_bits;
  uint32_t magic = exponent + (shift << 23);
  uint32_t units = fp8c_bits(fp8c_float(clipped) + fp8c_float(magic)) - magic;
  uint32_t code = units + (exponent >> shift) - ((128 - shape.bias) << shape.mantissa_bits);
  return (uint8_t)(code | ((bits >> 24) & 0x80));
}

/// The code of a float32, with at most the magnitude `limit`; NaN has the code 0x7F.
FP8C_INLINE uint8_t fp8c_encode(uint32_t bits, uint32_t limit, struct fp8c_shape shape) {
  uint8_t code = fp8c_encode_number(bits, limit, shape);
  return (bits & 0x7FFFFFFF) > 0x7F800000 ? 0x7F : code;
}

/// Elements between two requests for memory: as many codes as fill a cache line.
#define FP8C_STRIP 64

/// Asks for the lines of a strip half a page ahead: processors look less far in a loop with much
/// arithmetic. An address behind the tensor is only asked for, which is no access.
FP8C_INLINE void fp8c_prefetch(const void *source, enum fp8c_type type, size_t index) {
  size_t width = type == FP8C_FLOAT32 ? 4 : 2;
  uintptr_t ahead = (uintptr_t)source + index * width + 2048;
  for (size_t line = 0; line < width; line++) {
    __builtin_prefetch((const void *)(ahead + line * 64));
  }
}

/// Elements from `position` on that have the same channel.
FP8C_INLINE size_t fp8c_run(struct fp8c_layout layout, size_t position, size_t left) {
  size_t run = layout.inner - position % layout.inner;
  return run < left ? run : left;
}

FP8C_INLINE size_t fp8c_channel(struct fp8c_layout layout, size_t position) {
  return position / layout.inner % layout.channels;
}

#endif
