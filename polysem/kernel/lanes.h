// Vectors of the machine's width, and elementary functions of them that give the same bits at every width.
//
// Equal bits rest on four rules. Products are fused with sums only where `fma` says so (-ffp-contract=off). Division and
// square root are those of IEEE 754. No function comes from a library. Sums over samples run in 16 logical lanes,
// whatever the machine's width, and `fold` adds these lanes in one order.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
constexpr int WIDTH = 16;
#elif defined(__AVX2__)
constexpr int WIDTH = 8;
#else
constexpr int WIDTH = 4;
#endif
constexpr int LANES = 16;

typedef float F __attribute__((vector_size(4 * WIDTH)));
typedef int32_t I __attribute__((vector_size(4 * WIDTH)));
typedef uint32_t U __attribute__((vector_size(4 * WIDTH)));
typedef uint64_t U64 __attribute__((vector_size(4 * WIDTH)));

#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

template <class V = F> inline V load(const void* from) { V v; std::memcpy(&v, from, sizeof v); return v; }
template <class V> inline void store(void* to, V v) { std::memcpy(to, &v, sizeof v); }
inline F all(float x) { return F{} + x; }
inline U all(uint32_t x) { return U{} + x; }

// a b + c, rounded once.
inline F fma(F a, F b, F c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_ps(a, b, c);
#elif defined(__aarch64__)
  return vfmaq_f32(c, a, b);
#else
  for (int k = 0; k < WIDTH; k++) c[k] = __builtin_fmaf(a[k], b[k], c[k]);
  return c;
#endif
}
inline F fma(F a, F b, float c) { return fma(a, b, all(c)); }
inline F fma(F a, float b, F c) { return fma(a, all(b), c); }

inline F root(F x) {
#if defined(__AVX512F__)
  return _mm512_sqrt_ps(x);
#elif defined(__AVX2__)
  return _mm256_sqrt_ps(x);
#elif defined(__aarch64__)
  return vsqrtq_f32(x);
#else
  for (int k = 0; k < WIDTH; k++) x[k] = std::sqrt(x[k]);
  return x;
#endif
}

// 64-bit products of the lower halves of every 64 bits with m.
inline U64 multiply_even(U64 a, uint32_t m) {
#if defined(__AVX512F__)
  return (U64)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi32((int)m));
#elif defined(__AVX2__)
  return (U64)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi32((int)m));
#elif defined(__aarch64__)
  return (U64)vmull_u32(vmovn_u64((uint64x2_t)a), vdup_n_u32(m));
#else
  return (a & 0xffffffffu) * (uint64_t)m;
#endif
}

inline F magnitude(F x) { return (F)((U)x & 0x7fffffffu); }
inline F with_sign_of(F x, F sign) { return (F)((U)x | ((U)sign & 0x80000000u)); }

// The blocks of H lanes with even (ODD = 0) or odd index among those of a and b together.
template <int H, int ODD, int... K> inline F blocks(F a, F b, std::integer_sequence<int, K...>) {
#ifdef __clang__
  return __builtin_shufflevector(a, b, (2 * (K / H) * H + K % H + ODD * H)...);
#else
  return __builtin_shuffle(a, b, I{(2 * (K / H) * H + K % H + ODD * H)...});
#endif
}

template <int H> inline void fold_step(F* v) {  // 2H vectors become H
  if constexpr (H > 0) {
    constexpr auto lanes = std::make_integer_sequence<int, WIDTH>();
    UNROLL for (int k = 0; k < H; k++)
      v[k] = blocks<H, 0>(v[2 * k], v[2 * k + 1], lanes) + blocks<H, 1>(v[2 * k], v[2 * k + 1], lanes);
    fold_step<H / 2>(v);
  }
}

// The sums of WIDTH accumulators, whose 16 logical lanes lie in PARTS = 16 / WIDTH vectors each: lane j takes lane j + 8,
// then j + 4, j + 2 and j + 1. Result k is the sum of accumulator k.
constexpr int PARTS = LANES / WIDTH;
inline F fold(F (*parts)[WIDTH]) {
  F v[WIDTH];
  UNROLL for (int k = 0; k < WIDTH; k++) {
    if constexpr (PARTS == 1) v[k] = parts[0][k];
    if constexpr (PARTS == 2) v[k] = parts[0][k] + parts[1][k];
    if constexpr (PARTS == 4) v[k] = (parts[0][k] + parts[2][k]) + (parts[1][k] + parts[3][k]);
  }
  fold_step<WIDTH / 2>(v);
  return v[0];
}

