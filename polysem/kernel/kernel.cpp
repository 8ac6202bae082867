// A multilayer perceptron or a sparse autoencoder is trained by Adam, many steps a call, with the same bits everywhere.
//
// Numbers lie as [feature][sample]. Samples are taken in blocks that stay in the first-level cache, forward and backward.
// A weight matrix lies in tiles of 4 x 4 (`at`) padded with zeros, its biases behind it: padding has gradient 0 and
// stays 0.
//
// Samples at the end that are all alike (in the toy's data those without any feature, two of five) are one column with
// their number as its weight. Noise enters behind the last hidden activation, where the loss is quadratic: of the noise
// of these samples only its sum and its sum of products matter (`sum_noise_of_alike`).
#include "lanes.h"
#include "sae.h"
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

constexpr int BLOCK = 256;          // samples
constexpr int STRIDE = BLOCK + 16;  // no power of two, so that the rows of a block do not compete for the same cache sets

enum Activation { RELU, GELU, SILU, TANH, LEAKY_RELU };
enum Noise { NONE, RADEMACHER, UNIFORM, GAUSSIAN, STUDENT_T3, LAPLACE };

// The loss is error / 2 times the squared error, summed over outputs and averaged over samples; plus the sum of |hidden|
// over latents, times sparsity_sum if summed over samples and times sparsity_mean if averaged.
struct Training {  // mirrored in native.py
  const int32_t* widths;                         // of the input, every layer and the output
  const int32_t* order;                          // of minibatches: one permutation of the samples an epoch
  const float *x, *y;                            // inputs and targets: [feature][stride]
  const float* weight;                           // of each column of a full batch
  float *parameters, *mean, *square;             // the last two are Adam's
  const float *l1, *l2;                          // penalties of each parameter: l1 |w| + l2 w^2 / 2
  double rate, power1, power2;                   // learning rate; Adam's betas to the power of the steps taken so far
  float sigma, leak, error, sparsity_sum, sparsity_mean;
  uint32_t step, key[2];                         // of the noise
  int32_t layers, activation, noise;
  int32_t samples, batch, stride;                // batch 0: all samples at every step
  int32_t distinct;                              // how many samples of a full batch precede those that are all alike
  int32_t output_bias, tied, centred, unit_columns;
};

