// Resizing, one direction at a time. Sums wrap in 32 bits, in any order: the same as Pillow's for weights that add up
// to 1.

#define CK_PIXEL_BITS 22

typedef int32_t vi4 __attribute__((vector_size(16)));
typedef uint8_t vb4 __attribute__((vector_size(4)));
typedef uint8_t vb16 __attribute__((vector_size(16)));
typedef int32_t vi16 __attribute__((vector_size(64)));

/// Back from fixed point, clamped to 8 bits; a sum begins with half a unit, so that this rounds.
CK_INLINE uint8_t pixel_sample(int32_t sum) {
  sum >>= CK_PIXEL_BITS;
  return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

CK_INLINE int32_t wrapping_add(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }
CK_INLINE int32_t wrapping_multiply(int32_t a, int32_t b) { return (int32_t)((uint32_t)a * (uint32_t)b); }

/// One new pixel, sample by sample.
CK_INLINE void filter_pixel(const uint8_t *from, uint8_t *to, long channels, const int32_t *weights, long taps) {
  for (long c = 0; c < channels; c++) {
    int32_t sum = 1 << (CK_PIXEL_BITS - 1);
    for (long t = 0; t < taps; t++) sum = wrapping_add(sum, wrapping_multiply(from[t * channels + c], weights[t]));
    to[c] = pixel_sample(sum);
  }
}

/// One new pixel of three or four samples in the lanes of a vector; reads four samples at each tap.
CK_INLINE void filter_pixel_lanes(const uint8_t *from, uint8_t *to, long channels, const int32_t *weights, long taps) {
  typedef uint32_t vu4 __attribute__((vector_size(16)));
  vu4 sum = (vu4){} + (1u << (CK_PIXEL_BITS - 1));
  for (long t = 0; t < taps; t++) {
    vb4 pixel;
    memcpy(&pixel, from + t * channels, 4);
    sum += __builtin_convertvector(pixel, vu4) * (uint32_t)weights[t];
  }
  vi4 whole = (vi4)sum >> CK_PIXEL_BITS;
  whole = __builtin_elementwise_min(__builtin_elementwise_max(whole, (vi4){}), (vi4){} + 255);
  vb4 result = __builtin_convertvector(whole, vb4);
  memcpy(to, &result, (size_t)channels);
}

CK_INLINE void filter_row(const uint8_t *in, long readable, uint8_t *out, long count, long channels,
                          const ck_pixel_filter *filter) {
  for (long i = 0; i < count; i++) {
    long start = filter->starts[i] * channels, taps = filter->taps[i];
    const int32_t *weights = filter->weights + i * filter->stride;
    if (channels >= 3 && start + (taps - 1) * channels + 4 <= readable)
      filter_pixel_lanes(in + start, out + i * channels, channels, weights, taps);
    else
      filter_pixel(in + start, out + i * channels, channels, weights, taps);
  }
}

static void filter_across(const uint8_t *in, long readable, uint8_t *out, long count, long channels,
                          const ck_pixel_filter *filter) {
  if (channels == 3) filter_row(in, readable, out, count, 3, filter);
  else if (channels == 4) filter_row(in, readable, out, count, 4, filter);
  else filter_row(in, readable, out, count, 1, filter);
}

static void filter_down(const uint8_t *in, long line, uint8_t *out, long count, const int32_t *weights, long taps) {
  typedef uint32_t vu16 __attribute__((vector_size(64)));
  long i = 0;
  for (; i + 16 <= count; i += 16) {
    vu16 sum = (vu16){} + (1u << (CK_PIXEL_BITS - 1));
    for (long t = 0; t < taps; t++) {
      vb16 samples;
      memcpy(&samples, in + t * line + i, 16);
      sum += __builtin_convertvector(samples, vu16) * (uint32_t)weights[t];
    }
    vi16 whole = (vi16)sum >> CK_PIXEL_BITS;
    whole = __builtin_elementwise_min(__builtin_elementwise_max(whole, (vi16){}), (vi16){} + 255);
    vb16 result = __builtin_convertvector(whole, vb16);
    memcpy(out + i, &result, 16);
  }
  for (; i < count; i++) {
    int32_t sum = 1 << (CK_PIXEL_BITS - 1);
    for (long t = 0; t < taps; t++) sum = wrapping_add(sum, wrapping_multiply(in[t * line + i], weights[t]));
    out[i] = pixel_sample(sum);
  }
}
