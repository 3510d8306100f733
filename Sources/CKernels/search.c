#include "bits.h"

/* One element is tried with eight scales side by side, so that each scale's sum is taken in the order
 * of the elements and the work is still vectorized. */

/// The value that the code of `quotient` stands for: `fp8c_encode` without leaving float32.
FP8C_INLINE float rounded(float quotient, uint32_t limit, struct fp8c_shape shape) {
  uint32_t bits = fp8c_bits(quotient);
  uint32_t magnitude = bits & 0x7FFFFFFF;
  uint32_t clipped = magnitude < limit ? magnitude : limit;
  uint32_t shift = 23 - shape.mantissa_bits;
  uint32_t normal = clipped + ((1u << (shift - 1)) - 1) + ((clipped >> shift) & 1);
  normal &= ~((1u << shift) - 1);
  uint32_t least_normal = (128 - shape.bias) << 23;
  float magic = fp8c_float((128 - shape.bias + 23 - shape.mantissa_bits) << 23);
  uint32_t subnormal = fp8c_bits((fp8c_float(clipped) + magic) - magic);
  return fp8c_float((clipped < least_normal ? subnormal : normal) | (bits & 0x80000000));
}

FP8C_INLINE float divided(float x, float factor, enum fp8c_quotient quotient) {
  return quotient == FP8C_DIVIDE ? x / factor : x * factor;
}

FP8C_INLINE void search(const void *source, enum fp8c_type type, size_t count,
                        struct fp8c_layout layout, enum fp8c_encoding encoding, float fullscale,
                        enum fp8c_quotient quotient, size_t groups, const float *scales,
                        const float *factors, double *sums) {
  struct fp8c_shape shape = fp8c_shape(encoding);
  uint32_t limit = fp8c_bits(fullscale);
  size_t done = 0;
  while (done < count) {
    size_t end = done + fp8c_run(layout, layout.first + done, count - done);
    size_t row = fp8c_channel(layout, layout.first + done) * groups * FP8C_LANES;
    for (size_t group = 0; group < groups; group++) {
      float scale[FP8C_LANES], factor[FP8C_LANES];
      double sum[FP8C_LANES];
      memcpy(scale, scales + row + group * FP8C_LANES, sizeof scale);
      memcpy(factor, factors + row + group * FP8C_LANES, sizeof factor);
      memcpy(sum, sums + row + group * FP8C_LANES, sizeof sum);
      for (size_t i = done; i < end; i++) {
        float x = fp8c_float(fp8c_load(source, type, i));
#pragma clang loop vectorize(enable) interleave(disable)
        for (int lane = 0; lane < FP8C_LANES; lane++) {
          float value = rounded(divided(x, factor[lane], quotient), limit, shape);
          double error = (double)x - (double)value * (double)scale[lane];
          sum[lane] += error * error;
        }
      }
      memcpy(sums + row + group * FP8C_LANES, sum, sizeof sum);
    }
    done = end;
  }
}

#define EACH_SEARCH(TYPE)                                                                          \
  if (encoding == FP8C_E4M3) {                                                                     \
    if (quotient == FP8C_DIVIDE) {                                                                 \
      search(source, TYPE, count, layout, FP8C_E4M3, fullscale, FP8C_DIVIDE, groups, scales,       \
             factors, sums);                                                                       \
    } else {                                                                                       \
      search(source, TYPE, count, layout, FP8C_E4M3, fullscale, FP8C_MULTIPLY, groups, scales,     \
             factors, sums);                                                                       \
    }                                                                                              \
  } else if (quotient == FP8C_DIVIDE) {                                                            \
    search(source, TYPE, count, layout, FP8C_E5M2, fullscale, FP8C_DIVIDE, groups, scales,         \
           factors, sums);                                                                         \
  } else {                                                                                         \
    search(source, TYPE, count, layout, FP8C_E5M2, fullscale, FP8C_MULTIPLY, groups, scales,       \
           factors, sums);                                                                         \
  }

FP8C_MANY_CPUS
void fp8c_search(const void *source, enum fp8c_type type, size_t count, struct fp8c_layout layout,
                 enum fp8c_encoding encoding, float fullscale, enum fp8c_quotient quotient,
                 size_t groups, const float *scales, const float *factors, double *sums) {
  switch (type) {
  case FP8C_FLOAT32: EACH_SEARCH(FP8C_FLOAT32) break;
  case FP8C_BFLOAT16: EACH_SEARCH(FP8C_BFLOAT16) break;
  case FP8C_FLOAT16: EACH_SEARCH(FP8C_FLOAT16) break;
  }
}

/// What one element loses; the arguments are those of the loop around it.
FP8C_INLINE double lost(float x, float scale, float factor, enum fp8c_quotient quotient,
                        uint32_t limit, struct fp8c_shape shape, uint32_t *clipped,
                        uint32_t *flushed) {
  float p = divided(x, factor, quotient);
  float value = rounded(p, limit, shape);
  double error = (double)x - (double)value * (double)scale;
  *clipped += (fp8c_bits(p) & 0x7FFFFFFF) > limit;
  *flushed += (x != 0) & (value == 0);
  return error * error;
}

