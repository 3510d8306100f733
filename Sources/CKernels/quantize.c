#include "bits.h"

/// The number that is rounded to FP8, as the bits of a float32.
FP8C_INLINE uint32_t apply(uint32_t bits, float factor, enum fp8c_quotient quotient) {
  switch (quotient) {
  case FP8C_MULTIPLY: return fp8c_bits(fp8c_float(bits) * factor);
  case FP8C_DIVIDE: return fp8c_bits(fp8c_float(bits) / factor);
  case FP8C_THROUGH_BFLOAT16: {
    uint32_t near = fp8c_widen_bfloat16(fp8c_narrow_bfloat16(bits));
    return fp8c_widen_bfloat16(fp8c_narrow_bfloat16(fp8c_bits(fp8c_float(near) * factor)));
  }
  case FP8C_THROUGH_FLOAT16: {
    uint32_t near = fp8c_widen_float16(fp8c_narrow_float16(bits));
    return fp8c_widen_float16(fp8c_narrow_float16(fp8c_bits(fp8c_float(near) * factor)));
  }
  }
  return bits;
}

/* The compiler widens loops over 16-bit numbers to 32 bits; vectors it leaves as they are. */
typedef uint16_t fp8c_halves __attribute__((vector_size(FP8C_STRIP)));
typedef uint16_t fp8c_loose_halves __attribute__((vector_size(FP8C_STRIP), aligned(1)));
typedef uint8_t fp8c_codes __attribute__((vector_size(FP8C_STRIP / 2), aligned(1)));

/// What a strip of halves holds, as magnitudes; zeros do not count for the least.
struct extent {
  uint16_t least_less_one;
  uint16_t most;
};

/// A few operations for what would be three for each code.
FP8C_INLINE struct extent extent(const void *source, size_t index) {
  const fp8c_loose_halves *halves = (const void *)((const fp8c_u16 *)source + index);
  fp8c_halves first = halves[0] & 0x7FFF, second = halves[1] & 0x7FFF;
  fp8c_halves most = __builtin_elementwise_max(first, second);
  fp8c_halves least = __builtin_elementwise_min(first - 1, second - 1);
  return (struct extent){__builtin_reduce_min(least), __builtin_reduce_max(most)};
}

/// The scale as a distance of exponents, which it is where it is a power of two: codes of halves then follow
/// from their bits, twice as many at once as through float32.
struct distance {
  uint16_t base;  /* bits of the half whose exponent is one below the least normal code's */
  uint16_t least; /* bits of the least half whose code is normal, less one */
  uint16_t top;   /* the code of the full scale */
  int is_known;
};

FP8C_INLINE struct distance distance(enum fp8c_type type, float factor, enum fp8c_quotient quotient,
                                     uint32_t limit, struct fp8c_shape shape) {
  struct distance distance = {0, 0, 0, 0};
  if (type == FP8C_FLOAT32) return distance;
  /* Through its own type a half is multiplied without an error wherever its code is normal. */
  if (quotient == (type == FP8C_BFLOAT16 ? FP8C_THROUGH_FLOAT16 : FP8C_THROUGH_BFLOAT16)) return distance;
  uint32_t bits = fp8c_bits(factor);
  int power = (int)(bits >> 23) - 127;
  if (quotient == FP8C_DIVIDE) power = -power;
  int fraction = type == FP8C_BFLOAT16 ? 7 : 10;
  int below = (type == FP8C_BFLOAT16 ? 127 : 15) - (int)shape.bias - power;
  int is_power = (bits & 0x807FFFFF) == 0 && bits != 0 && bits < 0x7F800000;
  if (!is_power || below < 0 || below > (0x7FFF >> fraction)) return distance;
  distance.base = (uint16_t)(below << fraction);
  distance.least = (uint16_t)(distance.base + (1 << fraction) - 1);
  distance.top = fp8c_encode_number(limit, limit, shape);
  distance.is_known = 1;
  return distance;
}