namespace {

constexpr int up(int n, int multiple) { return (n + multiple - 1) / multiple * multiple; }

// Where entry (row, column) of a matrix lies whose rows are padded to `columns`.
inline int at(int row, int column, int columns) {
  return ((row / 4) * (columns / 4) + column / 4) * 16 + row % 4 * 4 + column % 4;
}

struct Floats {  // aligned to cache lines, and 0 at first
  explicit Floats(int n) : memory((float*)std::aligned_alloc(64, up(n, 16) * sizeof(float)), &std::free) {
    std::memset(memory.get(), 0, up(n, 16) * sizeof(float));
  }
  operator float*() const { return memory.get(); }
  std::unique_ptr<float, decltype(&std::free)> memory;
};

struct Layer { int in, out, weights, biases; };  // widths padded to 4; where its parameters start

std::vector<Layer> layers_of(const Training& t) {
  std::vector<Layer> layers;
  for (int l = 0, start = 0; l < t.layers; l++) {
    const int in = up(t.widths[l], 4), out = up(t.widths[l + 1], 4);
    layers.push_back({in, out, start, start + in * out});
    start = up(start + in * out + out, 16);
  }
  return layers;
}

// ---- Products of matrices -----------------------------------------------------------------------------------------

// Four rows of out = bias + W in, or of W' in, for 16 VECTORS / PARTS samples.
template <bool TRANSPOSED, int VECTORS>
inline void product_tile(const float* w, int row, int inner, int columns, const float* bias, const float* in, int in_stride,
                         float* out) {
  F sum[4][VECTORS];
  UNROLL for (int r = 0; r < 4; r++)
    UNROLL for (int v = 0; v < VECTORS; v++) sum[r][v] = all(bias ? bias[row + r] : 0.0f);
  for (int c4 = 0; c4 < inner; c4 += 4) {
    const float* tile = w + (TRANSPOSED ? at(c4, row, columns) : at(row, c4, columns));
    UNROLL for (int c = 0; c < 4; c++) {
      F x[VECTORS];
      UNROLL for (int v = 0; v < VECTORS; v++) x[v] = load(in + (c4 + c) * in_stride + v * WIDTH);
      UNROLL for (int r = 0; r < 4; r++)
        UNROLL for (int v = 0; v < VECTORS; v++) sum[r][v] = fma(all(tile[TRANSPOSED ? c * 4 + r : r * 4 + c]), x[v], sum[r][v]);
    }
  }
  UNROLL for (int r = 0; r < 4; r++)
    UNROLL for (int v = 0; v < VECTORS; v++) store(out + (row + r) * STRIDE + v * WIDTH, sum[r][v]);
}

// out = bias + W in (or W' in) for n samples, a multiple of 16. `out` has the stride of a block.
template <bool TRANSPOSED>
void product(const float* w, int rows, int inner, int columns, const float* bias, const float* in, int in_stride, float* out,
             int n) {
  constexpr int VECTORS = WIDTH == 8 ? 2 : 4;  // as many sums as there are registers for
  for (int row = 0; row < rows; row += 4) {
    int s = 0;
    for (; s + VECTORS * WIDTH <= n; s += VECTORS * WIDTH)
      product_tile<TRANSPOSED, VECTORS>(w, row, inner, columns, bias, in + s, in_stride, out + s);
    for (; s < n; s += WIDTH) product_tile<TRANSPOSED, 1>(w, row, inner, columns, bias, in + s, in_stride, out + s);
  }
}

// matrix += a b' over n samples, a multiple of 16: the gradient of a weight matrix. In 16 logical lanes, then `fold`.
void add_products(const float* a, int a_stride, int rows, const float* b, int b_stride, int columns, int n, float* matrix) {
  constexpr int ROWS = WIDTH == 8 ? 2 : 4;
  for (int row = 0; row < rows; row += ROWS)
    for (int column = 0; column < columns; column += 4) {
      F sums[PARTS][ROWS * 4];
      for (int part = 0; part < PARTS; part++) {
        F sum[ROWS * 4] = {};
        const float *at_a = a + row * a_stride + part * WIDTH, *at_b = b + column * b_stride + part * WIDTH;
        for (int s = 0; s < n; s += LANES) {
          F y[4];
          UNROLL for (int c = 0; c < 4; c++) y[c] = load(at_b + c * b_stride + s);
          UNROLL for (int r = 0; r < ROWS; r++) {
            const F x = load(at_a + r * a_stride + s);
            UNROLL for (int c = 0; c < 4; c++) sum[r * 4 + c] = fma(x, y[c], sum[r * 4 + c]);
          }
        }
        std::memcpy(sums[part], sum, sizeof sum);
      }
      float* tile = matrix + at(row, column, columns);
      for (int k = 0; k < ROWS * 4; k += WIDTH) {
        F group[PARTS][WIDTH];
        for (int part = 0; part < PARTS; part++) std::memcpy(group[part], sums[part] + k, sizeof group[part]);
        store(tile + k, load(tile + k) + fold(group));
      }
    }
}

// vector += the sums of the rows of a, over n samples. `vector` has room for a multiple of 16.
void add_sums(const float* a, int stride, int rows, int n, float* vector) {
  for (int row = 0; row < rows; row += WIDTH) {
    F sums[PARTS][WIDTH] = {};
    for (int k = 0; k < std::min(WIDTH, rows - row); k++)
      for (int part = 0; part < PARTS; part++) {
        F sum = {};
        for (int s = part * WIDTH; s < n; s += LANES) sum += load(a + (row + k) * stride + s);
        sums[part][k] = sum;
      }
    store(vector + row, load(vector + row) + fold(sums));
  }
}

// ---- Activations: h = f(z), written over z, and the slope f'(z) -----------------------------------------------------

struct Point { F value, slope; };

inline Point relu(F z) { return {z < 0.0f ? F{} : z, z > 0.0f ? all(1.0f) : F{}}; }  // a NaN stays NaN

inline Point leaky_relu(F z, float leak) { return {z > 0.0f ? z : z * leak, z > 0.0f ? all(1.0f) : all(leak)}; }

// z P(Z < z), with the tail's erfc by Abramowitz & Stegun 7.1.26, to 1.5e-7; its exponential also makes the density.
inline Point gelu(F z) {
  constexpr float series[] = {0.127414796f, -0.142248368f, 0.7107068705f, -0.7265760135f, 0.5307027145f};  // halved
  const F t = 1.0f / fma(magnitude(z), 0.2316418882f, all(1.0f)), bell = exp(z * z * -0.5f);
  const F tail = polynomial(t, series) * t * bell;
  const F below = z < 0.0f ? tail : 1.0f - tail;
  return {z * below, fma(z * 0.3989422804f, bell, below)};
}

inline Point silu(F z) {
  const F e = exp(-magnitude(z)), sigmoid = (z < 0.0f ? e : all(1.0f)) / (1.0f + e);
  return {z * sigmoid, fma(z * sigmoid, 1.0f - sigmoid, sigmoid)};
}

inline Point tanh(F z) {  // (e^-2|z| - 1) / (e^-2|z| + 1), accurate near 0
  const F e = exp_minus_1(magnitude(z) * -2.0f), t = with_sign_of(magnitude(e / (e + 2.0f)), z);
  return {t, fma(-t, t, all(1.0f))};
}

template <class Function> void each(float* z, float* slope, int rows, int n, Function f) {
  for (int r = 0; r < rows; r++)
    for (int s = r * STRIDE; s < r * STRIDE + n; s += WIDTH) {
      const Point p = f(load(z + s));
      store(z + s, p.value);
      store(slope + s, p.slope);
    }
}

void activate(const Training& t, float* z, float* slope, int rows, int n) {
  switch (t.activation) {
    case RELU: return each(z, slope, rows, n, relu);
    case GELU: return each(z, slope, rows, n, gelu);
    case SILU: return each(z, slope, rows, n, silu);
    case TANH: return each(z, slope, rows, n, tanh);
    default: return each(z, slope, rows, n, [&](F point) { return leaky_relu(point, t.leak); });
  }
}

// ---- Noise --------------------------------------------------------------------------------------------------------

inline F open_unit(U word) { return fma(__builtin_convertvector((I)(word >> 1), F), 4.656612873e-10f, all(2.328306437e-10f)); }
inline F signed_unit(U word) { return __builtin_convertvector((I)word, F) * 4.656612873e-10f; }
inline F cosine(U word) { return cos_turns(signed_unit(word) * 0.5f); }

inline F gaussian(U u, U v) { return root(log(open_unit(u)) * -2.0f) * cosine(v); }  // Box & Muller 1958
// Student's t with 3 degrees of freedom over its SD (Bailey 1994, Mathematics of Computation 62, 779-781).
inline F student_t3(U u, U v) { return root(exp_minus_1(log(open_unit(u)) * -0.6666667f)) * cosine(v); }
inline F laplace(U u) { return (F)((U)(log(open_unit(u)) * -0.70710678f) ^ (u << 31)); }

// `n` draws, a multiple of 16, scaled by sigma. Draw d of a step is made from word d of the step's random words, from two
// words in two neighbouring blocks of 16 for kinds that need two, or from bit d % 32 of word d / 32.
void draw(const Training& t, float* out, int n) {
  const int per_call = t.noise == RADEMACHER ? 2048 : t.noise == GAUSSIAN || t.noise == STUDENT_T3 ? 32 : 64;
  for (int call = 0; call * per_call < n; call++) {
    uint32_t words[4][LANES];
    for (int part = 0; part < PARTS; part++) {
      U index = all((uint32_t)(LANES * call + part * WIDTH));
      for (int k = 0; k < WIDTH; k++) index[k] += k;
      const Words random = philox(index, t.step, t.key);
      for (int k = 0; k < 4; k++) store(&words[k][part * WIDTH], random.word[k]);
    }
    float* to = out + call * per_call;
    const int left = std::min(per_call, n - call * per_call);
    for (int d = 0; d < left; d += WIDTH) {
      const int group = d / LANES, lane = d % LANES;
      const auto word = [&](int k) { return load<U>(&words[k][lane]); };
      F value = {};
      switch (t.noise) {
        case RADEMACHER: {
          U shift = all((uint32_t)(31 - d % 32));
          for (int k = 0; k < WIDTH; k++) shift[k] -= k;
          value = with_sign_of(all(1.0f), (F)(all((&words[0][0])[d / 32]) << shift));
          break;
        }
        case UNIFORM: value = signed_unit(word(group)); break;
        case GAUSSIAN: value = gaussian(word(2 * group), word(2 * group + 1)); break;
        case STUDENT_T3: value = student_t3(word(2 * group), word(2 * group + 1)); break;
        case LAPLACE: value = laplace(word(group)); break;
      }
      store(to + d, value * t.sigma);
    }
  }
}

// ---- Training -----------------------------------------------------------------------------------------------------

struct Trainer {
  explicit Trainer(Training& training)
      : t(training), layers(layers_of(t)), last(t.layers - 1), n_parameters(up(layers[last].biases + layers[last].out, 16)),
        width(*std::max_element(t.widths, t.widths + t.layers + 1)), noise_stride(up(t.batch ? t.batch : t.samples, 16)),
        gradient(n_parameters), noise(up(t.widths[last], 16) * noise_stride), output(up(width, 16) * STRIDE),
        other(up(width, 16) * STRIDE), batch_x(up(t.widths[0], 4) * STRIDE), batch_y(layers[last].out * STRIDE),
        batch_weight(STRIDE), products(up(width, 4) * up(width, 4)), noise_sum(up(width, 16)), shift(up(width, 16)),
        residual(up(width, 16)), encoder_bias(up(width, 16)) {
    for (const Layer& layer : layers) hidden.emplace_back(layer.out * STRIDE), slope.emplace_back(layer.out * STRIDE);
  }

