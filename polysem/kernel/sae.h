// A sparse autoencoder of any variant is trained by Adam, many steps a call: the passes of polysem/sae/*.py.
//
// Rows are contiguous, and inputs and latents padded with zeros to multiples of 16. The encoder lies as [input][latent], the
// decoder as [latent][input]. After them lie the bias b and the vectors over latents: b_e; b_e and log thresholds; or b_g,
// log scales and b_m. Every sum runs in one order, whatever the machine's width.
#pragma once
#include "lanes.h"
#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

enum Variant { L1, TOPK, BATCH_TOPK, JUMPRELU, GATED, MATRYOSHKA };

struct Autoencoder {  // mirrored in native.py
  const int32_t *order, *prefixes;               // one permutation of the rows an epoch; the last prefix is all latents
  const float* x;                                // rows to train on or to encode
  float *parameters, *mean, *square;             // the last two are Adam's
  float* threshold;                              // of BatchTopK at inference; NaN until a batch has one
  int32_t* idle;                                 // rows since each latent was active
  double rate, power1, power2;                   // learning rate; Adam's betas to the power of the steps taken so far
  double k;                                      // latents a row
  float penalty, leak, bandwidth, aux, l1, l2;   // aux: weight of AuxK; l1 |w| + l2 w^2 of encoder and decoder
  int32_t variant, inputs, latents, rows, batch, n_prefixes, dead_after, still_encoder, still_decoder;
};

namespace {

constexpr int up16(int n) { return (n + 15) / 16 * 16; }
using Numbers = std::vector<float>;

// The sum of a[i] b[i] over n numbers, a multiple of 16: in 16 logical lanes, of which lane j takes j + 8, j + 4, j + 2, j + 1.
inline float dot(const float* a, const float* b, int n) {
  float lane[LANES];
  F sum[PARTS] = {};
  for (int i = 0; i < n; i += LANES)
    UNROLL for (int p = 0; p < PARTS; p++) sum[p] = fma(load(a + i + p * WIDTH), load(b + i + p * WIDTH), sum[p]);
  for (int p = 0; p < PARTS; p++) store(lane + p * WIDTH, sum[p]);
  for (int half = LANES / 2; half; half /= 2)
    for (int j = 0; j < half; j++) lane[j] += lane[j + half];
  return lane[0];
}

// to += c from, over n numbers, a multiple of 16.
inline void add(float* to, float c, const float* from, int n) {
  for (int i = 0; i < n; i += WIDTH) store(to + i, fma(load(from + i), c, load(to + i)));
}

// out[r] = (from ? from : 0) + sum over i < inner of a[r][i] b[i], for rows of `columns` numbers, a multiple of 16.
template <int ROWS>
inline void product_rows(const float* a, int a_stride, int inner, const float* b, int columns, const float* from, float* out) {
  for (int c = 0; c < columns; c += WIDTH) {
    F sum[ROWS];
    UNROLL for (int r = 0; r < ROWS; r++) sum[r] = from ? load(from + c) : F{};
    for (int i = 0; i < inner; i++) {
      const F x = load(b + i * columns + c);
      UNROLL for (int r = 0; r < ROWS; r++) sum[r] = fma(x, a[r * a_stride + i], sum[r]);
    }
    UNROLL for (int r = 0; r < ROWS; r++) store(out + r * columns + c, sum[r]);
  }
}
void product(const float* a, int a_stride, int rows, int inner, const float* b, int columns, const float* from, float* out) {
  int r = 0;
  for (; r + 8 <= rows; r += 8) product_rows<8>(a + r * a_stride, a_stride, inner, b, columns, from, out + r * columns);
  for (; r < rows; r++) product_rows<1>(a + r * a_stride, a_stride, inner, b, columns, from, out + r * columns);
}

// out[i] += sum over rows of a[r][i] b[r], for i < n: the gradient of a matrix.
template <int N>
inline void outer_columns(const float* a, int a_stride, const float* b, int columns, int rows, float* out) {
  for (int c = 0; c < columns; c += WIDTH) {
    F sum[N];
    UNROLL for (int i = 0; i < N; i++) sum[i] = load(out + i * columns + c);
    for (int r = 0; r < rows; r++) {
      const F x = load(b + r * columns + c);
      UNROLL for (int i = 0; i < N; i++) sum[i] = fma(x, a[r * a_stride + i], sum[i]);
    }
    UNROLL for (int i = 0; i < N; i++) store(out + i * columns + c, sum[i]);
  }
}
void add_outer(const float* a, int a_stride, int n, const float* b, int columns, int rows, float* out) {
  int i = 0;
  for (; i + 4 <= n; i += 4) outer_columns<4>(a + i, a_stride, b, columns, rows, out + i * columns);
  for (; i < n; i++) outer_columns<1>(a + i, a_stride, b, columns, rows, out + i * columns);
}

void add_sums(const Numbers& rows, int columns, int n, float* to) {
  for (int r = 0; r < n; r++) add(to, 1.0f, &rows[r * columns], columns);
}

class AutoencoderTrainer {
 public:
  explicit AutoencoderTrainer(Autoencoder& autoencoder)
      : t(autoencoder), deep(up16(t.inputs)), wide(up16(t.latents)), n_vectors(t.variant == GATED ? 3 : t.variant == JUMPRELU ? 2 : 1),
        n(t.inputs * wide + t.latents * deep + deep + n_vectors * wide), by_batch(t.variant == BATCH_TOPK || t.variant == MATRYOSHKA),
        encoder(t.parameters), decoder(encoder + t.inputs * wide), bias(decoder + t.latents * deep), vectors(bias + deep),
        most(t.batch ? std::min(t.batch, t.rows) : t.rows), gradient(n), x(most * deep), centred(x), output(x), of_output(x),
        z(most * wide), f(z), part(z), of_f(z), of_z(z), back(t.inputs * wide), powers(wide), through(wide), values(most * wide) {}

