// Trains small networks side by side, one network to a vector lane.
//
// A *block* is L networks of one architecture: 8 with floats on x86, 4 with doubles. Each number of a network is one
// lane of a vector, so one instruction does the same for L networks, however narrow their layers are.
//
//     parameters of a block          one row's values of a layer (n units)        X: shared by all networks
//     +------------------------+     +-----------+-----------+-----+-----------+   [row][feature], plain numbers
//     | W[0][0]: net 0 1 ... L |     | unit 0:   | unit 1:   |     | unit n-1: |   (in minibatches each network has
//     | W[0][1]: net 0 1 ... L |     | net 0...L | net 0...L | ... | net 0...L |   its own rows: gathered to vectors)
//     | ...      (in, out)     |     +-----------+-----------+-----+-----------+
//     | b[0]:    net 0 1 ... L |
//     +------------------------+     A tile is `job.tile` rows of that; all layers of a tile stay in the cache.
//
// Training runs tile by tile: forward, loss, backward, gradients added up; after the last tile of a batch one step of
// the optimizer. Nothing of a row is kept once its tile is done. Lanes never mix, so what a network becomes depends
// neither on its neighbours nor on the number of blocks or threads.
//
// Python checks all shapes and fills in `Job`; see job.py, which mirrors the structures below. Arrays of a job hold one
// entry a block, `[block]` is their first axis. A library is compiled for float
// or for double.
#include "lanes.h"

#ifndef NUMBER
#define NUMBER float
#endif
using Number = NUMBER;  // what this library is compiled for

enum Kind { LINEAR, ACTIVATION, DROPOUT, LAYERNORM, FORK, ADD, SEE, KEEP, PERIODIC, PIECEWISE, LEVELS };
enum Function {
  RELU, TANH, SIGMOID,  // their derivatives follow from their outputs, so they may overwrite their inputs
  LEAKY, ELU, GELU, GELU_TANH, SILU, MISH, SOFTPLUS, LOGSIGMOID, SOFTSIGN, TANHSHRINK, HARDTANH, HARDSIGMOID,
  HARDSWISH, HARDSHRINK, SOFTSHRINK, THRESHOLD
};
enum Loss { BCE, CROSS_ENTROPY, MSE };
enum Optimizer { SGD, ADAM, ADAMW };

// A layer reads the tile buffer that starts at unit `in` and writes the one at `out`; its gradients arrive at `d_out`
// and leave at `d_in`. Buffers may be the same where a layer treats each number by itself.
struct Layer {
  int32_t kind, n_in, n_out;
  int32_t weight, bias;          // places among the parameters, or of PIECEWISE, among the constants; -1: none
  int32_t in, out, d_in, d_out;  // buffers, in units; the first layer's `in` is -1: the table. `d_in` is -1 where
                                 // nothing is trained before the layer
  int32_t spare;  // a further buffer. DROPOUT: what is kept; LAYERNORM: normalised values and 1 / deviation;
                  // ADD: the fork's values; FORK: the gradient that its ADD left; PERIODIC: waves
  int32_t function, number;  // of ACTIVATION; of DROPOUT, for its random bits
  int32_t alive;             // place among the ReLU units; -1: none
  // Layers that embed inputs, see embeddings.h: their first input and unit, and units, bins and frequencies of an input.
  int32_t from, to, each, waves, frequencies;  // the last is the frequencies' place among the parameters
  double a, b, c;  // arguments
};

struct Segment { int32_t start, count, decays; };  // parameters in a row

struct Job {
  const Layer* layers;
  const Segment* segments;
  const void *X, *y;          // [row][feature], [row][output]
  const void *train, *test;   // [block][row][L], what each row counts; they sum to 1 or 0 over the rows
  const void *scale, *shift;  // [block][feature][L] or null: a network sees scale * X + shift ...
  const void* extra;          // [block][giver][L]: ... and what `givers` add to `takers`, times this
  const int32_t *givers, *takers;
  const void *y_scale, *y_shift;  // [block][L] or null: a network learns y_scale * y + y_shift
  const void* constants;          // [block][constant][L], of PIECEWISE
  const int32_t* keys;            // [block][L], of dropout
  const double* lr;               // [block][L]
  const void* decay;              // [block][L]
  const double* factors;          // [step] or null; what the learning rate is multiplied by
  const double* clock;            // [step][3], see optimizers.clock
  const int32_t* picked;          // minibatches: [epoch - first_epoch][place][block][L], a row or -1
  void *params, *moments;         // [block][param][L], [block][moment][param][L]
  void* figures;                  // [block][epoch][4][L]: training loss and hits, test loss and hits
  void* work;                     // `workspace` vectors
  int32_t n_layers, n_segments, n_rows, n_features, n_outputs, n_params, n_moments, n_constants, n_givers, n_blocks;
  int32_t n_values, n_gradients, n_alive;  // units of all tile buffers; ReLU units
  int32_t tile, loss, optimizer, batch_size, n_batches, first_epoch, n_epochs;
  int32_t nesterov, guarded, same_in_training;
  double momentum, smoothing, clip;  // clip is 0 without
};