  void run(int steps) {
    const int batches = t.batch ? (t.samples + t.batch - 1) / t.batch : 1;
    for (int k = 0; k < steps; k++, t.step++) {
      std::memset(gradient, 0, n_parameters * sizeof(float));
      if (t.noise) draw(t, noise, t.widths[last] * noise_stride);
      if (t.batch) minibatch(t.order + k / batches * t.samples, k % batches * t.batch);
      else full_batch();
      constrain_gradient();
      adam();
      constrain_parameters();
    }
  }

  // Forward through one block of n samples; `hidden` and `slope` are kept for the way back.
  const float* forward(const float* x, int x_stride, int n, const float* noisy, float* out) {
    if (t.centred) centre();
    for (int l = 0; l <= last; l++) {
      const Layer& layer = layers[l];
      float* z = l < last ? (float*)hidden[l] : out;
      const float* bias = t.centred && l == 0 ? (float*)encoder_bias : t.parameters + layer.biases;
      product<false>(t.parameters + layer.weights, layer.out, layer.in, layer.in, bias, x, x_stride, z, n);
      if (l < last) activate(t, z, slope[l], layer.out, n);
      if (l == last - 1 && noisy)
        for (int r = 0; r < t.widths[last]; r++)
          for (int s = 0; s < n; s += WIDTH)
            store(z + r * STRIDE + s, load(z + r * STRIDE + s) + load(noisy + r * noise_stride + s));
      x = z, x_stride = STRIDE;
    }
    return out;
  }

