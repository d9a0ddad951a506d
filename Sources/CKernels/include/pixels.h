#pragma once

#include <stdint.h>

// Pictures of interleaved 8-bit samples. The results are the same bits on every instruction set: integers, or floats of
// which each operation is rounded by itself. No kernel reads or writes past the samples it is given.

/// Where each new sample of a row comes from: `taps[i]` pixels from `starts[i]` on, weighted by
/// `weights[i * stride ...]` in fixed point with 22 bits of fraction (as in Pillow's Resample.c).
typedef struct {
  const int32_t *starts, *taps, *weights;
  long stride;
} ck_pixel_filter;

typedef struct {
  /// A row of `count` new pixels out of the row `in`, of which `readable` samples may be read; 1, 3 or 4 channels.
  void (*filter_across)(const uint8_t *in, long readable, uint8_t *out, long count, long channels,
                        const ck_pixel_filter *filter);
  /// A row of `count` new samples: the sum over `taps` rows, `line` samples apart, by their weights.
  void (*filter_down)(const uint8_t *in, long line, uint8_t *out, long count, const int32_t *weights, long taps);
  /// Pixels of three samples to their lightness (ITU-R 601-2, as Pillow's mode L).
  void (*luminance)(const uint8_t *in, uint8_t *out, long pixels);
  /// Pixels of three samples away from (factor above 1) or towards their lightness.
  void (*saturate)(const uint8_t *in, uint8_t *out, long pixels, float factor);
  /// Pixels of three samples with their hues turned by so many sixths of the colour circle, from -6 to 6.
  void (*turn_hue)(const uint8_t *in, uint8_t *out, long pixels, float sixths);
} ck_pixel_kernels;
