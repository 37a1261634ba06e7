// The training of a block of networks: forward, loss, backward and step. Both layouts share this code.
#pragma once
#include "activations.h"
#include "embeddings.h"
#include "job.h"
#include "products.h"

static const double BETA1 = 0.9, BETA2 = 0.999, EPS = 1e-8, CLIP_EPS = 1e-6;

template <class U> INLINE U mixed(U x) {  // the finaliser of MurmurHash3, as randomness.py has it
  x = (x ^ (x >> 16)) * 0x85ebca6bu;
  x = (x ^ (x >> 13)) * 0xc2b2ae35u;
  return x ^ (x >> 16);
}

// A layout decides what lies in the lanes of vectors, and holds the parameters; see networks.h and units.h.
template <class Layout> struct Block {
  using T = typename Layout::T;
  using V = Vec<T>;
  using M = Mask<T>;
  using U32 = typename Lanes<T>::U32;
  using Unit = typename Layout::Unit;  // a number of each network of the block
  static constexpr int L = Lanes<T>::L, N = Layout::NETWORKS, ROWS = Layout::ROWS;

  const Job& job;
  const long number;
  V* free;  // the rest of the work space
  Layout layout;
  const Layer* const layers;
  V* const params;
  const T *X, *y, *train, *test, *scale, *shift, *extra, *y_scale, *y_shift, *constants;  // N numbers a place, but X and y
  T* figures;
  int32_t* learned;  // rows that a single network trains on
  long n_learned;
  char* tiles;  // of each tile: 1 if it has training rows, 2 if it has test rows, 3 if both
  V *gradients, *folded, *folded_gradients, *values, *slopes, *outputs, *output_slopes, *logarithms, *zeros;
  T *gathered, *targets, *weights;  // of a minibatch's rows
  const V *first_weight, *first_bias;  // of the first layer, what a split makes of the table folded in
  V *first_weight_gradient, *first_bias_gradient;

  template <class U> static U* at(const void* base, long place) {
    return base ? (U*)base + place : nullptr;
  }

  static long width(long units) { return Layout::width(units); }

  static bool folds(const Job& job) { return job.scale && job.layers[0].kind == LINEAR; }

  // Vectors of a tile's outputs in the loss.
  static long n_judged(const Job& job) { return (job.tile + ROWS - 1) / ROWS * (long)job.n_outputs; }

  static long n_work(const Job& job) {
    long folded = folds(job) ? (job.n_features + 1) * width(job.layers[0].n_out) : 0;
    long rows = job.tile * (long)(job.n_values + job.n_gradients + job.n_features + job.n_outputs + 1);
    long n_tiles = (job.n_rows + job.tile - 1) / job.tile;
    return Layout::n_work(job) + Layout::n_packed(job) + 2 * folded + rows + 3 * n_judged(job) + 1 +
           (n_tiles + (N == 1 ? job.n_rows * (long)sizeof(int32_t) : 0)) / VECTOR_BYTES + 1;
  }

  // `all_rows`: whether passes over the table follow, and not minibatches or test rows alone.
  APART Block(const Job& job, long number, bool all_rows)
      : job(job), number(number), free((V*)job.work), layout(job, number, free), layers(layout.layers),
        params(layout.params) {
    long b = number * N, rows = b * job.n_rows, features = b * job.n_features;
    X = (const T*)job.X, y = (const T*)job.y;
    train = at<T>(job.train, rows), test = at<T>(job.test, rows);
    scale = at<T>(job.scale, features), shift = at<T>(job.shift, features);
    extra = at<T>(job.extra, b * job.n_givers);
    y_scale = at<T>(job.y_scale, b), y_shift = at<T>(job.y_shift, b);
    constants = at<T>(job.constants, b * job.n_constants);
    figures = at<T>(job.figures, b * (job.n_epochs + 1) * 4);
    auto take = [&](long n) { V* start = free; free += n; return start; };
    long n_weights = job.n_features * width(layers[0].n_out);
    long n_folded = folds(job) ? n_weights + width(layers[0].n_out) : 0;
    gradients = take(layout.n_params), folded = take(n_folded), folded_gradients = take(n_folded);
    values = take(job.tile * (long)job.n_values), slopes = take(job.tile * (long)job.n_gradients);
    gathered = (T*)take(job.tile * (long)job.n_features), targets = (T*)take(job.tile * (long)job.n_outputs);
    weights = (T*)take(job.tile), outputs = take(n_judged(job)), output_slopes = take(n_judged(job));
    logarithms = take(n_judged(job)), zeros = take(1);
    learned = (int32_t*)free, n_learned = 0;
    for (long row = 0; N == 1 && all_rows && row < job.n_rows; row++)
      if (train[row] != T(0)) learned[n_learned++] = row;
    tiles = (char*)(learned + (N == 1 ? job.n_rows : 0));
    for (long row = 0; all_rows && row < job.n_rows; row += job.tile) {
      long n = job.n_rows - row < job.tile ? job.n_rows - row : job.tile;
      tiles[row / job.tile] = any(train + row * N, n * N) + 2 * any(test + row * N, n * N);
    }
    zeros[0] = V{};
    bool is_folded = folds(job);
    first_weight = is_folded ? folded : params + layers[0].weight;
    first_bias = is_folded ? folded + n_weights : layers[0].bias < 0 ? nullptr : params + layers[0].bias;
    first_weight_gradient = is_folded ? folded_gradients : gradients + layers[0].weight;
    first_bias_gradient = is_folded ? folded_gradients + n_weights : layers[0].bias < 0 ? nullptr
                                                                                  : gradients + layers[0].bias;
    fold();
  }

  static bool any(const T* weights, long n) {
    for (long i = 0; i < n; i++)
      if (weights[i] != T(0)) return true;
    return false;
  }

  V network_values(const T* array, long place) const { return Layout::network_values(array, place); }
  // A buffer of n units holds n vectors a row, of which `width(n)` are in use.
  V* value(int32_t buffer) const { return values + buffer * (long)job.tile; }
  V* gradient(int32_t buffer) const { return slopes + buffer * (long)job.tile; }

  // -- A split's scales, folded into the first layer: X' = scale * X + shift + what givers add, so X' W + b =
  // X (scale * W + ...) + (b + shift W).

  APART void fold() {
    if (!folds(job)) return;
    const Layer& first = layers[0];
    const V* W = params + first.weight;
    long n = width(first.n_out);
    V* bias = folded + job.n_features * n;
    for (long u = 0; u < n; u++) bias[u] = first.bias < 0 ? V{} : params[first.bias + u];
    for (long i = 0; i < job.n_features; i++) {
      const V by = network_values(scale, i), more = network_values(shift, i);
      for (long u = 0; u < n; u++) folded[i * n + u] = W[i * n + u] * by, bias[u] += W[i * n + u] * more;
    }
    for (long g = 0; g < job.n_givers; g++)
      for (long u = 0; u < n; u++) folded[job.givers[g] * n + u] += W[job.takers[g] * n + u] * network_values(extra, g);
  }

  void unfold_gradients() {
    if (!folds(job)) return;
    const Layer& first = layers[0];
    V *gW = gradients + first.weight, *seen = folded_gradients;
    long n = width(first.n_out);
    const V* gb = seen + job.n_features * n;
    if (first.bias >= 0)
      for (long u = 0; u < n; u++) gradients[first.bias + u] = gb[u];
    for (long i = 0; i < job.n_features; i++) {
      const V by = network_values(scale, i), more = network_values(shift, i);
      for (long u = 0; u < n; u++) gW[i * n + u] = seen[i * n + u] * by + gb[u] * more;
    }
    for (long g = 0; g < job.n_givers; g++)
      for (long u = 0; u < n; u++) gW[job.takers[g] * n + u] += seen[job.givers[g] * n + u] * network_values(extra, g);
  }

  void clear_gradients() {
    for (long i = 0; i < layout.n_params; i++) gradients[i] = V{};
    if (folds(job))
      for (long i = 0; i < (job.n_features + 1) * width(layers[0].n_out); i++) folded_gradients[i] = V{};
  }

  // -- Forward

  // Rows of a tile: `n` rows of the table from `row` on, or a minibatch's rows, which have been gathered.
  // `numbers`: which rows of the table these are, or null, where they are those from `row` on.
  struct Rows {
    long row, n;
    bool is_gathered;
    const int32_t* numbers = nullptr;
  };

  APART void forward(const Rows& rows, bool training, long step) {
    for (long k = 0; k < job.n_layers; k++) {
      const Layer& layer = layers[k];
      const V* in = layer.in < 0 ? nullptr : value(layer.in);
      V* out = value(layer.out);
      long n = rows.n * width(layer.n_out);
      switch (layer.kind) {
        case LINEAR: linear(rows, layer, layer.in < 0, in, out); break;
        case ACTIVATION:
          switch (layer.function) {
#define DO(F) case F: activate<T, F>(layer, in, out, value(layer.spare), n); break;
            FOR_EACH_FUNCTION(DO)
#undef DO
          }
          break;
        case DROPOUT: drop(rows, layer, training, step, in, out); break;
        case LAYERNORM: normalise(rows.n, layer, in, out); break;
        case FORK: for (long i = 0; i < n; i++) out[i] = in[i]; break;
        case ADD: for (long i = 0; i < n; i++) out[i] = in[i] + value(layer.spare)[i]; break;
        default: embed(rows, layer, out);
      }
    }
  }

  typename Layout::Embedding embedding(const Rows& rows, const Layer& layer) const {
    const auto* seen = (const Unit*)value(layer.in < 0 ? 0 : layer.in) + layer.from;
    return {layer, rows.n, Layout::place(1, 0, job.n_features) / N, Layout::place(1, 0, layer.n_out) / N, seen, zeros};
  }

  void embed(const Rows& rows, const Layer& layer, V* out) {
    Unit* to = (Unit*)out + layer.to;
    switch (layer.kind) {
      case SEE:
        embedding(rows, layer).see(job, table(rows), (const Unit*)gathered, (const Unit*)scale, (const Unit*)shift,
                                   (const Unit*)extra, to);
        break;
      case KEEP: embedding(rows, layer).keep(to); break;
      case PERIODIC: embedding(rows, layer).periodic(params, value(layer.spare), gradient(layer.d_in), to); break;
      case PIECEWISE: embedding(rows, layer).piecewise((const Unit*)constants, to); break;
      case LEVELS: embedding(rows, layer).levels(params, to); break;
    }
  }

  // The first layer's inputs as plain numbers, where they are the table's rows or the rows of a single network.
  const T* table(const Rows& rows) const {
    return !rows.is_gathered ? X + rows.row * job.n_features : N == 1 ? gathered : nullptr;
  }

  void linear(const Rows& rows, const Layer& layer, bool first, const V* in, V* out) {
    const V* W = first ? first_weight : params + layer.weight;
    const V* bias = first ? first_bias : layer.bias < 0 ? nullptr : params + layer.bias;
    layout.forward(layer, first ? table(rows) : nullptr, first ? (const V*)gathered : in, W, bias ? bias : zeros,
                   bias ? 1 : 0, out, rows.n);
  }

  void drop(const Rows& rows, const Layer& layer, bool training, long step, const V* in, V* out) {
    long n = width(layer.n_out);
    if (!training) {
      for (long i = 0; i < rows.n * n; i++) out[i] = in[i];
      return;
    }
    float share = (float)layer.a;
    const T factor = layer.a < 1 ? T(1.0 / (1.0 - layer.a)) : T(0);
    float least = share * 16777216.0f;  // exact: a float's 24 bits
    uint32_t threshold = (uint32_t)least + ((float)(uint32_t)least < least);
    auto key = Layout::key((const uint32_t*)job.keys + number * N);
    key = mixed(mixed(key + (uint32_t)step * 0x85ebca77u) + (uint32_t)layer.number * 1274126177u);
    V* mask = value(layer.spare);
    for (long r = 0; r < rows.n; r++)
      for (long u = 0; u < n; u++) {
        const uint32_t row = rows.numbers ? rows.numbers[r] : rows.row + r;
        auto place = mixed(row * 0x9e3779b1u + Layout::unit_numbers(u) * 668265263u + 374761393u);
        U32 x = mixed(key ^ place);
        M keep = __builtin_convertvector((typename Lanes<T>::I32)((x >> 8) >= threshold), M);
        long i = r * n + u;
        mask[i] = keep ? all<T>(factor) : V{};
        out[i] = keep ? in[i] * factor : V{};
      }
  }

  void normalise(long n_rows, const Layer& layer, const V* in, V* out) {
    long units = layer.n_out, n = width(units);
    V *centred = value(layer.spare), *inverse = centred + n_rows * n;
    const V *weight = layer.weight < 0 ? nullptr : params + layer.weight;
    const V *bias = layer.bias < 0 ? nullptr : params + layer.bias;
    for (long r = 0; r < n_rows; r++, in += n, out += n, centred += n) {
      V mean = V{}, variance = V{};
      for (long u = 0; u < n; u++) mean += Layout::real(in[u], u, units);
      mean = Layout::over_lanes(mean) / (T)units;
      for (long u = 0; u < n; u++)
        centred[u] = Layout::real(in[u] - mean, u, units), variance += centred[u] * centred[u];
      inverse[r] = T(1) / root<T>(Layout::over_lanes(variance) / (T)units + T(layer.a));
      for (long u = 0; u < n; u++) {
        centred[u] *= inverse[r];
        V x = weight ? centred[u] * weight[u] : centred[u];
        out[u] = bias ? x + bias[u] : x;
      }
    }
  }

  // -- Loss: figures of the tile's rows, and the gradients of the outputs

  struct Figures {
    V train_loss, train_hits, test_loss, test_hits;

    void add_up() {
      train_loss = Layout::over_lanes(train_loss), train_hits = Layout::over_lanes(train_hits);
      test_loss = Layout::over_lanes(test_loss), test_hits = Layout::over_lanes(test_hits);
    }
  };

  static V where_it_counts(V weight, V x) { return weight != T(0) ? weight * x : V{}; }

  // Numbers of a row, or of L rows side by side from row `r` on; `array` holds `a_row` of them a row, and `n` rows.
  static V column_at(const T* array, long a_row, long r, long k, long n) {
    if constexpr (ROWS == 1) return ((const V*)array)[r * a_row + k];
    V column = V{};
    for (int lane = 0; lane < L; lane++)
      if (r + lane < n) column[lane] = array[(r + lane) * a_row + k];
    return column;
  }

  V target(const Rows& rows, long r, long k) const {
    const long K = job.n_outputs;
    V goal = rows.is_gathered ? column_at(targets, K, r, k, rows.n)
             : ROWS == 1 ? all<T>(y[(rows.row + r) * K + k])
                         : column_at(y + rows.row * K, K, r, k, rows.n);
    return y_scale ? goal * network_values(y_scale, 0) + network_values(y_shift, 0) : goal;
  }

  APART void lose(const Rows& rows, const T* w_train, const T* w_test, Figures& so_far) {
    const Layer& last = layers[job.n_layers - 1];
    const long K = job.n_outputs, stride = width(K) * L, n = (rows.n + ROWS - 1) / ROWS;
    const V* z = value(last.out);
    V* d = gradient(last.d_out);
    if constexpr (ROWS > 1) {
      z = outputs, d = output_slopes;
      for (long i = 0; i < n * K; i++) outputs[i] = column_at((const T*)value(last.out), stride, i / K * ROWS, i % K, rows.n);
    }
    if (job.loss == BCE) {
      // Each of these takes many dependent operations; a processor overlaps those of several rows in short loops.
      for (long i = 0; i < n * K; i++) d[i] = exp<T>(-magnitude<T>(z[i]));
      for (long i = 0; i < n * K; i++) logarithms[i] = log1p<T>(d[i]);
    }
    Figures sums = so_far;
    for (long i = 0; i < n; i++, z += K, d += K) {
      const long r = i * ROWS;
      V loss, hit;
      if (job.loss == BCE && K == 1) judge_labels(rows, r, 1, z, d, logarithms + i, loss, hit);
      else judge(rows, r, z, d, logarithms + i * K, loss, hit);
      if (w_train) {
        V w = column_at(w_train, 1, r, 0, rows.n);
        sums.train_loss += where_it_counts(w, loss), sums.train_hits += where_it_counts(w, hit);
        for (long k = 0; k < K; k++) d[k] = where_it_counts(w, d[k]);
      }
      if (w_test) {
        V w = column_at(w_test, 1, r, 0, rows.n);
        sums.test_loss += where_it_counts(w, loss), sums.test_hits += where_it_counts(w, hit);
      }
      if constexpr (ROWS > 1) {
        T* to = (T*)gradient(last.d_out) + r * stride;
        for (int lane = 0; lane < L && r + lane < rows.n; lane++)
          for (long k = 0; k < K; k++) to[lane * stride + k] = d[k][lane];
      }
    }
    so_far = sums;
  }

  // BCE. `d` holds exp(-|z|) and receives the gradients; `logarithms` holds log(1 + exp(-|z|)).
  INLINE_MEMBER void judge_labels(const Rows& rows, long r, long K, const V* z, V* d, const V* logarithms, V& loss,
                                  V& hit) const {
    const T share = (T)job.smoothing, one = T(1), part = T(1) / (T)K;
    loss = V{}, hit = all<T>(one);
    for (long k = 0; k < K; k++) {
      V goal = target(rows, r, k), e = d[k], half = one / (one + e);
      loss += at_least<T>(z[k], T(0)) - goal * z[k] + logarithms[k];
      V right = (z[k] > T(0)) == (goal > T(0.5)) ? all<T>(one) : V{};
      hit = right < hit ? right : hit;
      d[k] = ((z[k] >= T(0) ? half : e * half) - goal + share * (goal - T(0.5))) * part;
    }
    loss *= part;
  }

  void judge(const Rows& rows, long r, const V* z, V* d, const V* logarithms, V& loss, V& hit) const {
    const long K = job.n_outputs;
    const T share = (T)job.smoothing, one = T(1), part = T(1) / (T)K;
    loss = V{}, hit = all<T>(one);
    if (job.loss == BCE) {
      judge_labels(rows, r, K, z, d, logarithms, loss, hit);
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
  }

  // -- Backward

  APART void backward(const Rows& rows) {
    for (long k = job.n_layers - 1; k >= 0; k--) {
      const Layer& layer = layers[k];
      if (layer.d_out < 0) continue;  // nothing is trained from here on
      const V *d = gradient(layer.d_out), *x = layer.in < 0 ? nullptr : value(layer.in);
      V* d_in = layer.d_in < 0 ? nullptr : gradient(layer.d_in);
      long n = rows.n * width(layer.n_out);
      switch (layer.kind) {
        case LINEAR: linear_back(rows, layer, layer.in < 0, x, d, d_in); break;
        case ACTIVATION:
          if (layer.function <= SIGMOID) x = value(layer.out);
          switch (layer.function) {
#define DO(F) case F: pull_back<T, F>(layer, x, value(layer.spare), d, d_in, n); break;
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
          embedding(rows, layer).periodic_back(params, value(layer.spare), (const Unit*)value(layer.out) + layer.to,
                                               (Unit*)gradient(layer.d_out) + layer.to, d_in, gradients);
          break;
        case LEVELS: embedding(rows, layer).levels_back((const Unit*)d + layer.to, gradients); break;
      }
    }
  }

  void linear_back(const Rows& rows, const Layer& layer, bool first, const V* x, const V* d, V* d_in) {
    V* gb = first ? first_bias_gradient : layer.bias < 0 ? nullptr : gradients + layer.bias;
    if (gb) add_columns<T>(d, rows.n, width(layer.n_out), width(layer.n_out), gb);
    layout.add_gradients(layer, first ? table(rows) : nullptr, first ? (const V*)gathered : x, d,
                         first ? first_weight_gradient : gradients + layer.weight, rows.n);
    if (d_in) layout.backward(layer, d, zeros, d_in, rows.n);
  }

  void normalise_back(long n_rows, const Layer& layer, const V* d, V* d_in) {
    long units = layer.n_out, n = width(units);
    const V *normal = value(layer.spare), *inverse = normal + n_rows * n;
    const V* weight = layer.weight < 0 ? nullptr : params + layer.weight;
    V *gW = layer.weight < 0 ? nullptr : gradients + layer.weight, *gb = layer.bias < 0 ? nullptr : gradients + layer.bias;
    for (long r = 0; r < n_rows; r++, d += n, d_in += n, normal += n) {
      V mean = V{}, along = V{};
      for (long u = 0; u < n; u++) {
        V slope = Layout::real(d[u], u, units);
        if (gW) gW[u] += slope * normal[u];
        if (gb) gb[u] += slope;
        d_in[u] = weight ? slope * weight[u] : slope;
        mean += d_in[u], along += d_in[u] * normal[u];
      }
      mean = Layout::over_lanes(mean) / (T)units, along = Layout::over_lanes(along) / (T)units;
      for (long u = 0; u < n; u++) d_in[u] = inverse[r] * (d_in[u] - mean - normal[u] * along);
    }
  }

  // Rows that a network doesn't train on may contain numbers that overflow; zero times infinity would be NaN.
  void forget_values(const Rows& rows, const T* w_train) {
    for (long k = 0; k < job.n_layers; k++) {
      const Layer& layer = layers[k];
      long n = width(layer.n_out);
      for (long r = 0; r < rows.n; r++) {
        bool keeps = layer.kind == LAYERNORM || (layer.kind == ACTIVATION && layer.function == SILU);
        long n_spare = keeps ? n : 0;  // waves are finite
        V *values = value(layer.out) + r * n, *spare = value(layer.spare) + r * n_spare;
        const M counts = network_values(w_train, r) != T(0);
        for (long u = 0; u < n; u++) values[u] = counts ? values[u] : V{};
        for (long u = 0; u < n_spare; u++) spare[u] = counts ? spare[u] : V{};
        if (layer.kind == LAYERNORM) {
          V& inverse = value(layer.spare)[rows.n * n + r];
          inverse = counts ? inverse : V{};
        }
      }
    }
  }

  // -- Steps

  APART void update(long step) {
    const double* now = job.clock + step * 3;
    const double factor = job.factors ? job.factors[step] : 1.0;
    alignas(VECTOR_BYTES) T rates[N];
    for (int lane = 0; lane < N; lane++) rates[lane] = (T)(job.lr[number * N + lane] * factor);
    const V rate = network_values(rates, 0), decay = network_values((const T*)job.decay, number);
    V factors = all<T>(T(1)), *moments = layout.moments;
    unfold_gradients();
    layout.clear_padding(gradients);
    if (job.clip > 0) {
      V squares = V{};
      for (long i = 0; i < layout.n_params; i++) squares += gradients[i] * gradients[i];
      factors = at_most<T>(T(job.clip) / (root<T>(Layout::over_lanes(squares)) + T(CLIP_EPS)), T(1));
    }
    const V first_rate = rate / (T)now[1], shrink = T(1) - rate * decay;
    const T momentum = (T)job.momentum, inverse_root = (T)(1.0 / now[2]);
    const T b1 = T(1 - BETA1), b2 = T(BETA2), rest = T(1 - BETA2);
    for (long s = 0; s < job.n_segments; s++) {
      const Segment& part = layout.segments[s];
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
          V *first = moments + i, *second = moments + layout.n_params + i;
          *first += b1 * (g - *first);
          *second = b2 * *second + rest * g * g;
          params[i] = p - first_rate * *first / (root<T>(*second) * inverse_root + T(EPS));
        }
      }
    }
    layout.stepped();
    fold();
  }

  // One pass over the table. `learns`: gradients of the training rows, and their figures; `tests`: figures of test rows.
  void pass(bool learns, bool tests, long step, Figures& sums) {
    if constexpr (N == 1) {  // the network's own rows, and no others
      if (tests) test_rows(sums, nullptr);
      for (long place = 0; learns && place < n_learned; place += job.tile) {
        Rows rows{place, n_learned - place < job.tile ? n_learned - place : job.tile, true, learned + place};
        gather(rows.numbers, 1, train, rows.n);
        forward(rows, true, step);
        lose(rows, weights, nullptr, sums);
        backward(rows);
      }
      return;
    }
    for (long row = 0; row < job.n_rows; row += job.tile) {
      Rows rows{row, job.n_rows - row < job.tile ? job.n_rows - row : job.tile, false};
      bool learn = learns && (tiles[row / job.tile] & 1), look = tests && (tiles[row / job.tile] & 2);
      if (!learn && !look) continue;
      forward(rows, learns, step);
      lose(rows, learn ? train + row * N : nullptr, look ? test + row * N : nullptr, sums);
      if (!learn) continue;
      if (job.guarded) forget_values(rows, train + row * N);
      backward(rows);
    }
  }

  // Copy picked rows [row][N] together, `stride` numbers apart; -1 is none. `counts`: what each row counts.
  APART void gather(const int32_t* picked, long stride, const T* counts, long n) {
    const long F = job.n_features, K = job.n_outputs;
    for (long r = 0; r < n; r++)
      for (int lane = 0; lane < N; lane++) {
        long row = picked[r * stride + lane];
        weights[r * N + lane] = row < 0 ? T(0) : counts[row * N + lane];
        if (row < 0) row = 0;
        for (long i = 0; i < F; i++) gathered[(r * F + i) * N + lane] = X[row * F + i];
        for (long k = 0; k < K; k++) targets[(r * K + k) * N + lane] = y[row * K + k];
      }
  }

  void minibatches(long epoch) {
    V shares = V{}, loss = V{}, hits = V{};
    const long stride = (long)job.n_blocks * N, places = (long)job.n_batches * job.batch_size;
    const int32_t* picked = job.picked + (epoch - job.first_epoch) * places * stride + number * N;
    for (long batch = 0; batch < job.n_batches; batch++, picked += job.batch_size * stride) {
      alignas(VECTOR_BYTES) T counted[N] = {};
      for (long r = 0; r < job.batch_size; r++)
        for (int lane = 0; lane < N; lane++) {
          int32_t row = picked[r * stride + lane];
          if (row >= 0) counted[lane] += train[(long)row * N + lane];
        }
      const V share = network_values(counted, 0);
      Figures sums{};
      clear_gradients();
      long step = epoch * job.n_batches + batch;
      for (long place = 0; place < job.batch_size; place += job.tile) {
        Rows rows{place, job.batch_size - place < job.tile ? job.batch_size - place : job.tile, true};
        gather(picked + place * stride, stride, train, rows.n);
        for (long i = 0; i < rows.n * N; i++) weights[i] /= counted[i % N];
        forward(rows, true, step);
        lose(rows, weights, nullptr, sums);
        if (job.guarded) forget_values(rows, weights);
        backward(rows);
      }
      update(step);
      sums.add_up();
      loss += sums.train_loss * share, hits += sums.train_hits * share, shares += share;
    }
    Layout::keep(figures, epoch * 4, loss / shares), Layout::keep(figures, epoch * 4 + 1, hits / shares);
  }

  void run(long from, long to) {
    for (long epoch = from; epoch < to; epoch++) {
      Figures sums{};
      bool together = job.same_in_training && !job.batch_size;
      if (!together && !job.patient) test_rows(sums, nullptr);
      if (job.batch_size) {
        minibatches(epoch);
      } else {
        clear_gradients();
        pass(true, together && !job.patient, epoch, sums);
        update(epoch);
      }
      sums.add_up();
      if (!job.batch_size) {
        Layout::keep(figures, epoch * 4, sums.train_loss), Layout::keep(figures, epoch * 4 + 1, sums.train_hits);
      }
      Layout::keep(figures, epoch * 4 + 2, sums.test_loss), Layout::keep(figures, epoch * 4 + 3, sums.test_hits);
    }
    layout.store();
  }

  // Figures of the test rows, each network's own, and outputs [place][output][N], if asked.
  APART void test_rows(Figures& sums, T* outputs) {
    const long stride = (long)job.n_blocks * N, K = job.n_outputs;
    for (long place = 0; place < job.n_tested; place += job.tile) {
      Rows rows{place, job.n_tested - place < job.tile ? job.n_tested - place : job.tile, true};
      gather(job.tested + place * stride + number * N, stride, test, rows.n);
      forward(rows, false, 0);
      lose(rows, nullptr, weights, sums);
      const V* z = value(layers[job.n_layers - 1].out);
      for (long i = 0; outputs && i < rows.n * K; i++) {
        const T* from = (const T*)z + Layout::place(i / K, i % K, K);
        for (int lane = 0; lane < N; lane++) outputs[(place * K + i) * N + lane] = from[lane];
      }
    }
  }

  // Test figures [2][N] and outputs of the networks as they are.
  void look(T* shown, T* outputs) {
    Figures sums{};
    test_rows(sums, outputs);
    sums.add_up();
    Layout::keep(shown, 0, sums.test_loss), Layout::keep(shown, 1, sums.test_hits);
  }
};
