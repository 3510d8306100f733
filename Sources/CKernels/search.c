#include "bits.h"

/* The error of most elements is the same under every scale, a power of two: it is taken for eight elements
 * at once. One that some scale clips or makes subnormal is tried with eight scales at once. */

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

/// Tries every scale of a channel on some elements; `row` is where the channel's scales begin.
FP8C_INLINE void try_all(const float *elements, size_t count, size_t row, uint32_t limit,
                         struct fp8c_shape shape, enum fp8c_quotient quotient,
                         const struct fp8c_candidates *search) {
  for (size_t group = 0; group < search->groups; group++) {
    float scale[FP8C_LANES], factor[FP8C_LANES];
    double sum[FP8C_LANES];
    size_t at = row + group * FP8C_LANES;
    memcpy(scale, search->scales + at, sizeof scale);
    memcpy(factor, search->factors + at, sizeof factor);
    memcpy(sum, search->sums + at, sizeof sum);
    for (size_t i = 0; i < count; i++) {
      float x = elements[i];
#pragma clang loop vectorize(enable) interleave(disable)
      for (int lane = 0; lane < FP8C_LANES; lane++) {
        float value = rounded(divided(x, factor[lane], quotient), limit, shape);
        double error = (double)x - (double)value * (double)scale[lane];
        sum[lane] += error * error;
      }
    }
    memcpy(search->sums + at, sum, sizeof sum);
  }
}

/// The squared error of an element whose code is normal and not clipped, whatever the power of two.
FP8C_INLINE double relative_loss(uint32_t bits, struct fp8c_shape shape) {
  uint32_t shift = 23 - shape.mantissa_bits;
  uint32_t near = (bits + ((1u << (shift - 1)) - 1) + ((bits >> shift) & 1)) & ~((1u << shift) - 1);
  /* Numbers this near have an exact difference. */
  double error = fp8c_float(bits) - fp8c_float(near);
  return error * error;
}

/// True where the magnitude is at least one and below another, or zero, which has no error.
FP8C_INLINE uint32_t is_ordinary(uint32_t bits, uint32_t least, uint32_t largest) {
  uint32_t magnitude = bits & 0x7FFFFFFF;
  return (uint32_t)(magnitude - least < largest - least) | (uint32_t)(magnitude == 0);
}

/// How many elements wait to be tried with the scales of their channel.
#define FP8C_WAITING 256

/// Elements `begin` to `end` of one channel.
FP8C_INLINE void search_channel(const void *source, enum fp8c_type type, size_t begin, size_t end,
                                size_t first, size_t channel, uint32_t limit,
                                struct fp8c_shape shape, enum fp8c_quotient quotient,
                                const struct fp8c_candidates *search) {
  uint32_t least = search->least[channel], largest = search->largest[channel];
  size_t row = channel * search->groups * FP8C_LANES;
  double bases[FP8C_LANES];
  memcpy(bases, search->bases + channel * FP8C_LANES, sizeof bases);
  float waiting[FP8C_WAITING + FP8C_LANES];
  size_t count = 0;
  size_t i = begin;
  while (i < end && least >= largest) {
    count = end - i < FP8C_WAITING ? end - i : FP8C_WAITING;
    for (size_t k = 0; k < count; k++) waiting[k] = fp8c_float(fp8c_load(source, type, i + k));
    try_all(waiting, count, row, limit, shape, quotient, search);
    i += count;
    count = 0;
  }
  while (i < end) {
    size_t lane = (first + i) % FP8C_LANES;
    uint32_t others = 0;
    if (lane == 0 && i + FP8C_LANES <= end) {
      uint32_t flags[FP8C_LANES];
#pragma clang loop vectorize(enable) interleave(disable)
      for (size_t k = 0; k < FP8C_LANES; k++) {
        uint32_t bits = fp8c_load(source, type, i + k);
        uint32_t ordinary = is_ordinary(bits, least, largest);
        double loss = relative_loss(bits, shape);
        bases[k] += ordinary ? loss : 0;
        flags[k] = ordinary ? 0 : 1u << k;
      }
      for (size_t k = 0; k < FP8C_LANES; k++) others |= flags[k];
      for (; others != 0; others &= others - 1) {
        size_t k = (size_t)__builtin_ctz(others);
        waiting[count++] = fp8c_float(fp8c_load(source, type, i + k));
      }
      i += FP8C_LANES;
    } else {
      uint32_t bits = fp8c_load(source, type, i);
      if (is_ordinary(bits, least, largest)) {
        bases[lane] += relative_loss(bits, shape);
      } else {
        waiting[count++] = fp8c_float(bits);
      }
      i++;
    }
    if (count >= FP8C_WAITING) {
      try_all(waiting, count, row, limit, shape, quotient, search);
      count = 0;
    }
  }
  try_all(waiting, count, row, limit, shape, quotient, search);
  memcpy(search->bases + channel * FP8C_LANES, bases, sizeof bases);
}

