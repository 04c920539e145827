// Loops for which Swift's four-lane SIMD is too slow. Each function is compiled for several x86 instruction sets, and
// the best one is selected when the program starts.
//
// Pointers of one call must not overlap unless a parameter is changed in place.
#ifndef ZOETROPE_CELEMENTWISE_H
#define ZOETROPE_CELEMENTWISE_H

/// One step of `count` LSTM cells with `hidden` units. `gate` `[count, 4 * hidden]` (input, forget, cell, output) plus
/// `bias` `[4 * hidden]` is replaced by the activations, `state` and `cell` `[count, hidden]` by the new ones;
/// `cell_tanh` receives tanh of the new cell.
void elementwise_lstm_forward(
    long count, long hidden, const float *bias, float *gate, float *state, float *cell, float *cell_tanh);
/// `cell_gradient` is replaced by that of the previous step; `share` receives the gradient of the gates.
void elementwise_lstm_backward(long count, long hidden, const float *gates, const float *cells,
    const float *cell_tanh, const float *state_gradient, float *cell_gradient, float *share);

/// One Adam step on `count` elements; `shrink` multiplies the parameters first (decoupled weight decay), `decay` is
/// added to the gradient.
typedef struct {
  float scale, decay, shrink, beta1, rest1, beta2, rest2, step_size, root_scale, epsilon;
} elementwise_adam;
void elementwise_adam_step(
    const elementwise_adam *rule, long count, float *parameters, const float *gradient, float *first, float *second);

/// Transposes `[rows, columns]` to `[columns, rows]`.
void elementwise_transpose(long rows, long columns, const float *x, float *y);

/// softmax(factor · x) of each of `count` rows of `size` elements, in place; rows begin `stride` elements apart.
void elementwise_softmax(long count, long size, long stride, float factor, float *scores);
/// Global response normalisation of `pixels` rows of `channels` elements: y = x + shift + scale · x · n, where n is the
/// L2 norm of a channel divided by the mean norm plus `epsilon`; `lengths` receives the `channels` norms.
void elementwise_response_normalization(long pixels, long channels, float epsilon, const float *scale,
    const float *shift, const float *x, float *y, float *lengths);

/// Group normalisation: normalises each of `groups` equal groups of channels over all pixels, then applies scale and
/// shift.
void elementwise_group_normalization(long pixels, long channels, long groups, float epsilon, const float *scale,
    const float *shift, const float *x, float *y);

/// `count` 8-bit RGB values times `scale` plus `offset` for red, green and blue. Product and sum are never fused (FMA),
/// so that results are bit-identical on every processor.
void elementwise_pixels(
    long count, const unsigned char *pixels, const float *scale, const float *offset, float *numbers);

/// GELU, x · Φ(x), and `dx` = its derivative times `dy`; Φ to 2e-7. `x` may be `y`.
void elementwise_gelu(long count, const float *x, float *y);
/// factor · x · Φ(x), rounded and clipped as in `elementwise_gate`.
void elementwise_gelu_bytes(long count, float factor, int zero, const float *x, unsigned char *bytes);
void elementwise_gelu_backward(long count, const float *x, const float *dy, float *dx);

/// Converts between `float` and IEEE 754 binary16, rounding to nearest, ties to even; overflow gives infinity.
void elementwise_narrow(long count, const float *numbers, void *halves);
/// `halves` may be unaligned.
void elementwise_widen(long count, const void *halves, float *numbers);

/// Inverse L2 norms of `count` rows of `size` elements, binary16 if `are_halves`, possibly unaligned; 0 for zero rows.
void elementwise_inverse_row_norms(long count, long size, int are_halves, const void *rows, float *shares);
/// Cosine similarities of these rows with `queries` unit vectors: `[query, row]`.
void elementwise_cosines(long count, long size, int are_halves, const void *rows, const float *shares, long queries,
    const float *query, float *cosines);

/// Adds a, b, a², b² and ab of two images' pixels to `sums` `[5, 16]`, column i to lane i mod 16. `columns` is a
/// multiple of 16, `stride` the floats from one row to the next.
void elementwise_paired_sums(
    long rows, long columns, long stride, const float *first, const float *second, float *sums);

/// The largest |x|; NaN is ignored.
float elementwise_largest(long count, const float *x);

/// The first values of the SplitMix64 sequence (Steele et al. 2014) of `key`, in [0, 1).
void elementwise_uniform(unsigned long long key, long count, float *x);
/// centre + spread · (2x − 1), each operation rounded separately.
void elementwise_spread(long count, float centre, float spread, float *x);
void elementwise_scale(long count, float factor, float *x);
/// Whether all elements are finite.
int elementwise_are_finite(long count, const float *x);

/// Histogram bins for magnitudes from 2⁻⁴⁰ to 2²⁴, 128 per power of two.
enum { ELEMENTWISE_MAGNITUDES = 64 * 128 };
/// Counts the magnitudes of a random third of the elements; smaller ones are ignored, larger ones counted in the last
/// bin.
void elementwise_count_magnitudes(long count, const float *x, unsigned *counts);

/// x / scale, rounded to the nearest integer, ties to even, and clipped to ±127; 0 if not finite.
void elementwise_quantize(long count, float scale, const float *x, signed char *bytes);
/// factor · x · gate with a gate per channel, rounded to the nearest integer, ties to even, plus the zero point `zero`;
/// clipped to [0, 255], or to [-128, 127] if `zero` is 0.
void elementwise_gate(
    long pixels, long channels, float factor, int zero, const float *x, const float *gate, unsigned char *bytes);
/// factor · x, rounded and clipped as in `elementwise_gate`.
void elementwise_shift(long count, float factor, int zero, const float *x, unsigned char *bytes);

/// Interleaves red, green and blue planes to RGB pixels.
void elementwise_interleave(
    long count, const unsigned char *red, const unsigned char *green, const unsigned char *blue, unsigned char *pixels);

// int8 attention.

/// Quantises rows of `size` elements, `stride` apart, centred on `middle`, to contiguous bytes: a row's largest
/// magnitude becomes 127, 0 becomes the zero point `zero`. `steps` `[count]` receives the scale of each row.
void elementwise_byte_rows(long count, long size, long stride, int zero, const float *middle, const float *x,
    unsigned char *bytes, float *steps);
/// Per-column quantisation: `steps` `[size]` receives the scale of each column.
void elementwise_byte_columns(long count, long size, long stride, const float *x, signed char *bytes, float *steps);
/// The mean of each column of `count` rows, `stride` apart.
void elementwise_means(long count, long size, long stride, const float *x, float *means);
/// Softmax of each row's first `size` scores, times the scales of the row and of each column (the first column's from
/// `size` on), quantised so that the largest is 255; `stride` is a multiple of 16, elements from `size` on become 0.
/// `shares` receives 1 / sum of a row's bytes.
void elementwise_byte_softmax(long count, long size, long stride, const float *row_steps, const float *column_steps,
    int *scores, unsigned char *weights, float *shares);
/// Sums `[count, size]` times the row's normalisation and the column's scale; rows of `y` begin `stride` apart.
void elementwise_scaled_sums(
    long count, long size, long stride, const float *shares, const float *steps, const int *sums, float *y);
/// The result times `factor`, rounded and clipped as in `elementwise_gate`.
void elementwise_scaled_sums_bytes(long count, long size, long stride, const float *shares, const float *steps,
    const int *sums, float factor, int zero, unsigned char *bytes);

#endif