/// The codes of a strip of halves that are zero or whose codes are normal; their fractions are `bits` longer.
FP8C_INLINE void encode_halves(const void *source, uint8_t *codes, size_t index, struct distance distance,
                               int bits) {
  const fp8c_loose_halves *halves = (const void *)((const fp8c_u16 *)source + index);
  fp8c_halves base = (fp8c_halves){0} + distance.base, top = (fp8c_halves){0} + distance.top;
  uint16_t below_half = (uint16_t)((1 << (bits - 1)) - 1);
  for (int part = 0; part < 2; part++) {
    fp8c_halves half = halves[part];
    fp8c_halves units = __builtin_elementwise_max(half & 0x7FFF, base) - base;
    fp8c_halves code = (units + below_half + (units >> bits & 1)) >> bits;
    code = __builtin_elementwise_min(code, top) | (half >> 8 & 0x80);
    *(fp8c_codes *)(codes + index + part * (FP8C_STRIP / 2)) = __builtin_convertvector(code, fp8c_codes);
  }
}

/// The loop itself; every argument after `layout` but the arrays is a constant where it is used.
FP8C_INLINE void quantize(const void *source, enum fp8c_type type, uint8_t *restrict codes,
                          size_t count, struct fp8c_layout layout, enum fp8c_encoding encoding,
                          float fullscale, enum fp8c_quotient quotient,
                          const float *restrict factors) {
  struct fp8c_shape shape = fp8c_shape(encoding);
  uint32_t limit = fp8c_bits(fullscale);
  size_t done = 0;
  while (done < count) {
    size_t channel = fp8c_channel(layout, layout.first + done);
    size_t end;
    if (layout.inner == 1) {
      size_t row = layout.channels - channel;
      end = row < count - done ? done + row : count;
      for (size_t i = done; i < end; i++) {
        uint32_t bits = apply(fp8c_load(source, type, i), factors[channel + (i - done)], quotient);
        codes[i] = fp8c_encode(bits, limit, shape);
      }
    } else {
      end = done + fp8c_run(layout, layout.first + done, count - done);
      float factor = factors[channel];
      /* Zero times infinity and zero over zero are NaN. */
      int keeps_numbers = factor != 0 && (fp8c_bits(factor) & 0x7FFFFFFF) < 0x7F800000;
      struct distance moved = distance(type, factor, quotient, limit, shape);
      uint16_t infinity = type == FP8C_BFLOAT16 ? 0x7F80 : 0x7C00;
      int bits_less = (type == FP8C_BFLOAT16 ? 7 : 10) - (int)shape.mantissa_bits;
      size_t i = done;
      for (; i + FP8C_STRIP <= end; i += FP8C_STRIP) {
        fp8c_prefetch(source, type, i);
        struct extent found = type == FP8C_FLOAT32 ? (struct extent){0, 0xFFFF} : extent(source, i);
        if (moved.is_known && found.most < infinity && found.least_less_one >= moved.least) {
          encode_halves(source, codes, i, moved, bits_less);
        } else if (type != FP8C_FLOAT32 && keeps_numbers && found.most < infinity) {
          for (size_t k = i; k < i + FP8C_STRIP; k++) {
            uint32_t bits = apply(fp8c_load(source, type, k), factor, quotient);
            codes[k] = fp8c_encode_number(bits, limit, shape);
          }
        } else {
          for (size_t k = i; k < i + FP8C_STRIP; k++) {
            uint32_t bits = apply(fp8c_load(source, type, k), factor, quotient);
            codes[k] = fp8c_encode(bits, limit, shape);
          }
        }
      }
      for (; i < end; i++) {
        uint32_t bits = apply(fp8c_load(source, type, i), factor, quotient);
        codes[i] = fp8c_encode(bits, limit, shape);
      }
    }
    done = end;
  }
}

/* The calls below differ in constants only: each becomes a loop of its own. */
#define EACH_QUOTIENT(TYPE, ENCODING)                                                              \
  switch (quotient) {                                                                              \
  case FP8C_MULTIPLY:                                                                              \
    quantize(source, TYPE, codes, count, layout, ENCODING, fullscale, FP8C_MULTIPLY, factors);     \
    break;                                                                                         \
  case FP8C_DIVIDE:                                                                                \
    quantize(source, TYPE, codes, count, layout, ENCODING, fullscale, FP8C_DIVIDE, factors);       \
    break;                                                                                         \
  case FP8C_THROUGH_BFLOAT16:                                                                      \
    quantize(source, TYPE, codes, count, layout, ENCODING, fullscale, FP8C_THROUGH_BFLOAT16,       \
             factors);                                                                             \
    break;                                                                                         \
  case FP8C_THROUGH_FLOAT16:                                                                       \
    quantize(source, TYPE, codes, count, layout, ENCODING, fullscale, FP8C_THROUGH_FLOAT16,        \
             factors);                                                                             \
    break;                                                                                         \
  }