// c[0] + c[1] x + c[2] x^2 ... by Horner's rule.
template <int N> inline F polynomial(F x, const float (&c)[N]) {
  F sum = all(c[N - 1]);
  UNROLL for (int k = N - 2; k >= 0; k--) sum = fma(sum, x, c[k]);
  return sum;
}

// e^x = scale + scale rest, with rest accurate near 0, so that e^x - 1 is too. x is clamped to [-87, 88].
struct Power { F scale, rest; };
inline Power power(F x) {
  constexpr float to_integer = 12582912.0f;  // 1.5 * 2^23: a sum with it has no fraction bits
  constexpr float taylor[] = {5.0000001201e-1f, 1.6666665459e-1f, 4.1665795894e-2f,
                              8.3334519073e-3f, 1.3981999507e-3f, 1.9875691500e-4f};  // Cephes, expf
  x = x < -87.0f ? all(-87.0f) : x;
  x = x > 88.0f ? all(88.0f) : x;
  const F shifted = fma(x, 1.44269504f, all(to_integer));
  const F n = shifted - to_integer;                                  // x = n ln 2 + r
  const F r = fma(n, 2.12194440e-4f, fma(n, -0.693359375f, x));
  return {(F)(((U)shifted << 23) + (127u << 23)), fma(polynomial(r, taylor), r * r, r)};
}
inline F exp(F x) { const Power p = power(x); return fma(p.scale, p.rest, p.scale); }
inline F exp_minus_1(F x) { const Power p = power(x); return fma(p.scale, p.rest, p.scale - 1.0f); }

// Natural logarithm of positive normal numbers (Cephes, logf).
inline F log(F x) {
  constexpr float series[] = {3.3333331174e-1f, -2.4999993993e-1f, 2.0000714765e-1f, -1.6668057665e-1f, 1.4249322787e-1f,
                              -1.2420140846e-1f, 1.1676998740e-1f, -1.1514610310e-1f, 7.0376836292e-2f};
  const I exponent = (((I)x - 0x3f3504f3) >> 23);                    // x = 2^exponent m, sqrt(1/2) <= m < sqrt(2)
  const F m = (F)((U)x - ((U)exponent << 23)) - 1.0f, e = __builtin_convertvector(exponent, F), m2 = m * m;
  const F tail = fma(e, -2.12194440e-4f, polynomial(m, series) * (m2 * m));
  return fma(e, 0.693359375f, m + fma(m2, -0.5f, tail));
}

// cos(2 pi v) for v in [-1/2, 1/2]: the sine of what is left to a quarter turn, by its Taylor series.
inline F cos_turns(F v) {
  constexpr float taylor[] = {1.0f, -1.6666667e-1f, 8.3333333e-3f, -1.9841270e-4f, 2.7557319e-6f, -2.5052108e-8f};
  const F angle = (0.25f - magnitude(v)) * 6.2831853f;
  return angle * polynomial(angle * angle, taylor);
}

// Philox4x32-10 (Salmon et al. 2011, doi 10.1145/2063384.2063405) of the counters (index, step, 0, 0).
struct Words { U word[4]; };
inline Words philox(U index, uint32_t step, const uint32_t* key) {
  U c[4] = {index, all(step), U{}, U{}};
  uint32_t k0 = key[0], k1 = key[1];
  const auto round = [](U x, uint32_t m, U* high, U* low) {
    const U64 even = multiply_even((U64)x, m), odd = multiply_even((U64)x >> 32, m), lower = U64{} + 0xffffffffu;
    *high = (U)((even >> 32) | (odd & ~lower));
    *low = (U)((even & lower) | (odd << 32));
  };
  for (int r = 0; r < 10; r++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
    U high0, low0, high1, low1;
    round(c[0], 0xD2511F53u, &high0, &low0);
    round(c[2], 0xCD9E8D57u, &high1, &low1);
    c[0] = high1 ^ c[1] ^ k0, c[1] = low1, c[2] = high0 ^ c[3] ^ k1, c[3] = low0;
  }
  return {{c[0], c[1], c[2], c[3]}};
}

// Rounding to nearest, no flushing of subnormal numbers to zero: what IEEE 754 says, whatever the host has set.
struct PlainArithmetic {
#if defined(__x86_64__)
  unsigned before = _mm_getcsr();
  PlainArithmetic() { _mm_setcsr(0x1f80); }
  ~PlainArithmetic() { _mm_setcsr(before); }
#elif defined(__aarch64__)
  uint64_t before;
  PlainArithmetic() { asm volatile("mrs %0, fpcr" : "=r"(before)); asm volatile("msr fpcr, %0" ::"r"((uint64_t)0)); }
  ~PlainArithmetic() { asm volatile("msr fpcr, %0" ::"r"(before)); }
#endif
};
