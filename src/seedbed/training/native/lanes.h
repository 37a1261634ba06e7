// Vectors of numbers, one network per lane, and the functions of them that activations and losses need.
//
// Written with the vector types of GCC and Clang: `a + b` adds lane by lane, `a > b` is -1 or 0 in each lane, and
// `mask ? a : b` chooses lane by lane. Nothing here calls a library in a browser, and elsewhere only for large angles.
// NaN goes through every function, as a diverged network must stay diverged; comparisons are written with that in mind.
#pragma once
#include <stdint.h>

// With AVX-512, too, vectors of 32 bytes are the better choice where it was measured (see benchmarks/LOG.md): a block of
// 8 networks stays in the cache up to twice the width of one of 16. AVX-512 then has twice the registers.
#ifndef VECTOR_BYTES
#if defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#endif
#define INLINE static inline __attribute__((always_inline))
#define INLINE_MEMBER inline __attribute__((always_inline))
#define APART __attribute__((noinline))  // copies in each caller would only slow the compiler down
// Unrolled loops let GCC keep arrays of vectors in registers. Otherwise it keeps them in memory before and after a loop,
// which costs a fifth of the time of narrow networks (see benchmarks/LOG.md).
#define UNROLL _Pragma("GCC unroll 32")

#if defined(__AVX512VL__) || defined(__aarch64__)
#define VECTOR_REGISTERS 32
#else
#define VECTOR_REGISTERS 16
#endif

template <class T> struct Lanes;
template <bool FIRST, class A, class B> struct Either { typedef A type; };
template <class A, class B> struct Either<false, A, B> { typedef B type; };

template <> struct Lanes<float> {
  typedef float V __attribute__((vector_size(VECTOR_BYTES)));
  typedef int32_t I __attribute__((vector_size(VECTOR_BYTES)));    // as wide as V: what comparisons give
  typedef uint32_t U __attribute__((vector_size(VECTOR_BYTES)));   // the bits of V
  typedef uint32_t U32 __attribute__((vector_size(VECTOR_BYTES)));  // 32 bits a lane: random bits
  typedef int32_t I32 __attribute__((vector_size(VECTOR_BYTES)));
  typedef uint32_t Bits;
  static constexpr int L = VECTOR_BYTES / 4, MANTISSA = 23, BIAS = 127, EXP_TERMS = 7, ATANH_TERMS = 8, ERFC_TERMS = 13,
                       SIN_TERMS = 4;
  static constexpr float ROUNDING = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
  static constexpr float LN2_HIGH = 0.693359375f, LN2_LOW = -2.12194440e-4f, EXP_LEAST = -87.3f, EXP_MOST = 88.3f;
  static constexpr float QUARTER_1 = 1.57079637050628662f, QUARTER_2 = -4.37113882867379e-8f;  // of a turn, in parts
  static constexpr float QUARTER_3 = -1.71512451e-15f, LARGEST_ANGLE = 1048576.0f;
};

template <> struct Lanes<double> {
  typedef double V __attribute__((vector_size(VECTOR_BYTES)));
  typedef int64_t I __attribute__((vector_size(VECTOR_BYTES)));
  typedef uint64_t U __attribute__((vector_size(VECTOR_BYTES)));
  typedef uint32_t U32 __attribute__((vector_size(VECTOR_BYTES / 2)));
  typedef int32_t I32 __attribute__((vector_size(VECTOR_BYTES / 2)));
  typedef uint64_t Bits;
  static constexpr int L = VECTOR_BYTES / 8, MANTISSA = 52, BIAS = 1023, EXP_TERMS = 14, ATANH_TERMS = 17, ERFC_TERMS = 28,
                       SIN_TERMS = 8;
  static constexpr double ROUNDING = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double LN2_HIGH = 6.93145751953125e-1, LN2_LOW = 1.42860682030941723212e-6;
  static constexpr double EXP_LEAST = -708.0, EXP_MOST = 709.0;
  static constexpr double QUARTER_1 = 1.57079632679489656, QUARTER_2 = 6.12323399573676604e-17;
  static constexpr double QUARTER_3 = -1.49738490485916983e-33, LARGEST_ANGLE = 1125899906842624.0;
};