/// Elements `begin` to `end`, each of the channel behind the one before, beginning with `channel`.
FP8C_INLINE void search_row(const void *source, enum fp8c_type type, size_t begin, size_t end,
                            size_t channel, uint32_t limit, struct fp8c_shape shape,
                            enum fp8c_quotient quotient, const struct fp8c_candidates *search) {
  for (size_t i = begin; i < end;) {
    size_t count = end - i < FP8C_LANES ? end - i : FP8C_LANES;
    const uint32_t *least = search->least + channel, *largest = search->largest + channel;
    double *bases = search->bases + channel;
    uint32_t flags[FP8C_LANES] = {0}, others = 0;
    if (count == FP8C_LANES) {
#pragma clang loop vectorize(enable) interleave(disable)
      for (size_t k = 0; k < FP8C_LANES; k++) {
        uint32_t bits = fp8c_load(source, type, i + k);
        uint32_t ordinary = is_ordinary(bits, least[k], largest[k]);
        double loss = relative_loss(bits, shape);
        bases[k] += ordinary ? loss : 0;
        flags[k] = ordinary ? 0 : 1u << k;
      }
    } else {
      for (size_t k = 0; k < count; k++) {
        uint32_t bits = fp8c_load(source, type, i + k);
        uint32_t ordinary = is_ordinary(bits, least[k], largest[k]);
        bases[k] += ordinary ? relative_loss(bits, shape) : 0;
        flags[k] = ordinary ? 0 : 1u << k;
      }
    }
    for (size_t k = 0; k < FP8C_LANES; k++) others |= flags[k];
    for (; others != 0; others &= others - 1) {
      size_t k = (size_t)__builtin_ctz(others);
      float x = fp8c_float(fp8c_load(source, type, i + k));
      try_all(&x, 1, (channel + k) * search->groups * FP8C_LANES, limit, shape, quotient, search);
    }
    i += count;
    channel += count;
  }
}

FP8C_INLINE void search_block(const void *source, enum fp8c_type type, size_t count,
                              struct fp8c_layout layout, enum fp8c_encoding encoding,
                              float fullscale, enum fp8c_quotient quotient,
                              const struct fp8c_candidates *search) {
  struct fp8c_shape shape = fp8c_shape(encoding);
  uint32_t limit = fp8c_bits(fullscale);
  size_t done = 0;
  while (done < count) {
    size_t channel = fp8c_channel(layout, layout.first + done);
    size_t end;
    if (layout.inner == 1) {
      size_t row = layout.channels - channel;
      end = row < count - done ? done + row : count;
      search_row(source, type, done, end, channel, limit, shape, quotient, search);
    } else {
      end = done + fp8c_run(layout, layout.first + done, count - done);
      search_channel(source, type, done, end, layout.first, channel, limit, shape, quotient, search);
    }
    done = end;
  }
}

#define EACH_SEARCH(TYPE)                                                                          \
  if (encoding == FP8C_E4M3) {                                                                     \
    if (search->quotient == FP8C_DIVIDE) {                                                          \
      search_block(source, TYPE, count, layout, FP8C_E4M3, fullscale, FP8C_DIVIDE, search);       \
    } else {                                                                                       \
      search_block(source, TYPE, count, layout, FP8C_E4M3, fullscale, FP8C_MULTIPLY, search);     \
    }                                                                                              \
  } else if (search->quotient == FP8C_DIVIDE) {                                                     \
    search_block(source, TYPE, count, layout, FP8C_E5M2, fullscale, FP8C_DIVIDE, search);         \
  } else {                                                                                         \
    search_block(source, TYPE, count, layout, FP8C_E5M2, fullscale, FP8C_MULTIPLY, search);       \
  }

FP8C_MANY_CPUS
void fp8c_search(const void *source, enum fp8c_type type, size_t count, struct fp8c_layout layout,
                 enum fp8c_encoding encoding, float fullscale, const struct fp8c_candidates *search) {
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