  Training& t;
  const std::vector<Layer> layers;
  const int last;
  std::vector<Floats> hidden;

 private:
  void full_batch() {
    const bool alike = t.distinct < t.samples;
    if (alike && t.noise) sum_noise_of_alike();
    const int columns = up(alike ? t.distinct + 1 : t.samples, LANES);
    for (int start = 0; start < columns; start += BLOCK)
      block(t.x + start, t.y + start, t.stride, t.weight + start, std::min(BLOCK, columns - start), t.samples,
            t.noise ? noise + start : nullptr, alike && t.noise ? t.distinct - start : -1);
    if (alike && t.noise) add_noise_of_alike();
  }

  void minibatch(const int32_t* order, int first) {
    const int count = std::min(t.batch, t.samples - first), columns = up(count, LANES);
    for (int start = 0; start < columns; start += BLOCK) {
      const int n = std::min(BLOCK, columns - start);
      for (int s = 0; s < n; s++) {
        const int chosen = order[first + std::min(start + s, count - 1)];  // padding repeats the last, with weight 0
        for (int i = 0; i < t.widths[0]; i++) batch_x[i * STRIDE + s] = t.x[i * t.stride + chosen];
        for (int o = 0; o < t.widths[t.layers]; o++) batch_y[o * STRIDE + s] = t.y[o * t.stride + chosen];
        batch_weight[s] = start + s < count ? 1.0f / count : 0.0f;
      }
      block(batch_x, batch_y, STRIDE, batch_weight, n, count, t.noise ? noise + start : nullptr, -1);
    }
  }