static const double BETA1 = 0.9, BETA2 = 0.999, EPS = 1e-8, CLIP_EPS = 1e-6;

// ---- Products -------------------------------------------------------------------------------------------------------
// sum[r][u] = start[r][u] + sum over k of A[r][k] * B[k][u], for ROWS x UNITS sums kept in registers. A is shared by all
// networks (plain numbers) or not (vectors). Strides let one function serve the forward pass (A: rows, B: weights), the
// gradient of the inputs (A: output gradients, B: weights transposed) and that of the weights (A: inputs transposed).

template <class T, bool SHARED> struct Product {
  using V = Vec<T>;
  using A = typename Either<SHARED, T, V>::type;
  const A* a; long a_row, a_k;
  const V* b; long b_k, b_unit;
  const V* start; long start_row, start_unit;
  V* out; long out_row;
  long n_k;

  template <int ROWS, int UNITS> void piece(long r0, long u0) const {
    // An addition waits for the one before it, so where there are few sums, each is taken in several parts.
    constexpr int PARTS = ROWS * UNITS >= 6 ? 1 : ROWS * UNITS >= 3 ? 2 : 4;
    V sum[ROWS][UNITS], part[PARTS][ROWS][UNITS] = {};
    const V* from = start + r0 * start_row + u0 * start_unit;
    for (int r = 0; r < ROWS; r++)
      for (int u = 0; u < UNITS; u++) sum[r][u] = from[r * start_row + u * start_unit];
    const A* left = a + r0 * a_row;
    const V* right = b + u0 * b_unit;
    long k = 0;
    if constexpr (PARTS > 1) {
      for (; k + PARTS <= n_k; k += PARTS)
        for (int p = 0; p < PARTS; p++, left += a_k, right += b_k)
          for (int r = 0; r < ROWS; r++)
            for (int u = 0; u < UNITS; u++) part[p][r][u] += left[r * a_row] * right[u * b_unit];
    }
    for (; k < n_k; k++, left += a_k, right += b_k) {
      V weight[UNITS];
      for (int u = 0; u < UNITS; u++) weight[u] = right[u * b_unit];
      for (int r = 0; r < ROWS; r++) {
        A x = left[r * a_row];
        for (int u = 0; u < UNITS; u++) sum[r][u] += x * weight[u];
      }
    }
    if constexpr (PARTS > 1) {
      for (int p = 0; p < PARTS; p++)
        for (int r = 0; r < ROWS; r++)
          for (int u = 0; u < UNITS; u++) sum[r][u] += part[p][r][u];
    }
    V* to = out + r0 * out_row + u0;
    for (int r = 0; r < ROWS; r++)
      for (int u = 0; u < UNITS; u++) to[r * out_row + u] = sum[r][u];
  }

  template <int UNITS> void columns(long n_rows, long u) const {
    constexpr int ROWS = SUMS / UNITS;
    long r = 0;
    for (; r + ROWS <= n_rows; r += ROWS) piece<ROWS, UNITS>(r, u);
    if (ROWS > 4 && r + 4 <= n_rows) piece<4, UNITS>(r, u), r += 4;
    if (ROWS > 8 && r + 4 <= n_rows) piece<4, UNITS>(r, u), r += 4;
    if (r + 2 <= n_rows) piece<2, UNITS>(r, u), r += 2;
    for (; r < n_rows; r++) piece<1, UNITS>(r, u);
  }

  void run(long n_rows, long n_units) const {
    for (long u = 0, groups = (n_units + MOST_UNITS - 1) / MOST_UNITS; groups > 0; groups--) {
      long width = (n_units - u + groups - 1) / groups;
      if (width == 1) columns<1>(n_rows, u);
      else if (width == 2) columns<2>(n_rows, u);
      else if (width == 3) columns<3>(n_rows, u);
      else columns<4>(n_rows, u);
      u += width;
    }
  }

  // Sums in registers, and units side by side: measured, see benchmarks/LOG.md.
#ifndef PRODUCT_SUMS
#define PRODUCT_SUMS (VECTOR_REGISTERS == 32 ? 24 : 12)
#define PRODUCT_UNITS (VECTOR_REGISTERS == 32 ? 4 : 2)
#endif
  static constexpr int SUMS = PRODUCT_SUMS, MOST_UNITS = PRODUCT_UNITS;
};

// Add the sums of some columns [row][unit] to `sums`: UNITS side by side, each in PARTS; rows are n units apart.
template <class T, int UNITS, int PARTS> static void add_some(const Vec<T>* d, long n_rows, long n, Vec<T>* sums) {
  Vec<T> part[PARTS][UNITS] = {};
  long r = 0;
  for (; r + PARTS <= n_rows; r += PARTS)
    for (int p = 0; p < PARTS; p++)
      for (int u = 0; u < UNITS; u++) part[p][u] += d[(r + p) * n + u];
  for (; r < n_rows; r++)
    for (int u = 0; u < UNITS; u++) part[0][u] += d[r * n + u];
  for (int p = 0; p < PARTS; p++)
    for (int u = 0; u < UNITS; u++) sums[u] += part[p][u];
}

