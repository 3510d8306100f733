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

/// True where no element of a strip of halves is infinite or NaN: a few operations for what would be three
/// for each code.
FP8C_INLINE int has_only_numbers(const void *source, enum fp8c_type type, size_t index) {
  const fp8c_u16 *halves = (const fp8c_u16 *)source + index;
  uint16_t most = 0;
  for (size_t k = 0; k < FP8C_STRIP; k++) {
    uint16_t magnitude = halves[k] & 0x7FFF;
    most = most > magnitude ? most : magnitude;
  }
  return most < (type == FP8C_BFLOAT16 ? 0x7F80 : 0x7C00);
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
      size_t i = done;
      for (; i + FP8C_STRIP <= end; i += FP8C_STRIP) {
        fp8c_prefetch(source, type, i);
        if (type != FP8C_FLOAT32 && keeps_numbers && has_only_numbers(source, type, i)) {
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