/// Elements `begin` to `end`, whose scales lie `stride` apart: 0 within a channel, 1 across a row of them.
FP8C_INLINE void tally_run(const void *source, enum fp8c_type type, size_t begin, size_t end,
                           size_t first, size_t stride, enum fp8c_encoding encoding,
                           float fullscale, enum fp8c_quotient quotient, const float *scales,
                           const float *factors, struct fp8c_loss *loss) {
  struct fp8c_shape shape = fp8c_shape(encoding);
  uint32_t limit = fp8c_bits(fullscale);
  uint32_t clipped[FP8C_LANES] = {0}, flushed[FP8C_LANES] = {0};
  double sums[FP8C_LANES];
  memcpy(sums, loss->errors, sizeof sums);
  size_t i = begin;
  for (; i < end && (first + i) % FP8C_LANES != 0; i++) {
    size_t lane = (first + i) % FP8C_LANES, at = (i - begin) * stride;
    sums[lane] += lost(fp8c_float(fp8c_load(source, type, i)), scales[at], factors[at], quotient,
                       limit, shape, &clipped[lane], &flushed[lane]);
  }
  for (; i + FP8C_LANES <= end; i += FP8C_LANES) {
#pragma clang loop vectorize(enable) interleave(disable)
    for (size_t lane = 0; lane < FP8C_LANES; lane++) {
      size_t at = (i - begin + lane) * stride;
      sums[lane] += lost(fp8c_float(fp8c_load(source, type, i + lane)), scales[at], factors[at],
                         quotient, limit, shape, &clipped[lane], &flushed[lane]);
    }
  }
  for (; i < end; i++) {
    size_t lane = (first + i) % FP8C_LANES, at = (i - begin) * stride;
    sums[lane] += lost(fp8c_float(fp8c_load(source, type, i)), scales[at], factors[at], quotient,
                       limit, shape, &clipped[lane], &flushed[lane]);
  }
  memcpy(loss->errors, sums, sizeof sums);
  for (int lane = 0; lane < FP8C_LANES; lane++) {
    loss->clipped += clipped[lane];
    loss->flushed += flushed[lane];
  }
}

FP8C_INLINE void tally(const void *source, enum fp8c_type type, size_t count,
                       struct fp8c_layout layout, enum fp8c_encoding encoding, float fullscale,
                       enum fp8c_quotient quotient, const float *scales, const float *factors,
                       struct fp8c_loss *loss) {
  size_t done = 0;
  while (done < count) {
    size_t channel = fp8c_channel(layout, layout.first + done);
    size_t end;
    if (layout.inner == 1) {
      size_t row = layout.channels - channel;
      end = row < count - done ? done + row : count;
      tally_run(source, type, done, end, layout.first, 1, encoding, fullscale, quotient,
                scales + channel, factors + channel, loss);
    } else {
      end = done + fp8c_run(layout, layout.first + done, count - done);
      tally_run(source, type, done, end, layout.first, 0, encoding, fullscale, quotient,
                scales + channel, factors + channel, loss);
    }
    done = end;
  }
}

#define EACH_TALLY(TYPE)                                                                           \
  if (encoding == FP8C_E4M3) {                                                                     \
    if (quotient == FP8C_DIVIDE) {                                                                 \
      tally(source, TYPE, count, layout, FP8C_E4M3, fullscale, FP8C_DIVIDE, scales, factors, loss); \
    } else {                                                                                       \
      tally(source, TYPE, count, layout, FP8C_E4M3, fullscale, FP8C_MULTIPLY, scales, factors,     \
            loss);                                                                                 \
    }                                                                                              \
  } else if (quotient == FP8C_DIVIDE) {                                                            \
    tally(source, TYPE, count, layout, FP8C_E5M2, fullscale, FP8C_DIVIDE, scales, factors, loss);  \
  } else {                                                                                         \
    tally(source, TYPE, count, layout, FP8C_E5M2, fullscale, FP8C_MULTIPLY, scales, factors, loss); \
  }

FP8C_MANY_CPUS
void fp8c_tally(const void *source, enum fp8c_type type, size_t count, struct fp8c_layout layout,
                enum fp8c_encoding encoding, float fullscale, enum fp8c_quotient quotient,
                const float *scales, const float *factors, struct fp8c_loss *loss) {
  switch (type) {
  case FP8C_FLOAT32: EACH_TALLY(FP8C_FLOAT32) break;
  case FP8C_BFLOAT16: EACH_TALLY(FP8C_BFLOAT16) break;
  case FP8C_FLOAT16: EACH_TALLY(FP8C_FLOAT16) break;
  }
}
