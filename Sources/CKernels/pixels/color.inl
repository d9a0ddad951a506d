// Changes of colour, pixel by pixel. Blocks of pixels are parted into a row for each colour, where vectors work.

#define CK_PIXELS 64

/// A block of pixels in rows of floats.
typedef struct {
  float red[CK_PIXELS], green[CK_PIXELS], blue[CK_PIXELS];
} ck_pixel_rows;

CK_INLINE uint8_t lightness(int32_t red, int32_t green, int32_t blue) {
  return (uint8_t)((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16);
}

CK_INLINE void part(const uint8_t *in, ck_pixel_rows *rows) {
  for (long i = 0; i < CK_PIXELS; i++) {
    rows->red[i] = in[3 * i];
    rows->green[i] = in[3 * i + 1];
    rows->blue[i] = in[3 * i + 2];
  }
}

/// Back to samples: clamped and rounded.
CK_INLINE void unite(const ck_pixel_rows *rows, uint8_t *out) {
  for (long i = 0; i < CK_PIXELS; i++) {
    out[3 * i] = (uint8_t)(int32_t)rows->red[i];
    out[3 * i + 1] = (uint8_t)(int32_t)rows->green[i];
    out[3 * i + 2] = (uint8_t)(int32_t)rows->blue[i];
  }
}

CK_INLINE vf clamped(vf x) { return vmin(vmax(x, vset(0)), vset(255)) + 0.5f; }

static void luminance(const uint8_t *in, uint8_t *out, long pixels) {
  for (long i = 0; i < pixels; i++) out[i] = lightness(in[3 * i], in[3 * i + 1], in[3 * i + 2]);
}

CK_INLINE void saturate_block(const uint8_t *in, uint8_t *out, float factor) {
#pragma clang fp contract(off)
  ck_pixel_rows rows;
  float grey[CK_PIXELS];
  part(in, &rows);
  for (long i = 0; i < CK_PIXELS; i++) grey[i] = lightness(in[3 * i], in[3 * i + 1], in[3 * i + 2]);
  float *colors[3] = {rows.red, rows.green, rows.blue};
  for (long i = 0; i < CK_PIXELS; i += CK_VW) {
    vf middle = vload(grey + i);
    for (int c = 0; c < 3; c++) {
      vf offset = vset(factor) * (vload(colors[c] + i) - middle);
      vstore(colors[c] + i, clamped(middle + offset));
    }
  }
  unite(&rows, out);
}

CK_INLINE void turn_hue_block(const uint8_t *in, uint8_t *out, float sixths) {
#pragma clang fp contract(off)
  ck_pixel_rows rows;
  part(in, &rows);
  float *colors[3] = {rows.red, rows.green, rows.blue};
  for (long i = 0; i < CK_PIXELS; i += CK_VW) {
    vf red = vload(rows.red + i), green = vload(rows.green + i), blue = vload(rows.blue + i);
    vf value = vmax(red, vmax(green, blue)), chroma = value - vmin(red, vmin(green, blue));
    // In sixths of the circle, from -1 to 5.
    vi is_red = value == red, is_green = value == green;
    vf part = vselect(is_red, green - blue, vselect(is_green, blue - red, red - green));
    vf base = vselect(is_red, vset(0), vselect(is_green, vset(2), vset(4)));
    vf hue = vselect(chroma > 0, base + part / vmax(chroma, vset(1)), vset(0)) + sixths;
    // Each primary falls off by its distance from the hue (Smith 1978, in one formula for all six sectors).
    for (int c = 0; c < 3; c++) {
      // Between -6 and 16; brought to one turn exactly.
      vf k = hue + (float)(5 - 2 * c);
      k += vselect(k < 0, vset(6), vselect(k < 6, vset(0), vselect(k < 12, vset(-6), vset(-12))));
      vf share = vmax(vset(0), vmin(k, vmin(4 - k, vset(1))));
      vf loss = chroma * share;
      vstore(colors[c] + i, clamped(value - loss));
    }
  }
  unite(&rows, out);
}

/// Whole blocks, and the last one by way of a block of its own.
#define CK_BLOCKS(body)                                                        \
  uint8_t last[3 * CK_PIXELS] = {0};                                           \
  for (; pixels >= CK_PIXELS; pixels -= CK_PIXELS) {                           \
    body(in, out);                                                             \
    in += 3 * CK_PIXELS;                                                       \
    out += 3 * CK_PIXELS;                                                      \
  }                                                                            \
  if (pixels > 0) {                                                            \
    memcpy(last, in, (size_t)(3 * pixels));                                    \
    body(last, last);                                                          \
    memcpy(out, last, (size_t)(3 * pixels));                                   \
  }

static void saturate(const uint8_t *in, uint8_t *out, long pixels, float factor) {
#define CK_BODY(from, to) saturate_block(from, to, factor)
  CK_BLOCKS(CK_BODY)
#undef CK_BODY
}

static void turn_hue(const uint8_t *in, uint8_t *out, long pixels, float sixths) {
#define CK_BODY(from, to) turn_hue_block(from, to, sixths)
  CK_BLOCKS(CK_BODY)
#undef CK_BODY
}
