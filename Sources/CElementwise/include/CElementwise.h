// The loops that are too hot for four numbers at a time. Each function is compiled several times, for
// the instruction sets of x86 processors, and the processor picks its own when the program starts.
//
// Pointers of one call must not overlap unless a parameter says that it is changed in place.
#ifndef ZOETROPE_CELEMENTWISE_H
#define ZOETROPE_CELEMENTWISE_H

/// One step of `count` LSTM cells of `hidden` numbers. `gate` `[count, 4 * hidden]` (input, forget, cell, output) plus
/// `bias` `[4 * hidden]` is replaced by what leaves the activations, `state` and `cell` `[count, hidden]` by the new ones; `cell_tanh`
/// receives tanh of the new cell.
void elementwise_lstm_forward(
    long count, long hidden, const float *bias, float *gate, float *state, float *cell, float *cell_tanh);
/// `cell_gradient` is replaced by that of the step before; `share` receives the gradient of the gates.
void elementwise_lstm_backward(
    long count, long hidden, const float *gates, const float *cells, const float *cell_tanh,
    const float *state_gradient, float *cell_gradient, float *share);

/// One step of Adam on `count` numbers; `shrink` multiplies the parameters first, `decay` adds to the gradient.
typedef struct {
  float scale, decay, shrink, beta1, rest1, beta2, rest2, step_size, root_scale, epsilon;
} elementwise_adam;
void elementwise_adam_step(
    const elementwise_adam *rule, long count, float *parameters, const float *gradient, float *first, float *second);

/// `[rows, columns]` to `[columns, rows]`.
void elementwise_transpose(long rows, long columns, const float *x, float *y);

/// softmax(factor · x) of each of `count` rows of `size` numbers, in place; rows begin `stride` numbers apart.
void elementwise_softmax(long count, long size, long stride, float factor, float *scores);
/// Global response normalisation of `pixels` rows of `channels` numbers: y = x + shift + scale · x · n, where n is the
/// length of a channel over the mean length plus `epsilon`; `lengths` receives the `channels` lengths.
void elementwise_response_normalization(
    long pixels, long channels, float epsilon, const float *scale, const float *shift, const float *x, float *y,
    float *lengths);

/// Each of `groups` equal parts of the channels to mean 0 and variance 1 over all pixels, then scale and shift.
void elementwise_group_normalization(
    long pixels, long channels, long groups, float epsilon, const float *scale, const float *shift, const float *x,
    float *y);

/// `count` 8-bit RGB values times `scale` plus `offset`, each for red, green, blue; a product and a sum, never in one step,
/// so that the numbers are the same on every processor.
void elementwise_pixels(
    long count, const unsigned char *pixels, const float *scale, const float *offset, float *numbers);

/// x · Φ(x), and `dx` = its derivative times `dy`; Φ to 2e-7. `x` may be `y`.
void elementwise_gelu(long count, const float *x, float *y);
/// factor · x · Φ(x), rounded and cut off as `elementwise_gate` does it.
void elementwise_gelu_bytes(long count, float factor, int zero, const float *x, unsigned char *bytes);
void elementwise_gelu_backward(long count, const float *x, const float *dy, float *dx);

/// IEEE 754 binary16 from and to `float`, rounding to nearest even; what is too large becomes infinite.
void elementwise_narrow(long count, const float *numbers, void *halves);
/// `halves` may lie at any address.
void elementwise_widen(long count, const void *halves, float *numbers);

/// One over the lengths of `count` rows of `size` numbers, halves where `are_halves`, which may lie at any address; of
/// zeros 0.
void elementwise_shares(long count, long size, int are_halves, const void *rows, float *shares);
/// Cosines of such rows with `queries` rows of length 1: `[query, row]`.
void elementwise_cosines(
    long count, long size, int are_halves, const void *rows, const float *shares, long queries, const float *query,
    float *cosines);

/// Adds a, b, a², b² and ab of two images' pixels to `sums` `[5, 16]`, column i to lane i mod 16. `columns` is a multiple of 16,
/// `stride` the floats from one row to the next.
void elementwise_paired_sums(
    long rows, long columns, long stride, const float *first, const float *second, float *sums);

/// The largest |x|; NaN counts for nothing.
float elementwise_largest(long count, const float *x);

/// The first numbers of the sequence that `key` stands for (Steele et al. 2014, SplitMix64), in [0, 1).
void elementwise_uniform(unsigned long long key, long count, float *x);
/// centre + spread · (2x − 1), each step rounded by itself.
void elementwise_spread(long count, float centre, float spread, float *x);
/// Whether no number is NaN or infinite.
int elementwise_are_finite(long count, const float *x);

/// Magnitudes from 2⁻⁴⁰ to 2²⁴, 128 for each power of two.
enum { ELEMENTWISE_MAGNITUDES = 64 * 128 };
/// Counts the magnitudes of one of three numbers, by chance; smaller ones count for nothing, larger ones as the last.
void elementwise_count_magnitudes(long count, const float *x, unsigned *counts);

/// x / scale, rounded to the nearest or even whole number and cut off at ±127; 0 where it is not finite.
void elementwise_quantize(long count, float scale, const float *x, signed char *bytes);
/// factor · x · gate, a gate for each channel, rounded to the nearest or even whole number, plus `zero`, which stands for 0;
/// cut off at 0 and 255, or, where `zero` is 0, at -128 and 127.
void elementwise_gate(
    long pixels, long channels, float factor, int zero, const float *x, const float *gate, unsigned char *bytes);
/// factor · x, rounded to the nearest or even whole number, plus `zero`, cut off at 0 and 255.
void elementwise_shift(long count, float factor, int zero, const float *x, unsigned char *bytes);

/// Pixels from planes: red, green and blue of each, one after the other.
void elementwise_interleave(
    long count, const unsigned char *red, const unsigned char *green, const unsigned char *blue, unsigned char *pixels);

// Attention in whole numbers.

/// Rows of `size` numbers, `stride` apart, less those of `middle`, as bytes one row after the other: the largest magnitude of
/// a row becomes 127, 0 becomes `zero`. `steps` `[count]` receives what one step of each row is worth.
void elementwise_byte_rows(
    long count, long size, long stride, int zero, const float *middle, const float *x, unsigned char *bytes,
    float *steps);
/// The same with the largest magnitude of each column: `steps` `[size]`.
void elementwise_byte_columns(long count, long size, long stride, const float *x, signed char *bytes, float *steps);
/// The mean of each column of `count` rows, `stride` apart.
void elementwise_means(long count, long size, long stride, const float *x, float *means);
/// softmax of each row's first `size` scores, times its step and each column's (the first one's from `size` on), as bytes of which the
/// largest is 255; `stride` is a multiple of 16, those from `size` on become 0. `shares` receives 1 / sum of a row's bytes.
void elementwise_byte_softmax(
    long count, long size, long stride, const float *row_steps, const float *column_steps, int *scores,
    unsigned char *weights, float *shares);
/// Sums `[count, size]` times each row's share and each column's step; rows of `y` begin `stride` apart.
void elementwise_scaled_sums(
    long count, long size, long stride, const float *shares, const float *steps, const int *sums, float *y);
/// The same times `factor`, rounded and cut off as `elementwise_gate` does.
void elementwise_scaled_sums_bytes(
    long count, long size, long stride, const float *shares, const float *steps, const int *sums, float factor,
    int zero, unsigned char *bytes);

#endif
