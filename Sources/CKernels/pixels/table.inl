// The table of this variant's kernels for pictures.
#include "filter.inl"
#include "color.inl"

const ck_pixel_kernels CK_FN(ck_pixels) = {
    .filter_across = filter_across,
    .filter_down = filter_down,
    .luminance = luminance,
    .saturate = saturate,
    .turn_hue = turn_hue,
};