template <class T> using Vec = typename Lanes<T>::V;
template <class T> using Mask = typename Lanes<T>::I;

template <class T> INLINE Vec<T> all(T x) { return Vec<T>{} + x; }
template <class T> INLINE Vec<T> magnitude(Vec<T> x) { return x < T(0) ? -x : x; }
template <class T> INLINE Vec<T> at_least(Vec<T> x, T least) { return x < least ? all<T>(least) : x; }
template <class T> INLINE Vec<T> at_most(Vec<T> x, T most) { return x > most ? all<T>(most) : x; }

// The sum of all lanes, in every lane. Halves are added, so the order is fixed.
template <class T> INLINE Vec<T> total(Vec<T> x) {
  constexpr int L = Lanes<T>::L;
  T part[L];
  for (int lane = 0; lane < L; lane++) part[lane] = x[lane];
#pragma GCC unroll 8
  for (int half = L / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; lane++) part[lane] += part[lane + half];
  return all<T>(part[0]);
}

template <class T> INLINE Mask<T> lane_numbers() {
  Mask<T> mask;
  for (int lane = 0; lane < Lanes<T>::L; lane++) mask[lane] = lane;
  return mask;
}

// Rows of L vectors become columns: lanes that differ in one bit from their vector are swapped, bit by bit.
template <class T, int BIT = Lanes<T>::L / 2> INLINE void transpose(Vec<T>* rows) {
  constexpr int L = Lanes<T>::L;
#pragma GCC unroll 16
  for (int r = 0; r < L; r++) {
    if (r & BIT) continue;
    Vec<T> a = rows[r], b = rows[r + BIT];
#if defined(__clang__)
    for (int lane = 0; lane < L; lane++) {
      rows[r][lane] = lane & BIT ? b[lane & ~BIT] : a[lane];
      rows[r + BIT][lane] = lane & BIT ? b[lane] : a[lane | BIT];
    }
#else
    Mask<T> lane = lane_numbers<T>(), high = (lane & BIT) != 0;
    rows[r] = __builtin_shuffle(a, b, high ? lane - BIT + L : lane);
    rows[r + BIT] = __builtin_shuffle(a, b, high ? lane + L : lane + BIT);
#endif
  }
  if constexpr (BIT > 1) transpose<T, BIT / 2>(rows);
}

template <class T> INLINE Vec<T> root(Vec<T> x) {
  Vec<T> root;
  for (int lane = 0; lane < Lanes<T>::L; lane++) {  // compilers make one instruction of it
    if constexpr (sizeof(T) == 4) root[lane] = __builtin_sqrtf(x[lane]);
    else root[lane] = __builtin_sqrt(x[lane]);
  }
  return root;
}

// e^x = 2^n * (1 + tail): `scale` is 2^n. Both e^x and e^x - 1 follow without a loss of digits.
template <class T> INLINE Vec<T> exp_parts(Vec<T> x, Vec<T>& scale) {
  using S = Lanes<T>;
  x = at_most<T>(at_least<T>(x, S::EXP_LEAST), S::EXP_MOST);
  Vec<T> shifted = x * T(1.44269504088896340736) + S::ROUNDING;  // its lowest bits hold n
  Vec<T> n = shifted - S::ROUNDING;
  scale = (Vec<T>)(((typename S::U)shifted << S::MANTISSA) + ((typename S::Bits)S::BIAS << S::MANTISSA));
  Vec<T> r = x - n * S::LN2_HIGH - n * S::LN2_LOW;
  T factorials[15] = {1, 1, 1. / 2, 1. / 6, 1. / 24, 1. / 120, 1. / 720, 1. / 5040, 1. / 40320, 1. / 362880,
                      1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800., 1. / 87178291200.};
  Vec<T> sum = all<T>(factorials[S::EXP_TERMS]);
#pragma GCC unroll 16
  for (int k = S::EXP_TERMS - 1; k >= 1; k--) sum = sum * r + factorials[k];
  return sum * r;
}