  void run(int steps) {
    const int batches = (t.rows + most - 1) / most;
    for (int k = 0; k < steps; k++) {
      const int first = k % batches * most;
      step(t.order + k / batches * t.rows + first, std::min(most, t.rows - first));
    }
  }

  // Latents at inference and reconstructions of all rows.
  void encode(float* latents, float* reconstructions) {
    for (int first = 0; first < t.rows; first += most) {
      rows = std::min(most, t.rows - first);
      std::memcpy(x.data(), t.x + first * deep, rows * deep * sizeof(float));
      pre_activations();
      if (by_batch)
        for (int k = 0; k < rows * wide; k++) f[k] = z[k] > *t.threshold ? z[k] : 0.0f;
      else activate();
      std::memcpy(latents + first * wide, f.data(), rows * wide * sizeof(float));
      product(f.data(), wide, rows, t.latents, decoder, deep, bias, reconstructions + first * deep);
    }
  }

 private:
  float* of(const float* parameter) { return gradient.data() + (parameter - t.parameters); }

  void step(const int32_t* order, int count) {
    rows = count;
    std::fill(gradient.begin(), gradient.end(), 0.0f);
    std::fill(through.begin(), through.end(), 0.0f);
    for (int r = 0; r < rows; r++) std::memcpy(&x[r * deep], t.x + order[r] * deep, deep * sizeof(float));
    for (int l = 0; l < t.latents; l++)
      for (int i = 0; i < t.inputs; i++) back[i * wide + l] = decoder[l * deep + i];
    pre_activations();
    activate();
    float scale = 2.0f / (float)(rows * t.n_prefixes);
    if (t.variant == TOPK || t.variant == BATCH_TOPK) {
      const float spread = variance(x);
      scale = spread > 0 ? scale / spread : 0.0f;
    }
    std::fill(of_f.begin(), of_f.end(), 0.0f);
    for (int p = 0; p < t.n_prefixes; p++) through_decoder(t.prefixes[p], scale);
    through_activation();
    if (t.variant == GATED) through_gate();
    through_encoder();
    if (t.aux) auxiliary();
    if (t.variant != GATED) add(of(vectors), 1.0f, through.data(), wide);
    for (int i = 0; i < t.inputs; i++) of(bias)[i] -= dot(encoder + i * wide, through.data(), wide);
    constrain_and_move();
    remember();
  }