  // Add the gradient of one block. `joint` is its column of samples that are alike, if it has it and their noise has been summed.
  void block(const float* x, const float* y, int stride, const float* weight, int n, int samples, const float* noisy, int joint) {
    forward(x, stride, n, noisy, output);
    const int n_out = t.widths[t.layers];
    for (int o = 0; o < n_out; o++) {
      float* row = output + o * STRIDE;
      for (int s = 0; s < n; s += WIDTH) store(row + s, load(row + s) - load(y + o * stride + s));
      const bool has_joint = 0 <= joint && joint < n;
      if (has_joint) residual[o] = row[joint];
      for (int s = 0; s < n; s += WIDTH) store(row + s, load(row + s) * (load(weight + s) * t.error));
      if (has_joint) row[joint] += shift[o];
    }
    float *g = output, *next = other;
    for (int l = last; l >= 0; l--) {
      const Layer& layer = layers[l];
      const float* in = l ? (float*)hidden[l - 1] : x;
      add_products(g, STRIDE, layer.out, in, l ? STRIDE : stride, layer.in, n, gradient + layer.weights);
      add_sums(g, STRIDE, layer.out, n, gradient + layer.biases);
      if (!l) break;
      product<true>(t.parameters + layer.weights, layer.in, layer.out, layer.in, nullptr, g, STRIDE, next, n);
      if (l == last && (t.sparsity_sum || t.sparsity_mean)) add_sparsity(next, hidden[l - 1], layer.in, weight, n, samples);
      for (int r = 0; r < layer.in; r++)
        for (int s = r * STRIDE; s < r * STRIDE + n; s += WIDTH) store(next + s, load(next + s) * load(slope[l - 1] + s));
      std::swap(g, next);
    }
  }

  void add_sparsity(float* g, const float* h, int rows, const float* weight, int n, int samples) {
    const float penalty = t.sparsity_mean + t.sparsity_sum * (float)samples;
    for (int r = 0; r < rows; r++)
      for (int s = 0; s < n; s += WIDTH) {
        const F value = load(h + r * STRIDE + s), sign = value != 0.0f ? with_sign_of(all(1.0f), value) : F{};
        store(g + r * STRIDE + s, fma(sign, load(weight + s) * penalty, load(g + r * STRIDE + s)));
      }
  }

  // The noise of the samples that are alike becomes its sum s and its sum of products Q, and is then removed from their column.
  // Their error is W (h + noise) + b - y, so that in the gradient of their outputs they have W s besides (`shift`).
  void sum_noise_of_alike() {
    const Layer& layer = layers[last];
    const int units = t.widths[last], first = t.distinct / LANES * LANES, n = noise_stride - first;
    float edge[LANES];
    std::memset(noise_sum, 0, up(units, 16) * sizeof(float));
    std::memset(products, 0, layer.in * layer.in * sizeof(float));
    std::vector<float> kept(units * LANES);
    for (int r = 0; r < units; r++) {
      float* row = noise + r * noise_stride;
      for (int k = 0; k < LANES; k++) edge[k] = first + k < t.distinct ? row[first + k] : 0.0f;
      for (int s = first; s < t.distinct; s++) row[s] = 0;
      for (int s = t.samples; s < noise_stride; s++) row[s] = 0;
      std::memcpy(&kept[r * LANES], edge, sizeof edge);
    }
    add_sums(noise + first, noise_stride, layer.in, n, noise_sum);
    add_products(noise + first, noise_stride, layer.in, noise + first, noise_stride, layer.in, n, products);
    for (int r = 0; r < units; r++) std::memcpy(noise + r * noise_stride + first, &kept[r * LANES], sizeof edge);
    const float scale = t.error / (float)t.samples;
    for (int o = 0; o < layer.out; o++) {
      float sum = 0;
      for (int i = 0; i < units; i++) sum += t.parameters[layer.weights + at(o, i, layer.in)] * noise_sum[i];
      shift[o] = sum * scale;
    }
  }

  // What the gradient of the last weights has besides: (W h + b - y) s' + W Q.
  void add_noise_of_alike() {
    const Layer& layer = layers[last];
    const float scale = t.error / (float)t.samples;
    for (int o = 0; o < layer.out; o++)
      for (int i = 0; i < layer.in; i++) {
        float sum = residual[o] * noise_sum[i];
        for (int k = 0; k < layer.in; k++)
          sum += t.parameters[layer.weights + at(o, k, layer.in)] * products[at(k, i, layer.in)];
        gradient[layer.weights + at(o, i, layer.in)] += sum * scale;
      }
  }

  // ---- What only autoencoders have: W_e (x - b) + b_e, one matrix for both layers, decoder columns of length 1 ----

  float& decoder(float* of, int i, int k) const { return of[layers[1].weights + at(i, k, layers[1].in)]; }
  float& encoder(float* of, int k, int i) const { return of[layers[0].weights + at(k, i, layers[0].in)]; }

  void centre() {
    for (int k = 0; k < t.widths[1]; k++) {
      encoder_bias[k] = t.parameters[layers[0].biases + k];
      for (int i = 0; i < t.widths[0]; i++) encoder_bias[k] -= encoder(t.parameters, k, i) * t.parameters[layers[1].biases + i];
    }
  }