#define EACH_ENCODING(TYPE)                                                                        \
  if (encoding == FP8C_E4M3) {                                                                     \
    EACH_QUOTIENT(TYPE, FP8C_E4M3)                                                                 \
  } else {                                                                                         \
    EACH_QUOTIENT(TYPE, FP8C_E5M2)                                                                 \
  }

FP8C_MANY_CPUS
void fp8c_quantize(const void *source, enum fp8c_type type, uint8_t *codes, size_t count,
                   struct fp8c_layout layout, enum fp8c_encoding encoding, float fullscale,
                   enum fp8c_quotient quotient, const float *factors) {
  switch (type) {
  case FP8C_FLOAT32: EACH_ENCODING(FP8C_FLOAT32) break;
  case FP8C_BFLOAT16: EACH_ENCODING(FP8C_BFLOAT16) break;
  case FP8C_FLOAT16: EACH_ENCODING(FP8C_FLOAT16) break;
  }
}

FP8C_MANY_CPUS
void fp8c_dequantize(const uint8_t *codes, float *values, size_t count, struct fp8c_layout layout,
                     const float table[256], const float *scales) {
  size_t done = 0;
  while (done < count) {
    size_t channel = fp8c_channel(layout, layout.first + done);
    size_t end;
    if (layout.inner == 1) {
      size_t row = layout.channels - channel;
      end = row < count - done ? done + row : count;
      for (size_t i = done; i < end; i++) values[i] = table[codes[i]] * scales[channel + (i - done)];
    } else {
      end = done + fp8c_run(layout, layout.first + done, count - done);
      float scale = scales[channel];
      for (size_t i = done; i < end; i++) values[i] = table[codes[i]] * scale;
    }
    done = end;
  }
}

FP8C_MANY_CPUS
void fp8c_widen(const void *source, enum fp8c_type type, float *values, size_t count) {
  switch (type) {
  case FP8C_FLOAT32: memcpy(values, source, count * sizeof *values); break;
  case FP8C_BFLOAT16:
    for (size_t i = 0; i < count; i++) values[i] = fp8c_float(fp8c_load(source, FP8C_BFLOAT16, i));
    break;
  case FP8C_FLOAT16:
    for (size_t i = 0; i < count; i++) values[i] = fp8c_float(fp8c_load(source, FP8C_FLOAT16, i));
    break;
  }
}

/// Bits of a float32, or of the largest finite number of the type where it rounds beyond that.
///
/// `beyond` is the least magnitude that rounds to infinity; `top` the largest finite number.
FP8C_INLINE uint32_t clamped(uint32_t bits, uint32_t beyond, uint32_t top, int clamp, size_t *over) {
  uint32_t magnitude = bits & 0x7FFFFFFF;
  uint32_t out = magnitude >= beyond && magnitude < 0x7F800000;
  *over += out;
  return out && clamp ? top | (bits & 0x80000000) : bits;
}

FP8C_MANY_CPUS
size_t fp8c_narrow(const float *values, enum fp8c_type type, void *target, size_t count,
                   int clamp) {
  size_t over = 0;
  fp8c_u16 *halves = target;
  switch (type) {
  case FP8C_FLOAT32: memcpy(target, values, count * sizeof *values); break;
  case FP8C_BFLOAT16:
    for (size_t i = 0; i < count; i++) {
      uint32_t bits = clamped(fp8c_bits(values[i]), 0x7F7F8000, 0x7F7F0000, clamp, &over);
      halves[i] = fp8c_narrow_bfloat16(bits);
    }
    break;
  case FP8C_FLOAT16:
    for (size_t i = 0; i < count; i++) {
      uint32_t bits = clamped(fp8c_bits(values[i]), 0x477FF000, 0x477FE000, clamp, &over);
      halves[i] = fp8c_narrow_float16(bits);
    }
    break;
  }
  return over;
}