  void pre_activations() {
    for (int r = 0; r < rows; r++)
      for (int i = 0; i < deep; i++) centred[r * deep + i] = x[r * deep + i] - bias[i];
    product(centred.data(), deep, rows, t.inputs, encoder, wide, t.variant == GATED ? nullptr : vectors, z.data());
    if (n_vectors > 1)  // thresholds of JumpReLU, scales of Gated
      for (int l = 0; l < wide; l += WIDTH) store(&powers[l], exp(load(vectors + wide + l)));
  }

  void activate() {
    const auto each = [&](auto value) {
      for (int r = 0; r < rows; r++) {
        const float* pre = &z[r * wide];
        float* to = &f[r * wide];
        for (int l = 0; l < wide; l++) to[l] = value(pre[l], l);
      }
    };
    const float leak = t.leak, *power = powers.data(), *gate = vectors, *magnitude_bias = vectors + 2 * wide;
    switch (t.variant) {
      case L1: return each([=](float pre, int) { return pre > 0 ? pre : leak * pre; });
      case JUMPRELU: return each([=](float pre, int l) { return pre > power[l] ? pre : 0.0f; });
      case GATED:
        return each([=](float u, int l) {
          const float magnitude = power[l] * u + magnitude_bias[l];
          return u + gate[l] > 0 && magnitude > 0 ? magnitude : 0.0f;
        });
      case TOPK:
        for (int r = 0; r < rows; r++) keep_largest(&z[r * wide], t.latents, (int)t.k, &f[r * wide]);
        return each_positive(f);
      default:
        std::memcpy(part.data(), z.data(), rows * wide * sizeof(float));
        each_positive(part);
        keep_largest(part.data(), rows * wide, (int)std::min<double>(std::nearbyint(rows * t.k), rows * t.latents), f.data());
    }
  }

  void each_positive(Numbers& numbers) {
    for (int k = 0; k < rows * wide; k++) numbers[k] = numbers[k] > 0 ? numbers[k] : 0.0f;
  }