template <class T> static void add_columns(const Vec<T>* d, long n_rows, long n, long n_columns, Vec<T>* sums) {
  long u = 0;
  for (; u + 8 <= n_columns; u += 8) add_some<T, 8, 1>(d + u, n_rows, n, sums + u);
  for (; u + 2 <= n_columns; u += 2) add_some<T, 2, 4>(d + u, n_rows, n, sums + u);
  if (u < n_columns) add_some<T, 1, 8>(d + u, n_rows, n, sums + u);
}

// ---- Activations ----------------------------------------------------------------------------------------------------

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
  if constexpr (F == SILU) return x * sigmoid<T>(x);
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
  if constexpr (F == SILU) {
    V share = sigmoid<T>(x);
    return d * share * (T(1) + x * (T(1) - share));
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

template <class T, int F> static void activate(const Layer& layer, const Vec<T>* x, Vec<T>* y, long n) {
  T a = layer.a, b = layer.b, c = layer.c;
  for (long i = 0; i < n; i++) y[i] = activation<T, F>(x[i], a, b, c);
}

template <class T, int F>
static void pull_back(const Layer& layer, const Vec<T>* x, const Vec<T>* d, Vec<T>* d_in, long n) {
  T a = layer.a, b = layer.b, c = layer.c;
  for (long i = 0; i < n; i++) d_in[i] = slope<T, F>(d[i], x[i], a, b, c);
}

#define FOR_EACH_FUNCTION(DO)                                                                                     \
  DO(RELU) DO(TANH) DO(SIGMOID) DO(LEAKY) DO(ELU) DO(GELU) DO(GELU_TANH) DO(SILU) DO(MISH) DO(SOFTPLUS)           \
  DO(LOGSIGMOID) DO(SOFTSIGN) DO(TANHSHRINK) DO(HARDTANH) DO(HARDSIGMOID) DO(HARDSWISH) DO(HARDSHRINK)            \
  DO(SOFTSHRINK) DO(THRESHOLD)

#include "embeddings.h"

// ---- A block --------------------------------------------------------------------------------------------------------

template <class U> INLINE U mixed(U x) {  // the finaliser of MurmurHash3, as randomness.py has it
  x = (x ^ (x >> 16)) * 0x85ebca6bu;
  x = (x ^ (x >> 13)) * 0xc2b2ae35u;
  return x ^ (x >> 16);
}

template <class T> struct Block {
  static constexpr int L = Lanes<T>::L;
  using V = Vec<T>;
  using M = Mask<T>;
  using U32 = typename Lanes<T>::U32;

  const Job& job;
  const long number;
  const Layer* const layers;
  const T *X, *y;
  const V *train, *test, *scale, *shift, *extra, *y_scale, *y_shift, *constants;
  const int32_t* keys;
  V *params, *moments, *figures;
  char* tiles;  // of each tile: 1 if it has training rows, 2 if it has test rows, 3 if both
  V *gradients, *folded, *folded_gradients, *values, *slopes, *gathered, *targets, *weights, *zeros;
  const V *first_weight, *first_bias;  // of the first layer, what a split makes of the table folded in
  V *first_weight_gradient, *first_bias_gradient;

  template <class U> static U* at(const void* base, long place) {
    return base ? (U*)base + place : nullptr;
  }

  static bool folds(const Job& job) { return job.scale && job.layers[0].kind == LINEAR; }

  static long n_work(const Job& job) {
    long folded = folds(job) ? (job.n_features + 1) * (long)job.layers[0].n_out : 0;
    long rows = job.tile * (long)(job.n_values + job.n_gradients + job.n_features + job.n_outputs + 1);
    return job.n_params + 2 * folded + rows + 1 + (job.n_rows / job.tile) / VECTOR_BYTES + 1;
  }

  Block(const Job& job, long number) : job(job), number(number), layers(job.layers) {
    long b = number, rows = b * job.n_rows, features = b * job.n_features;
    X = (const T*)job.X, y = (const T*)job.y;
    train = at<V>(job.train, rows), test = at<V>(job.test, rows);
    scale = at<V>(job.scale, features), shift = at<V>(job.shift, features);
    extra = at<V>(job.extra, b * job.n_givers);
    y_scale = at<V>(job.y_scale, b), y_shift = at<V>(job.y_shift, b);
    constants = at<V>(job.constants, b * job.n_constants);
    keys = job.keys + b * L;
    params = at<V>(job.params, b * job.n_params), moments = at<V>(job.moments, b * job.n_moments * job.n_params);
    figures = at<V>(job.figures, b * (job.n_epochs + 1) * 4);
    V* free = (V*)job.work;
    auto take = [&](long n) { V* taken = free; free += n; return taken; };
    long n_folded = folds(job) ? (job.n_features + 1) * (long)layers[0].n_out : 0;
    gradients = take(job.n_params), folded = take(n_folded), folded_gradients = take(n_folded), zeros = take(1);
    values = take(job.tile * (long)job.n_values), slopes = take(job.tile * (long)job.n_gradients);
    gathered = take(job.tile * (long)job.n_features), targets = take(job.tile * (long)job.n_outputs);
    weights = take(job.tile);
    tiles = (char*)free;
    for (long row = 0; row < job.n_rows; row += job.tile) {
      long n = job.n_rows - row < job.tile ? job.n_rows - row : job.tile;
      tiles[row / job.tile] = any(train + row, n) + 2 * any(test + row, n);
    }
    zeros[0] = V{};
    long n_weights = job.n_features * (long)layers[0].n_out;
    bool own = folds(job);
    first_weight = own ? folded : params + layers[0].weight;
    first_bias = own ? folded + n_weights : layers[0].bias < 0 ? nullptr : params + layers[0].bias;
    first_weight_gradient = own ? folded_gradients : gradients + layers[0].weight;
    first_bias_gradient = own ? folded_gradients + n_weights : layers[0].bias < 0 ? nullptr
                                                                                    : gradients + layers[0].bias;
    fold();
  }

  V* value(int32_t buffer) const { return values + buffer * (long)job.tile; }
  V* gradient(int32_t buffer) const { return slopes + buffer * (long)job.tile; }

  // -- What a split makes of the table: X' = scale * X + shift + what givers add, so X' W + b = X (scale * W + ...) +
  // (b + shift W).

  void fold() {
    if (!folds(job)) return;
    const Layer& first = layers[0];
    const V* W = params + first.weight;
    long n = first.n_out;
    V* bias = folded + job.n_features * n;
    for (long u = 0; u < n; u++) bias[u] = first.bias < 0 ? V{} : params[first.bias + u];
    for (long i = 0; i < job.n_features; i++)
      for (long u = 0; u < n; u++) folded[i * n + u] = W[i * n + u] * scale[i], bias[u] += W[i * n + u] * shift[i];
    for (long g = 0; g < job.n_givers; g++)
      for (long u = 0; u < n; u++) folded[job.givers[g] * n + u] += W[job.takers[g] * n + u] * extra[g];
  }

  void unfold_gradients() {
    if (!folds(job)) return;
    const Layer& first = layers[0];
    V *gW = gradients + first.weight, *own = folded_gradients;
    long n = first.n_out;
    const V* gb = own + job.n_features * n;
    if (first.bias >= 0)
      for (long u = 0; u < n; u++) gradients[first.bias + u] = gb[u];
    for (long i = 0; i < job.n_features; i++)
      for (long u = 0; u < n; u++) gW[i * n + u] = own[i * n + u] * scale[i] + gb[u] * shift[i];
    for (long g = 0; g < job.n_givers; g++)
      for (long u = 0; u < n; u++) gW[job.takers[g] * n + u] += own[job.givers[g] * n + u] * extra[g];
  }

  void clear_gradients() {
    for (long i = 0; i < job.n_params; i++) gradients[i] = V{};
    if (folds(job))
      for (long i = 0; i < (job.n_features + 1) * (long)layers[0].n_out; i++) folded_gradients[i] = V{};
  }

  // -- Forward

  // Rows of a tile: `n` rows of the table from `row` on, or a minibatch's rows, which have been gathered.
  struct Rows { long row, n; bool own; };

  void forward(const Rows& rows, bool training, long step) {
    for (long k = 0; k < job.n_layers; k++) {
      const Layer& layer = layers[k];
      const V* in = layer.in < 0 ? nullptr : value(layer.in);
      V* out = value(layer.out);
      long n = rows.n * layer.n_out;
      switch (layer.kind) {
        case LINEAR: linear(rows, layer, layer.in < 0, in, out); break;
        case ACTIVATION:
          switch (layer.function) {
#define DO(F) case F: activate<T, F>(layer, in, out, n); break;
            FOR_EACH_FUNCTION(DO)
#undef DO
          }
          break;
        case DROPOUT: drop(rows, layer, training, step, in, out); break;
        case LAYERNORM: normalise(rows.n, layer, in, out); break;
        case FORK: for (long i = 0; i < n; i++) out[i] = in[i]; break;
        case ADD: for (long i = 0; i < n; i++) out[i] = in[i] + value(layer.spare)[i]; break;
        case SEE:
          Embedding<T>::see(job, rows.n, X + rows.row * job.n_features, rows.own ? gathered : nullptr, scale, shift,
                            extra, out);
          break;
        case KEEP: embedding(rows, layer).keep(out + layer.to); break;
        case PERIODIC: embedding(rows, layer).periodic(params, value(layer.spare), out + layer.to); break;
        case PIECEWISE: embedding(rows, layer).piecewise(constants, out + layer.to); break;
        case LEVELS: embedding(rows, layer).levels(params, out + layer.to); break;
      }
    }
  }

  Embedding<T> embedding(const Rows& rows, const Layer& layer) const {
    return {layer, rows.n, job.n_features, value(layer.in) + layer.from, zeros};
  }

  void linear(const Rows& rows, const Layer& layer, bool first, const V* in, V* out) {
    long ni = layer.n_in, no = layer.n_out;
    const V* W = first ? first_weight : params + layer.weight;
    const V* bias = first ? first_bias : layer.bias < 0 ? nullptr : params + layer.bias;
    const V* start = bias ? bias : zeros;
    long start_unit = bias ? 1 : 0;
    if (first && !rows.own)
      Product<T, true>{X + rows.row * ni, ni, 1, W, no, 1, start, 0, start_unit, out, no, ni}.run(rows.n, no);
    else
      Product<T, false>{first ? gathered : in, ni, 1, W, no, 1, start, 0, start_unit, out, no, ni}.run(rows.n, no);
  }

  void drop(const Rows& rows, const Layer& layer, bool training, long step, const V* in, V* out) {
    long units = layer.n_out;
    if (!training) {
      for (long i = 0; i < rows.n * units; i++) out[i] = in[i];
      return;
    }
    float share = (float)layer.a;
    const T kept = layer.a < 1 ? T(1.0 / (1.0 - layer.a)) : T(0);
    float least = share * 16777216.0f;  // exact: a float's 24 bits
    uint32_t threshold = (uint32_t)least + ((float)(uint32_t)least < least);
    U32 key;
    for (int lane = 0; lane < L; lane++)
      key[lane] = mixed(mixed((uint32_t)keys[lane] + (uint32_t)step * 0x85ebca77u) +
                        (uint32_t)layer.number * 1274126177u);
    V* mask = value(layer.spare);
    for (long r = 0; r < rows.n; r++)
      for (long u = 0; u < units; u++) {
        uint32_t place = mixed((uint32_t)(rows.row + r) * 0x9e3779b1u + (uint32_t)u * 668265263u + 374761393u);
        U32 x = mixed<U32>(key ^ place);
        M keep = __builtin_convertvector((typename Lanes<T>::I32)((x >> 8) >= threshold), M);
        long i = r * units + u;
        mask[i] = keep ? all<T>(kept) : V{};
        out[i] = keep ? in[i] * kept : V{};
      }
  }

  void normalise(long n_rows, const Layer& layer, const V* in, V* out) {
    long n = layer.n_out;
    V *centred = value(layer.spare), *inverse = centred + n_rows * n;
    const V *weight = layer.weight < 0 ? nullptr : params + layer.weight;
    const V *bias = layer.bias < 0 ? nullptr : params + layer.bias;
    for (long r = 0; r < n_rows; r++, in += n, out += n, centred += n) {
      V mean = V{}, variance = V{};
      for (long u = 0; u < n; u++) mean += in[u];
      mean /= (T)n;
      for (long u = 0; u < n; u++) centred[u] = in[u] - mean, variance += centred[u] * centred[u];
      inverse[r] = T(1) / root<T>(variance / (T)n + T(layer.a));
      for (long u = 0; u < n; u++) {
        centred[u] *= inverse[r];
        V x = weight ? centred[u] * weight[u] : centred[u];
        out[u] = bias ? x + bias[u] : x;
      }
    }
  }

  // -- Loss: figures of the tile's rows, and the gradients of the outputs

  struct Figures { V train_loss, train_hits, test_loss, test_hits; };

  V target(const Rows& rows, long r, long k) const {
    V y_here = rows.own ? targets[r * job.n_outputs + k] : all<T>(y[(rows.row + r) * job.n_outputs + k]);
    return y_scale ? y_here * *y_scale + *y_shift : y_here;
  }

  static V where_it_counts(V weight, V x) { return weight != T(0) ? weight * x : V{}; }

  void lose(const Rows& rows, const V* w_train, const V* w_test, Figures& sums) {
    const Layer& last = layers[job.n_layers - 1];
    const long K = job.n_outputs;
    const V* z = value(last.out);
    V* d = gradient(last.d_out);
    const T share = (T)job.smoothing, one = T(1), part = T(1) / (T)K;
    for (long r = 0; r < rows.n; r++, z += K, d += K) {
      V loss = V{}, hit = all<T>(one);
      if (job.loss == BCE) {
        for (long k = 0; k < K; k++) {
          V goal = target(rows, r, k), e = exp<T>(-magnitude<T>(z[k])), half = one / (one + e);
          loss += at_least<T>(z[k], T(0)) - goal * z[k] + log1p<T>(e);
          V right = (z[k] > T(0)) == (goal > T(0.5)) ? all<T>(one) : V{};
          hit = right < hit ? right : hit;
          d[k] = ((z[k] >= T(0) ? half : e * half) - goal + share * (goal - T(0.5))) * part;
        }
        loss *= part;
      } else if (job.loss == MSE) {
        for (long k = 0; k < K; k++) {
          V off = z[k] - target(rows, r, k);
          loss += off * off;
          d[k] = T(2) * off * part;
        }
        loss *= part, hit = V{};
      } else {
        V most = z[0], best = V{}, sum = V{}, right = V{};
        for (long k = 1; k < K; k++) {
          M better = (z[k] > most) | ((z[k] != z[k]) & (most == most));
          most = better ? z[k] : most, best = better ? all<T>((T)k) : best;
        }
        for (long k = 0; k < K; k++) d[k] = exp<T>(z[k] - most), sum += d[k];
        V log_sum = log<T>(sum);
        for (long k = 0; k < K; k++) {
          V goal = target(rows, r, k);
          loss -= goal * (z[k] - most - log_sum);
          right = goal > T(0.5) ? all<T>((T)k) : right;
          d[k] = d[k] / sum - goal + share * (goal - part);
        }
        hit = best == right ? all<T>(one) : V{};
      }
      if (w_train) {
        sums.train_loss += where_it_counts(w_train[r], loss), sums.train_hits += where_it_counts(w_train[r], hit);
        for (long k = 0; k < K; k++) d[k] = where_it_counts(w_train[r], d[k]);
      }
      if (w_test) sums.test_loss += where_it_counts(w_test[r], loss), sums.test_hits += where_it_counts(w_test[r], hit);
    }
  }

  // -- Backward

  void backward(const Rows& rows) {
    for (long k = job.n_layers - 1; k >= 0; k--) {
      const Layer& layer = layers[k];
      if (layer.d_out < 0) continue;  // nothing is trained from here on
      const V *d = gradient(layer.d_out), *x = layer.in < 0 ? nullptr : value(layer.in);
      V* d_in = layer.d_in < 0 ? nullptr : gradient(layer.d_in);
      long n = rows.n * layer.n_out;
      switch (layer.kind) {
        case LINEAR: linear_back(rows, layer, layer.in < 0, x, d, d_in); break;
        case ACTIVATION:
          if (layer.function <= SIGMOID) x = value(layer.out);
          switch (layer.function) {
#define DO(F) case F: pull_back<T, F>(layer, x, d, d_in, n); break;
            FOR_EACH_FUNCTION(DO)
#undef DO
          }
          break;
        case DROPOUT: {
          const V* mask = value(layer.spare);
          for (long i = 0; i < n; i++) d_in[i] = mask[i] != T(0) ? d[i] * mask[i] : V{};
          break;
        }
        case LAYERNORM: normalise_back(rows.n, layer, d, d_in); break;
        case FORK: for (long i = 0; i < n; i++) d_in[i] = d[i] + gradient(layer.spare)[i]; break;
        case ADD: for (long i = 0; i < n; i++) d_in[i] = d[i]; break;
        case PERIODIC:
          embedding(rows, layer).periodic_back(params, value(layer.spare), value(layer.out) + layer.to,
                                               gradient(layer.d_out) + layer.to, d_in, gradients);
          break;
        case LEVELS: embedding(rows, layer).levels_back(d + layer.to, gradients); break;
      }
    }
  }

  void linear_back(const Rows& rows, const Layer& layer, bool first, const V* x, const V* d, V* d_in) {
    long ni = layer.n_in, no = layer.n_out, n = rows.n;
    V* gW = first ? first_weight_gradient : gradients + layer.weight;
    V* gb = first ? first_bias_gradient : layer.bias < 0 ? nullptr : gradients + layer.bias;
    if (gb) add_columns<T>(d, n, no, no, gb);
    if (first && !rows.own) {
      Product<T, true>{X + rows.row * ni, 1, ni, d, no, 1, gW, no, 1, gW, no, n}.run(ni, no);
      return;
    }
    Product<T, false>{first ? gathered : x, 1, ni, d, no, 1, gW, no, 1, gW, no, n}.run(ni, no);
    if (d_in) Product<T, false>{d, no, 1, params + layer.weight, 1, no, zeros, 0, 0, d_in, ni, no}.run(n, ni);
  }

  void normalise_back(long n_rows, const Layer& layer, const V* d, V* d_in) {
    long n = layer.n_out;
    const V *normal = value(layer.spare), *inverse = normal + n_rows * n;
    const V* weight = layer.weight < 0 ? nullptr : params + layer.weight;
    V *gW = layer.weight < 0 ? nullptr : gradients + layer.weight, *gb = layer.bias < 0 ? nullptr : gradients + layer.bias;
    for (long r = 0; r < n_rows; r++, d += n, d_in += n, normal += n) {
      V mean = V{}, along = V{};
      for (long u = 0; u < n; u++) {
        if (gW) gW[u] += d[u] * normal[u];
        if (gb) gb[u] += d[u];
        d_in[u] = weight ? d[u] * weight[u] : d[u];
        mean += d_in[u], along += d_in[u] * normal[u];
      }
      mean /= (T)n, along /= (T)n;
      for (long u = 0; u < n; u++) d_in[u] = inverse[r] * (d_in[u] - mean - normal[u] * along);
    }
  }

  // Rows that a network doesn't train on may hold numbers that overflow; zero times infinity would be NaN.
  void forget_values(const Rows& rows, const V* w_train) {
    for (long k = 0; k < job.n_layers; k++) {
      const Layer& layer = layers[k];
      long n = layer.n_out;
      for (long r = 0; r < rows.n; r++) {
        long n_spare = layer.kind == LAYERNORM ? n : layer.kind == PERIODIC ? 2 * layer.waves * layer.n_in : 0;
        V *own = value(layer.out) + r * n, *spare = value(layer.spare) + r * n_spare;
        for (long u = 0; u < n; u++) own[u] = w_train[r] != T(0) ? own[u] : V{};
        for (long u = 0; u < n_spare; u++) spare[u] = w_train[r] != T(0) ? spare[u] : V{};
        if (layer.kind == LAYERNORM) {
          V& inverse = value(layer.spare)[rows.n * n + r];
          inverse = w_train[r] != T(0) ? inverse : V{};
        }
      }
    }
  }

  // -- Steps

  void update(long step) {
    const double* now = job.clock + step * 3;
    const double factor = job.factors ? job.factors[step] : 1.0;
    V rate, decay = ((const V*)job.decay)[number], factors = all<T>(T(1));
    for (int lane = 0; lane < L; lane++) rate[lane] = (T)(job.lr[number * L + lane] * factor);
    unfold_gradients();
    if (job.clip > 0) {
      V squares = V{};
      for (long i = 0; i < job.n_params; i++) squares += gradients[i] * gradients[i];
      factors = at_most<T>(T(job.clip) / (root<T>(squares) + T(CLIP_EPS)), T(1));
    }
    const V first_rate = rate / (T)now[1], shrink = T(1) - rate * decay;
    const T momentum = (T)job.momentum, inverse_root = (T)(1.0 / now[2]);
    const T b1 = T(1 - BETA1), b2 = T(BETA2), rest = T(1 - BETA2);
    for (long s = 0; s < job.n_segments; s++) {
      const Segment& part = job.segments[s];
      const bool l2 = part.decays && job.optimizer != ADAMW, decoupled = part.decays && job.optimizer == ADAMW;
      for (long i = part.start; i < part.start + part.count; i++) {
        V p = params[i], g = job.clip > 0 ? gradients[i] * factors : gradients[i];
        if (decoupled) p = p * shrink;
        if (l2) g += decay * p;
        if (job.optimizer == SGD) {
          if (job.n_moments) {
            V buffer = momentum * moments[i] + g;
            moments[i] = buffer;
            g = job.nesterov ? g + momentum * buffer : buffer;
          }
          params[i] = p - rate * g;
        } else {
          V *first = moments + i, *second = moments + job.n_params + i;
          *first += b1 * (g - *first);
          *second = b2 * *second + rest * g * g;
          params[i] = p - first_rate * *first / (root<T>(*second) * inverse_root + T(EPS));
        }
      }
    }
    fold();
  }

  static bool any(const V* weights, long n) {
    M found = M{};
    for (long r = 0; r < n; r++) found |= weights[r] != T(0);
    for (int lane = 0; lane < L; lane++)
      if (found[lane]) return true;
    return false;
  }

  // One pass over the table. `learns`: gradients of the training rows, and their figures; `tests`: figures of test rows.
  void pass(bool learns, bool tests, long step, Figures& sums) {
    for (long row = 0; row < job.n_rows; row += job.tile) {
      Rows rows{row, job.n_rows - row < job.tile ? job.n_rows - row : job.tile, false};
      bool learn = learns && (tiles[row / job.tile] & 1), look = tests && (tiles[row / job.tile] & 2);
      if (!learn && !look) continue;
      forward(rows, learns, step);
      lose(rows, learn ? train + row : nullptr, look ? test + row : nullptr, sums);
      if (!learn) continue;
      if (job.guarded) forget_values(rows, train + row);
      backward(rows);
    }
  }

  void gather(const int32_t* picked, long n) {
    const long stride = (long)job.n_blocks * L, F = job.n_features, K = job.n_outputs;
    for (long r = 0; r < n; r++)
      for (int lane = 0; lane < L; lane++) {
        long row = picked[r * stride + lane];
        ((T*)&weights[r])[lane] = row < 0 ? T(0) : ((const T*)&train[row])[lane];
        if (row < 0) row = 0;
        for (long i = 0; i < F; i++) ((T*)&gathered[r * F + i])[lane] = X[row * F + i];
        for (long k = 0; k < K; k++) ((T*)&targets[r * K + k])[lane] = y[row * K + k];
      }
  }

  void minibatches(long epoch, V* shown) {
    V shares = V{}, loss = V{}, hits = V{};
    const long stride = (long)job.n_blocks * L, places = (long)job.n_batches * job.batch_size;
    const int32_t* picked = job.picked + (epoch - job.first_epoch) * places * stride + number * L;
    for (long batch = 0; batch < job.n_batches; batch++, picked += job.batch_size * stride) {
      V share = V{};
      for (long r = 0; r < job.batch_size; r++)
        for (int lane = 0; lane < L; lane++) {
          int32_t row = picked[r * stride + lane];
          if (row >= 0) share[lane] += ((const T*)&train[row])[lane];
        }
      Figures sums{};
      clear_gradients();
      long step = epoch * job.n_batches + batch;
      for (long place = 0; place < job.batch_size; place += job.tile) {
        Rows rows{place, job.batch_size - place < job.tile ? job.batch_size - place : job.tile, true};
        gather(picked + place * stride, rows.n);
        for (long r = 0; r < rows.n; r++) weights[r] /= share;
        forward(rows, true, step);
        lose(rows, weights, nullptr, sums);
        if (job.guarded) forget_values(rows, weights);
        backward(rows);
      }
      update(step);
      loss += sums.train_loss * share, hits += sums.train_hits * share, shares += share;
    }
    shown[0] = loss / shares, shown[1] = hits / shares;
  }

  void run(long from, long to) {
    for (long epoch = from; epoch < to; epoch++) {
      V* shown = figures + epoch * 4;
      Figures sums{};
      bool together = job.same_in_training && !job.batch_size;
      if (!together) pass(false, true, 0, sums);
      if (job.batch_size) {
        minibatches(epoch, shown);
      } else {
        clear_gradients();
        pass(true, together, epoch, sums);
        update(epoch);
        shown[0] = sums.train_loss, shown[1] = sums.train_hits;
      }
      shown[2] = sums.test_loss, shown[3] = sums.test_hits;
    }
  }

  // Test figures [2][L], outputs [row][output][L] of test rows, ReLU units that aren't zero for all training rows
  // [unit][L] (1 or 0), and whether all outputs of training rows are finite [L].
  void look(V* shown, V* outputs, V* alive, V* finite) {
    Figures sums{};
    const Layer& last = layers[job.n_layers - 1];
    for (long i = 0; alive && i < job.n_alive; i++) alive[i] = V{};
    if (finite) *finite = all<T>(T(1));
    for (long row = 0; row < job.n_rows; row += job.tile) {
      Rows rows{row, job.n_rows - row < job.tile ? job.n_rows - row : job.tile, false};
      bool tests = tiles[row / job.tile] & 2, trains = alive && (tiles[row / job.tile] & 1);
      if (!tests && !trains) continue;
      forward(rows, false, 0);
      if (tests) lose(rows, nullptr, test + row, sums);
      const V* z = value(last.out);
      for (long i = 0; outputs && i < rows.n * job.n_outputs; i++) outputs[row * job.n_outputs + i] = z[i];
      if (!trains) continue;
      for (long r = 0; r < rows.n; r++) {
        const M counts = train[row + r] != T(0);
        for (long k = 0; k < job.n_outputs; k++) {
          V rest = z[r * job.n_outputs + k] - z[r * job.n_outputs + k];  // NaN of what isn't finite
          *finite = (counts & (rest != T(0))) ? V{} : *finite;
        }
        for (long k = 0; k < job.n_layers; k++) {
          const Layer& layer = layers[k];
          if (layer.alive < 0) continue;
          const V* h = value(layer.out) + r * layer.n_out;
          for (long u = 0; u < layer.n_out; u++)
            alive[layer.alive + u] = (counts & (h[u] > T(0))) ? all<T>(T(1)) : alive[layer.alive + u];
        }
      }
    }
    shown[0] = sums.test_loss, shown[1] = sums.test_hits;
  }
};

// ---- The interface --------------------------------------------------------------------------------------------------

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int32_t vector_bytes() { return VECTOR_BYTES; }
EXPORT int32_t number_bytes() { return sizeof(Number); }
EXPORT int64_t job_bytes() { return sizeof(Job); }
EXPORT int64_t layer_bytes() { return sizeof(Layer); }

EXPORT int64_t workspace(const Job* job) { return Block<Number>::n_work(*job) * VECTOR_BYTES; }

// Train all blocks from epoch `from` to before `to`.
EXPORT void train(const Job* job, int64_t from, int64_t to) {
  for (int64_t b = 0; b < job->n_blocks; b++) Block<Number>(*job, b).run(from, to);
}

// Look at a block's networks as they are, see Block::look.
EXPORT void look(const Job* job, int64_t block, void* shown, void* outputs, void* alive, void* finite) {
  using V = Vec<Number>;
  Block<Number>(*job, block).look((V*)shown, (V*)outputs, (V*)alive, (V*)finite);
}
