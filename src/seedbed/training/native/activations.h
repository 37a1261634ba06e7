// Activations and their derivatives, number by number.
#pragma once
#include "job.h"

template <class T, int F> INLINE Vec<T> activation(Vec<T> x, T a, T b, T c) {
  using V = Vec<T>;
  if constexpr (F == RELU) return x <= T(0) ? V{} : x;
  if constexpr (F == TANH) return tanh<T>(x);
  if constexpr (F == SIGMOID) return sigmoid<T>(x);
  if constexpr (F == LEAKY) return x > T(0) ? x : a * x;
  if constexpr (F == ELU) return x > T(0) ? a * x : b * expm1<T>(c * x);
  if constexpr (F == GELU) return x * normal_share<T>(x);
  if constexpr (F == GELU_TANH)
    return T(0.5) * x * (T(1) + tanh<T>(T(0.79788456080286535588) * (x + T(0.044715) * x * x * x)));
  if constexpr (F == MISH) return x * tanh<T>(softplus<T>(x));
  if constexpr (F == SOFTPLUS) return x * a > b ? x : softplus<T>(a * x) / a;
  if constexpr (F == LOGSIGMOID) return -softplus<T>(-x);
  if constexpr (F == SOFTSIGN) return x / (T(1) + magnitude<T>(x));
  if constexpr (F == TANHSHRINK) return x - tanh<T>(x);
  if constexpr (F == HARDTANH) return at_most<T>(at_least<T>(x, a), b);
  if constexpr (F == HARDSIGMOID) return at_most<T>(at_least<T>(x + T(3), T(0)), T(6)) / T(6);
  if constexpr (F == HARDSWISH) return x * at_most<T>(at_least<T>(x + T(3), T(0)), T(6)) / T(6);
  if constexpr (F == HARDSHRINK) return magnitude<T>(x) <= a ? V{} : x;
  if constexpr (F == SOFTSHRINK) return x > a ? x - a : (x < -a ? x + a : x * T(0));
  if constexpr (F == THRESHOLD) return x <= a ? all<T>(b) : x;
}

// d times the derivative; x is the input, or the output of RELU, TANH and SIGMOID.
template <class T, int F> INLINE Vec<T> slope(Vec<T> d, Vec<T> x, T a, T b, T c) {
  using V = Vec<T>;
  if constexpr (F == RELU) return x <= T(0) ? V{} : d;
  if constexpr (F == TANH) return d * (T(1) - x * x);
  if constexpr (F == SIGMOID) return d * x * (T(1) - x);
  if constexpr (F == LEAKY) return x > T(0) ? d : a * d;
  if constexpr (F == ELU) return x > T(0) ? a * d : d * (b * c) * exp<T>(c * x);
  if constexpr (F == GELU)
    return d * (normal_share<T>(x) + x * T(0.39894228040143267794) * exp<T>(T(-0.5) * x * x));
  if constexpr (F == GELU_TANH) {
    V inner = T(0.79788456080286535588) * (x + T(0.044715) * x * x * x), t = tanh<T>(inner);
    V steep = T(0.79788456080286535588) * (T(1) + T(3 * 0.044715) * x * x);
    return d * T(0.5) * (T(1) + t + x * (T(1) - t * t) * steep);
  }
  if constexpr (F == MISH) {
    V t = tanh<T>(softplus<T>(x));
    return d * (t + x * (T(1) - t * t) * sigmoid<T>(x));
  }
  if constexpr (F == SOFTPLUS) return x * a > b ? d : d * sigmoid<T>(a * x);
  if constexpr (F == LOGSIGMOID) return d * sigmoid<T>(-x);
  if constexpr (F == SOFTSIGN) {
    V below = T(1) + magnitude<T>(x);
    return d / (below * below);
  }
  if constexpr (F == TANHSHRINK) {
    V t = tanh<T>(x);
    return d * t * t;
  }
  if constexpr (F == HARDTANH) return x <= a ? V{} : x >= b ? V{} : d;
  if constexpr (F == HARDSIGMOID) return x <= T(-3) ? V{} : x >= T(3) ? V{} : d * T(1.0f / 6.0f);  // as torch has it
  if constexpr (F == HARDSWISH) return x < T(-3) ? V{} : x <= T(3) ? d * (x / T(3) + T(0.5)) : d;
  if constexpr (F == HARDSHRINK || F == SOFTSHRINK) return magnitude<T>(x) <= a ? V{} : d;
  if constexpr (F == THRESHOLD) return x <= a ? V{} : d;
}

// `kept` receives the shares of SILU, which its derivative needs again.
template <class T, int F>
static void activate(const Layer& layer, const Vec<T>* x, Vec<T>* y, Vec<T>* kept, long n) {
  T a = layer.a, b = layer.b, c = layer.c;
  if constexpr (F == SILU)
    for (long i = 0; i < n; i++) kept[i] = sigmoid<T>(x[i]), y[i] = x[i] * kept[i];
  else
    for (long i = 0; i < n; i++) y[i] = activation<T, F>(x[i], a, b, c);
}

template <class T, int F>
static void pull_back(const Layer& layer, const Vec<T>* x, const Vec<T>* kept, const Vec<T>* d, Vec<T>* d_in, long n) {
  T a = layer.a, b = layer.b, c = layer.c;
  if constexpr (F == SILU)
    for (long i = 0; i < n; i++) d_in[i] = d[i] * kept[i] * (T(1) + x[i] * (T(1) - kept[i]));
  else
    for (long i = 0; i < n; i++) d_in[i] = slope<T, F>(d[i], x[i], a, b, c);
}

#define FOR_EACH_FUNCTION(DO)                                                                                     \
  DO(RELU) DO(TANH) DO(SIGMOID) DO(LEAKY) DO(ELU) DO(GELU) DO(GELU_TANH) DO(SILU) DO(MISH) DO(SOFTPLUS)           \
  DO(LOGSIGMOID) DO(SOFTSIGN) DO(TANHSHRINK) DO(HARDTANH) DO(HARDSIGMOID) DO(HARDSWISH) DO(HARDSHRINK)            \
  DO(SOFTSHRINK) DO(THRESHOLD)
