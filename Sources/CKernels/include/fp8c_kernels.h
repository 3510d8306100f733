#ifndef FP8C_KERNELS_H
#define FP8C_KERNELS_H
#include <stddef.h>
#include <stdint.h>

/* Every loop over the bytes of a tensor. A tensor is worked on in blocks: `layout` says where in it a
 * block starts. Sources and results may lie at any address; none of them overlap. No function reads
 * or writes beyond `count` elements, and none can fail. Results do not depend on the processor. */

/// The types that a tensor may be stored in.
enum fp8c_type {
  FP8C_FLOAT32,
  FP8C_BFLOAT16,
  FP8C_FLOAT16,
};

/// The two encodings, as OCP OFP8 1.0 defines them.
enum fp8c_encoding {
  FP8C_E4M3,
  FP8C_E5M2,
};

/// How an element x and its channel's factor f make the number that is rounded to FP8.
enum fp8c_quotient {
  /// x * f in binary32.
  FP8C_MULTIPLY,
  /// x / f in binary32.
  FP8C_DIVIDE,
  /// bf16(bf16(x) * f), where f is a bfloat16 number.
  FP8C_THROUGH_BFLOAT16,
  /// fp16(fp16(x) * f), where f is a float16 number.
  FP8C_THROUGH_FLOAT16,
};

/// A tensor seen as [outer, channels, inner], and the index of a block's first element in it.
///
/// `channels` and `inner` are at least 1. A whole tensor is one channel whose `inner` is SIZE_MAX.
struct fp8c_layout {
  size_t channels;
  size_t inner;
  size_t first;
};

/// Quantizes: round to nearest even, saturating at `fullscale`, NaN to 0x7F, the sign of zero kept.
///
/// `fullscale` is a finite number of the encoding.
void fp8c_quantize(const void *source, enum fp8c_type type, uint8_t *codes, size_t count,
                   struct fp8c_layout layout, enum fp8c_encoding encoding, float fullscale,
                   enum fp8c_quotient quotient, const float *factors);

/// Writes `table[code] * scale` for each code, with one scale per channel.
void fp8c_dequantize(const uint8_t *codes, float *values, size_t count, struct fp8c_layout layout,
                     const float table[256], const float *scales);

/// Raises `largest[channel]` to the largest finite |x|, and returns how many elements are not finite.
size_t fp8c_max_abs(const void *source, enum fp8c_type type, size_t count,
                    struct fp8c_layout layout, float *largest);

/// The index of the first infinity or NaN, `count` where there is none.
size_t fp8c_first_nonfinite(const void *source, enum fp8c_type type, size_t count);

/// The largest code without its sign bit, 0 where there are no codes.
uint8_t fp8c_largest_code(const uint8_t *codes, size_t count);

/// Widens to float32; exact.
void fp8c_widen(const void *source, enum fp8c_type type, float *values, size_t count);

/// Rounds float32 to `type`, to nearest even, and returns how many finite values lay beyond its range.
///
/// Those become infinities, or with `clamp` the largest finite number of their sign. NaN stays NaN.
size_t fp8c_narrow(const float *values, enum fp8c_type type, void *target, size_t count, int clamp);

/// Buckets of magnitudes: the exponent of a float32 and the upper four bits of its fraction.
#define FP8C_BUCKETS 4096

/// What is known of the magnitudes in a bucket, which differ in the lower 19 bits of their fraction.
struct fp8c_moment {
  uint64_t count;
  /// The sum of those bits.
  uint64_t sum;
  /// The sum of their squares, of 128 bits.
  uint64_t squares;
  uint64_t squares_high;
};

/// Adds each element to the moments of its bucket; integers, so that the order does not matter.
void fp8c_moments(const void *source, enum fp8c_type type, size_t count,
                  struct fp8c_moment moments[FP8C_BUCKETS]);

/// How many scales `fp8c_search` tries side by side.
#define FP8C_LANES 8

/// What a search tries, and what it has found so far.
struct fp8c_candidates {
  /// FP8C_MULTIPLY or FP8C_DIVIDE; applies to `factors`.
  enum fp8c_quotient quotient;
  size_t groups;
  /// `groups * FP8C_LANES` entries per channel, as in `sums`.
  const float *scales;
  const float *factors;
  /// Per channel the bits of the least magnitude whose error is the same under all of its scales, powers
  /// of two, and of that above which it is not: no code is subnormal or clipped. Equal for none.
  const uint32_t *least;
  const uint32_t *largest;
  /// The squared errors of all other elements, in their order.
  double *sums;
  /// The squared errors of these: one sum per channel where channels are the last axis, else
  /// FP8C_LANES, number i for the elements whose place in the tensor is i modulo FP8C_LANES.
  double *bases;
};

/// Adds the squared error of quantizing and dequantizing each element to its channel's sums.
///
/// The sums are binary64 and do not depend on how a tensor is cut into blocks.
void fp8c_search(const void *source, enum fp8c_type type, size_t count, struct fp8c_layout layout,
                 enum fp8c_encoding encoding, float fullscale, const struct fp8c_candidates *search);

/// What quantizing a block lost: see `fp8c_tally`.
struct fp8c_loss {
  /// Elements whose magnitude lies beyond fullscale * scale.
  size_t clipped;
  /// Elements other than zero that became zero.
  size_t flushed;
  /// Sums of the squared error, in the order of the elements: number i of those whose place in the
  /// tensor is i modulo FP8C_LANES, so that they do not depend on how it is cut into blocks.
  double errors[FP8C_LANES];
};

/// Adds what quantizing a block lost to `loss`; arguments as for `fp8c_search`, one scale per channel.
void fp8c_tally(const void *source, enum fp8c_type type, size_t count, struct fp8c_layout layout,
                enum fp8c_encoding encoding, float fullscale, enum fp8c_quotient quotient,
                const float *scales, const float *factors, struct fp8c_loss *loss);

#endif