  // The k largest of n numbers, and 0 in place of all others; of equal ones those that come first.
  void keep_largest(const float* from, int n_numbers, int k, float* to) {
    float limit = INFINITY;
    if (0 < k && k <= 4) {  // a short list of the largest, sorted, is faster than partitioning
      float largest[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
      for (int j = 0; j < n_numbers; j++) {
        float value = from[j];
        for (int place = 0; place < 4; place++) {
          const float held = largest[place];
          largest[place] = std::max(held, value);
          value = std::min(held, value);
        }
      }
      limit = largest[k - 1];
    } else if (k > 0) {
      std::copy(from, from + n_numbers, values.begin());
      std::nth_element(values.begin(), values.begin() + std::min(k, n_numbers) - 1, values.begin() + n_numbers, std::greater<float>());
      limit = values[std::min(k, n_numbers) - 1];
    }
    int room = k;
    for (int j = 0; j < n_numbers; j++) room -= from[j] > limit;
    for (int j = 0; j < n_numbers; j++) {
      const bool tied = from[j] == limit && room > 0;
      room -= tied;
      to[j] = from[j] > limit || tied ? from[j] : 0.0f;
    }
  }

  // Sum over inputs of the variance over rows.
  float variance(const Numbers& numbers) {
    Numbers mean(deep), difference(deep);
    add_sums(numbers, deep, rows, mean.data());
    for (float& value : mean) value /= (float)rows;
    float sum = 0;
    for (int r = 0; r < rows; r++) {
      for (int i = 0; i < deep; i++) difference[i] = numbers[r * deep + i] - mean[i];
      sum += dot(difference.data(), difference.data(), deep);
    }
    return sum / (float)rows;
  }

  // What the first `prefix` latents reconstruct, and the gradients of its error.
  void through_decoder(int prefix, float scale) {
    product(f.data(), wide, rows, prefix, decoder, deep, bias, output.data());
    for (int k = 0; k < rows * deep; k++) of_output[k] = (output[k] - x[k]) * scale;
    add_outer(f.data(), wide, prefix, of_output.data(), deep, rows, of(decoder));
    add_sums(of_output, deep, rows, of(bias));
    product(of_output.data(), deep, rows, t.inputs, back.data(), wide, nullptr, part.data());
    for (int r = 0; r < rows; r++)
      for (int l = 0; l < prefix; l++) of_f[r * wide + l] += part[r * wide + l];
  }

  void through_activation() {
    const float penalty = t.penalty / (float)rows, leak = t.leak, bandwidth = t.bandwidth, *power = powers.data();
    float *of_second = of(vectors) + wide, *of_third = of_second + wide;
    for (int r = 0; r < rows; r++) {
      const float *latents = &f[r * wide], *pre = &z[r * wide], *g = &of_f[r * wide];
      float* to = &of_z[r * wide];
      if (t.variant == L1)
        for (int l = 0; l < wide; l++)
          to[l] = (g[l] + (latents[l] > 0 ? penalty : latents[l] < 0 ? -penalty : 0.0f)) * (pre[l] > 0 ? 1.0f : leak);
      else
        for (int l = 0; l < wide; l++) to[l] = latents[l] > 0 ? g[l] : 0.0f;
      if (t.variant == JUMPRELU)
        for (int l = 0; l < wide; l++) {
          const bool in_band = std::fabs((pre[l] - power[l]) / bandwidth) < 0.5f;
          of_second[l] -= in_band ? (g[l] * power[l] + penalty) / bandwidth * power[l] : 0.0f;
        }
      if (t.variant == GATED)
        for (int l = 0; l < wide; l++) {
          of_second[l] += to[l] * pre[l] * power[l];
          of_third[l] += to[l];
          to[l] *= power[l];
        }
    }
  }

  // |x - x'(ReLU(pi))|^2 + penalty sum ReLU(pi), of which the decoding is constant.
  void through_gate() {
    for (int r = 0; r < rows; r++)
      for (int l = 0; l < wide; l++) part[r * wide + l] = z[r * wide + l] + vectors[l];
    each_positive(part);
    product(part.data(), wide, rows, t.latents, decoder, deep, bias, output.data());
    for (int k = 0; k < rows * deep; k++) of_output[k] = (output[k] - x[k]) * (2.0f / (float)rows);
    product(of_output.data(), deep, rows, t.inputs, back.data(), wide, nullptr, of_f.data());
    const float penalty = t.penalty / (float)rows;
    for (int k = 0; k < rows * wide; k++) {
      part[k] = part[k] > 0 ? of_f[k] + penalty : 0.0f;
      of_z[k] += part[k];
    }
    add_sums(part, wide, rows, of(vectors));
  }

  void through_encoder() {
    add_outer(centred.data(), deep, t.inputs, of_z.data(), wide, rows, of(encoder));
    add_sums(of_z, wide, rows, through.data());
  }

  // AuxK: latents without activity in `dead_after` rows reconstruct the errors.
  void auxiliary() {
    const int n_dead = (int)std::count_if(t.idle, t.idle + t.latents, [&](int32_t idle) { return idle >= t.dead_after; });
    if (!n_dead) return;
    for (int k = 0; k < rows * deep; k++) output[k] = x[k] - output[k];
    const float spread = variance(output);
    if (!(spread > 0)) return;
    for (int r = 0; r < rows; r++) {
      float* kept = &part[r * wide];
      for (int l = 0; l < t.latents; l++) kept[l] = t.idle[l] < t.dead_after ? -1.0f : std::max(z[r * wide + l], 0.0f);
      keep_largest(kept, t.latents, std::min(t.inputs / 2, n_dead), kept);
    }
    each_positive(part);
    product(part.data(), wide, rows, t.latents, decoder, deep, nullptr, of_output.data());
    for (int k = 0; k < rows * deep; k++) of_output[k] = (of_output[k] - output[k]) * (t.aux * 2 / (spread * (float)rows));
    add_outer(part.data(), wide, t.latents, of_output.data(), deep, rows, of(decoder));
    product(of_output.data(), deep, rows, t.inputs, back.data(), wide, nullptr, of_z.data());
    for (int k = 0; k < rows * wide; k++) of_z[k] = part[k] > 0 ? of_z[k] : 0.0f;
    through_encoder();
  }

  // Penalties of weights; columns of the decoder keep length 1; Kingma & Ba 2014 (arXiv 1412.6980), algorithm 1.
  void constrain_and_move() {
    if (t.l1 || t.l2)
      for (float *w = encoder, *g = gradient.data(); w < bias; w += WIDTH, g += WIDTH) {
        const F value = load(w), sign = value != 0.0f ? with_sign_of(all(t.l1), value) : F{};
        store(g, fma(value, 2 * t.l2, load(g) + sign));
      }
    for (int l = 0; l < t.latents; l++)
      add(of(decoder) + l * deep, -dot(of(decoder) + l * deep, decoder + l * deep, deep), decoder + l * deep, deep);
    t.power1 *= 0.9, t.power2 *= 0.999;
    const float corrected = (float)(1 / __builtin_sqrt(1 - t.power2)), rate = (float)(-t.rate / (1 - t.power1));
    const int begin = t.still_encoder ? (int)(decoder - t.parameters) : 0;
    for (int k = begin; k < n; k += WIDTH) {
      if (t.still_decoder && k == decoder - t.parameters) k = (int)(bias - t.parameters);
      const F g = load(&gradient[k]), m = load(t.mean + k), v = load(t.square + k);
      const F mean = fma(g - m, 0.1f, m), square = fma(g * 0.001f, g, v * 0.999f);
      store(t.mean + k, mean);
      store(t.square + k, square);
      store(t.parameters + k, load(t.parameters + k) + mean / fma(root(square), corrected, all(1e-8f)) * rate);
    }
    if (!t.still_decoder)
      for (int l = 0; l < t.latents; l++) {
        float* column = decoder + l * deep;
        const float length = __builtin_sqrtf(dot(column, column, deep));
        for (int i = 0; i < t.inputs; i++) column[i] /= length;
      }
  }

  // The threshold of BatchTopK: the running mean of the smallest latent kept. And which latents were active.
  void remember() {
    Numbers highest(wide);
    float smallest = INFINITY;
    for (int r = 0; r < rows; r++)
      for (int l = 0; l < wide; l++) highest[l] = std::max(highest[l], f[r * wide + l]);
    for (int l = 0; l < t.latents; l++) t.idle[l] = highest[l] > 0 ? 0 : t.idle[l] + rows;
    if (!by_batch) return;
    for (int k = 0; k < rows * wide; k++) smallest = std::min(smallest, f[k] > 0 ? f[k] : INFINITY);
    if (smallest < INFINITY) *t.threshold = *t.threshold == *t.threshold ? 0.999f * *t.threshold + 0.001f * smallest : smallest;
  }

  Autoencoder& t;
  const int deep, wide, n_vectors, n;  // inputs and latents padded to 16; vectors over latents; parameters
  const bool by_batch;
  float *const encoder, *const decoder, *const bias, *const vectors;
  const int most;
  int rows = 0;  // of this batch
  Numbers gradient, x, centred, output, of_output, z, f, part, of_f, of_z, back, powers, through, values;
};

}  // namespace

// Take `steps` steps; batches start with the first of an epoch.
extern "C" void polysem_train_autoencoder(Autoencoder* t, int32_t steps) {
  const PlainArithmetic plain;
  AutoencoderTrainer(*t).run(steps);
}

extern "C" void polysem_encode(Autoencoder* t, float* latents, float* reconstructions) {
  const PlainArithmetic plain;
  AutoencoderTrainer(*t).encode(latents, reconstructions);
}