template <class T> INLINE Vec<T> exp(Vec<T> x) {
  Vec<T> scale, tail = exp_parts<T>(x, scale);
  return scale * tail + scale;
}

template <class T> INLINE Vec<T> expm1(Vec<T> x) {
  Vec<T> scale, tail = exp_parts<T>(x, scale);
  return scale * tail + (scale - T(1));
}

// 2 atanh(s) for |s| up to 1/3: the logarithm of (1 + s) / (1 - s).
template <class T> INLINE Vec<T> twice_atanh(Vec<T> s) {
  Vec<T> square = s * s, sum = all<T>(T(1) / (2 * Lanes<T>::ATANH_TERMS + 1));
#pragma GCC unroll 20
  for (int k = Lanes<T>::ATANH_TERMS - 1; k >= 0; k--) sum = sum * square + T(1) / (2 * k + 1);
  return T(2) * s * sum;
}

// log(1 + u) for u from 0 to 1.
template <class T> INLINE Vec<T> log1p(Vec<T> u) { return twice_atanh<T>(u / (u + T(2))); }

// log(x) for x from 1 up.
template <class T> INLINE Vec<T> log(Vec<T> x) {
  using S = Lanes<T>;
  typename S::U bits = (typename S::U)x, fraction = bits & (((typename S::Bits)1 << S::MANTISSA) - 1);
  Vec<T> m = (Vec<T>)(fraction | ((typename S::Bits)S::BIAS << S::MANTISSA));
  Vec<T> n = __builtin_convertvector((Mask<T>)(bits >> S::MANTISSA), Vec<T>) - T(S::BIAS);
  Mask<T> large = m > T(1.41421356237309505);
  m = large ? m * T(0.5) : m, n = large ? n + T(1) : n;
  return n * S::LN2_HIGH + (n * S::LN2_LOW + twice_atanh<T>((m - T(1)) / (m + T(1)))) + (x - x);
}

template <class T> INLINE Vec<T> sigmoid(Vec<T> x) {
  Vec<T> e = exp<T>(-magnitude<T>(x)), share = T(1) / (T(1) + e);
  return x >= T(0) ? share : e * share;
}

template <class T> INLINE Vec<T> tanh(Vec<T> x) {
  Vec<T> t = expm1<T>(T(2) * at_most<T>(magnitude<T>(x), T(20)));
  t = t / (t + T(2));
  return x < T(0) ? -t : t;
}

// The logarithm of 1 + e^x.
template <class T> INLINE Vec<T> softplus(Vec<T> x) {
  return at_least<T>(x, T(0)) + log1p<T>(exp<T>(-magnitude<T>(x)));
}

// Sine and cosine of each lane from LARGEST_ANGLE on, where the three parts of a quarter turn are too few.
template <class T> APART static void sin_cos_of_large(const Vec<T>& x, Vec<T>& sine, Vec<T>& cosine) {
  for (int lane = 0; lane < Lanes<T>::L; lane++) {
    double angle = x[lane];
    if (angle < Lanes<T>::LARGEST_ANGLE && angle > -Lanes<T>::LARGEST_ANGLE) continue;
    sine[lane] = T(__builtin_sin(angle)), cosine[lane] = T(__builtin_cos(angle));
  }
}