  void constrain_gradient() {
    float *bias = gradient + layers[last].biases, *encoder_gradient = gradient + layers[0].biases;
    if (t.centred)
      for (int k = 0; k < t.widths[1]; k++)
        for (int i = 0; i < t.widths[0]; i++) {
          bias[i] -= encoder(t.parameters, k, i) * encoder_gradient[k];
          encoder(gradient, k, i) -= encoder_gradient[k] * t.parameters[layers[1].biases + i];
        }
    if (!t.output_bias) std::memset(bias, 0, layers[last].out * sizeof(float));
    if (t.unit_columns)  // without the part that would change a column's length
      for (int k = 0; k < t.widths[1]; k++) {
        float along = 0;
        for (int i = 0; i < t.widths[2]; i++) along += decoder(gradient, i, k) * decoder(t.parameters, i, k);
        for (int i = 0; i < t.widths[2]; i++) decoder(gradient, i, k) -= along * decoder(t.parameters, i, k);
      }
  }

  void constrain_parameters() {
    if (t.tied)  // one matrix that the optimiser, which knows of two, moves twice
      for (int k = 0; k < t.widths[1]; k++)
        for (int i = 0; i < t.widths[0]; i++)
          encoder(t.parameters, k, i) = decoder(t.parameters, i, k) += encoder(gradient, k, i);
    if (t.unit_columns)
      for (int k = 0; k < t.widths[1]; k++) {
        float square = 0;
        for (int i = 0; i < t.widths[2]; i++) square += decoder(t.parameters, i, k) * decoder(t.parameters, i, k);
        const float length = __builtin_sqrtf(square);
        for (int i = 0; i < t.widths[2]; i++) decoder(t.parameters, i, k) /= length;
      }
  }

  // Kingma & Ba 2014 (arXiv 1412.6980), algorithm 1. What was added to the parameters replaces the gradient.
  void adam() {
    t.power1 *= 0.9, t.power2 *= 0.999;
    const float corrected = (float)(1 / __builtin_sqrt(1 - t.power2)), rate = (float)(-t.rate / (1 - t.power1));
    for (int k = 0; k < n_parameters; k += WIDTH) {
      const F w = load(t.parameters + k), m = load(t.mean + k), v = load(t.square + k);
      const F l1 = w != 0.0f ? with_sign_of(load(t.l1 + k), w) : F{};
      const F g = fma(load(t.l2 + k), w, load(gradient + k) + l1);
      const F mean = fma(g - m, 0.1f, m), square = fma(g * 0.001f, g, v * 0.999f);
      const F update = mean / fma(root(square), corrected, all(1e-8f)) * rate;
      store(t.mean + k, mean);
      store(t.square + k, square);
      store(gradient + k, update);
      store(t.parameters + k, w + update);
    }
  }

  const int n_parameters, width, noise_stride;
  Floats gradient, noise, output, other, batch_x, batch_y, batch_weight, products, noise_sum, shift, residual, encoder_bias;
  std::vector<Floats> slope;
};

}  // namespace

// Take `steps` steps; minibatches start with the first of an epoch.
extern "C" void polysem_train(Training* t, int32_t steps) {
  const PlainArithmetic plain;
  Trainer(*t).run(steps);
}

// What the model makes of `columns` samples (a multiple of 16) of t.x, without noise: the last hidden layer and the output.
extern "C" void polysem_evaluate(Training* t, int32_t columns, float* hidden, float* output) {
  const PlainArithmetic plain;
  Trainer trainer(*t);
  Floats out(up(t->widths[t->layers], 4) * STRIDE);
  for (int start = 0; start < columns; start += BLOCK) {
    const int n = std::min(BLOCK, columns - start);
    trainer.forward(t->x + start, t->stride, n, nullptr, out);
    for (int r = 0; r < t->widths[t->layers - 1]; r++)
      std::memcpy(hidden + r * t->stride + start, trainer.hidden[t->layers - 2] + r * STRIDE, n * sizeof(float));
    for (int r = 0; r < t->widths[t->layers]; r++)
      std::memcpy(output + r * t->stride + start, out + r * STRIDE, n * sizeof(float));
  }
}

// The noise of one step: n draws, a multiple of 16.
extern "C" void polysem_noise(const Training* t, int32_t n, float* out) {
  const PlainArithmetic plain;
  draw(*t, out, n);
}