// Sine and cosine. In a browser they are 0 and 1 from LARGEST_ANGLE on: neighbouring numbers are far apart on the circle.
template <class T> INLINE void sin_cos(Vec<T> x, Vec<T>& sine, Vec<T>& cosine) {
  using S = Lanes<T>;
  constexpr T factorials[20] = {1, 1, 1. / 2, 1. / 6, 1. / 24, 1. / 120, 1. / 720, 1. / 5040, 1. / 40320, 1. / 362880,
                                1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800., 1. / 87178291200.,
                                1. / 1307674368000., 1. / 20922789888000., 1. / 355687428096000.,
                                1. / 6402373705728000., 1. / 121645100408832000.};
  const Vec<T> angle = x;
  const Mask<T> large = magnitude<T>(x) >= S::LARGEST_ANGLE;
  x = large ? Vec<T>{} : x;
  Vec<T> shifted = x * T(0.63661977236758134308) + S::ROUNDING;  // its lowest bits hold n, the nearest quarter turn
  Vec<T> n = shifted - S::ROUNDING;
  Vec<T> r = x - n * S::QUARTER_1 - n * S::QUARTER_2 - n * S::QUARTER_3, square = r * r;
  Vec<T> s = all<T>(factorials[2 * S::SIN_TERMS + 1]), c = all<T>(factorials[2 * S::SIN_TERMS + 2]);
#pragma GCC unroll 10
  for (int k = S::SIN_TERMS; k >= 1; k--) {
    s = factorials[2 * k - 1] - square * s;
    c = factorials[2 * k] - square * c;
  }
  s = r * s, c = T(1) - square * c;
  typename S::U quarter = (typename S::U)shifted;
  Mask<T> swapped = (quarter & 1) != 0;
  sine = (Vec<T>)((typename S::U)(swapped ? c : s) ^ ((quarter & 2) << (8 * sizeof(T) - 2)));
  cosine = (Vec<T>)((typename S::U)(swapped ? s : c) ^ (((quarter + 1) & 2) << (8 * sizeof(T) - 2)));
#if !defined(__wasm__)
  const Lanes<double>::I words = (Lanes<double>::I)large;
  int64_t any = 0;
  for (int i = 0; i < Lanes<double>::L; i++) any |= words[i];
  if (__builtin_expect(any != 0, 0)) sin_cos_of_large<T>(angle, sine, cosine);
#endif
}

// The normal distribution's share below x: erfc(-x / sqrt(2)) / 2. With z = |x| / sqrt(2) and t = 2 / (2 + z),
// erfc(z) = t exp(-z^2 + f(t)); the numbers are Chebyshev coefficients of f over 4 t - 2.
template <class T> INLINE Vec<T> normal_share(Vec<T> x) {
  static constexpr double c[28] = {
      -0.651326859890854717, 0.64196979235649026, 0.0194764732041858363, -0.00956151478680863164,
      -0.000946595344482036866, 0.000366839497852761452, 0.0000425233248069077716, -0.0000202785781125342432,
      -1.62429000464702551e-6, 1.3036558355805232e-6, 1.56264417220661432e-8, -8.52380959149265425e-8,
      6.5290544390988515e-9, 5.05934349555146894e-9, -9.91364156493033087e-10, -2.27365122293183586e-10,
      9.6467911020155268e-11, 2.39403808303911474e-12, -6.8860275264975534e-12, 8.94487927309072572e-13,
      3.13092139934295808e-13, -1.12708223613672524e-13, 3.81090525518923206e-16, 7.10609761360923699e-15,
      -1.5230282014571043e-15, -9.45749457129123403e-17, 1.21023718922427899e-16, -2.816663087747177e-17
  };
  Vec<T> z = magnitude<T>(x) * T(0.70710678118654752440), t = T(2) / (T(2) + z), twice = T(4) * t - T(2);
  Vec<T> a = Vec<T>{}, b = Vec<T>{};
#pragma GCC unroll 28
  for (int k = Lanes<T>::ERFC_TERMS - 1; k > 0; k--) {
    Vec<T> next = twice * a - b + T(c[k]);
    b = a, a = next;
  }
  Vec<T> half = T(0.5) * t * exp<T>(T(0.5) * twice * a - b + T(c[0]) - z * z);
  return x > T(0) ? T(1) - half : half;
}
