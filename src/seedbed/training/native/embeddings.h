// Embeddings of inputs before the first linear layer, for L networks at a time.
//
//     seen [row][input]              row of the embedded inputs (out_row units)
//     +--------+-----+--------+      +--------+-----------------------------+------------------+----
//     | others | own | own    |  ->  | others | x ..., relu(W waves + b)    | bins of each ... | ...
//     +--------+-----+--------+      | KEEP   | PERIODIC                    | PIECEWISE        | LEVELS
//                                    +--------+-----------------------------+------------------+----
//
// Python has put the inputs in the order of the layers that take them, so each layer reads neighbours. The layers see the
// table itself, so inputs need no gradient. Each function goes through the rows of a tile.
#pragma once
#include "job.h"
#include "products.h"

// Rows of a tile, and what both layouts do with them. X is a vector with one lane per network, or one network's number.
template <class X> struct Seen {
  const Layer& layer;
  long n_rows, seen_row, out_row;  // rows of the tile; from one row to the next, of `seen` and of the embedded inputs
  const X* seen;                   // of the first row, the layer's first input

  void keep(X* out) const {
    for (long r = 0; r < n_rows; r++)
      for (long i = 0; i < layer.n_in; i++) out[r * out_row + i] = seen[r * seen_row + i];
  }

  // Piecewise linear: an input's position in each of its bins, from `least` to `most`. The constants of the bins are
  // [left, 1 / width, least, most] by [input][bin].
  void piecewise(const X* constants, X* out) const {
    const long bins = layer.each, n = layer.n_in * bins;
    const X *left = constants + layer.weight, *factor = left + n, *least = factor + n, *most = least + n;
    for (long r = 0; r < n_rows; r++, out += out_row)
      for (long i = 0; i < layer.n_in; i++) {
        const X x = seen[r * seen_row + i];
        for (long b = i * bins; b < (i + 1) * bins; b++) {
          X come = (x - left[b]) * factor[b];
          come = come < least[b] ? least[b] : come;
          out[b] = come > most[b] ? most[b] : come;
        }
      }
  }
};

template <class T> struct Embedding : Seen<Vec<T>> {
  using V = Vec<T>;
  using Seen<V>::layer, Seen<V>::n_rows, Seen<V>::seen_row, Seen<V>::out_row, Seen<V>::seen, Seen<V>::keep;
  const V* zeros;

  // Inputs as each network sees them: `scale * x + shift`, and what givers add to takers. They come from the table X or
  // are gathered.
  void see(const Job& job, const T* X, const V* gathered, const V* scale, const V* shift, const V* extra, V* out) const {
    const long n = job.n_features;
    for (long r = 0; r < n_rows; r++, out += n) {
      for (long i = 0; i < n; i++) out[i] = X ? all<T>(X[r * n + i]) : gathered[r * n + i];
      if (!scale) continue;
      V addends[job.n_givers + 1];
      for (long g = 0; g < job.n_givers; g++) addends[g] = out[job.givers[g]] * extra[g];
      for (long i = 0; i < n; i++) out[i] = out[i] * scale[i] + shift[i];
      for (long g = 0; g < job.n_givers; g++) out[job.takers[g]] += addends[g];
    }
  }

  // -- Periodic: the inputs, then relu(weight @ [sin(2 pi c x), cos(2 pi c x)] + bias) of each.
  // Waves of a row lie as [input][sines, cosines].

  void periodic(const V* params, V* waves, V*, V* out) const {
    const long K = layer.waves, n_waves = 2 * K * layer.n_in, each = layer.each;
    keep(out);
    for (long i = 0; i < layer.n_in; i++, waves += 2 * K) {
      const V* c = params + layer.frequencies + i * K;
      for (long k = 0; k < K; k++) {
        const V turns = c[k] * T(6.28318530717958647693);
        for (long r = 0; r < n_rows; r++) {
          V* to = waves + r * n_waves + k;
          sin_cos<T>(turns * seen[r * seen_row + i], to[0], to[K]);
        }
      }
      V* to = out + layer.n_in + i * each;
      Product<T, false>{waves, n_waves, 1, params + layer.weight + i * each * 2 * K, 1, 2 * K,
                        params + layer.bias + i * each, 0, 1, to, out_row, 2 * K}.run(n_rows, each);
      for (long r = 0; r < n_rows; r++)
        for (long u = 0; u < each; u++) to[r * out_row + u] = to[r * out_row + u] <= T(0) ? V{} : to[r * out_row + u];
    }
  }

  // `d` arrives at the units [row][out_row] and is changed; `slopes` has space for the waves of one input.
  void periodic_back(const V* params, const V* waves, const V* out, V* d, V* slopes, V* gradients) const {
    const long K = layer.waves, n_waves = 2 * K * layer.n_in, each = layer.each;
    out += layer.n_in, d += layer.n_in;
    for (long i = 0; i < layer.n_in; i++, waves += 2 * K, out += each, d += each) {
      for (long r = 0; r < n_rows; r++)
        for (long u = 0; u < each; u++) d[r * out_row + u] = out[r * out_row + u] <= T(0) ? V{} : d[r * out_row + u];
      const V* weight = params + layer.weight + i * each * 2 * K;
      V *of_weight = gradients + layer.weight + i * each * 2 * K, *of_bias = gradients + layer.bias + i * each;
      add_columns<T>(d, n_rows, out_row, each, of_bias);
      Product<T, false>{d, 1, out_row, waves, n_waves, 1, of_weight, 2 * K, 1, of_weight, 2 * K, n_rows}.run(each, 2 * K);
      Product<T, false>{d, out_row, 1, weight, 2 * K, 1, zeros, 0, 0, slopes, 2 * K, each}.run(n_rows, 2 * K);
      for (long k = 0; k < K; k++) {
        V sum = V{};
        for (long r = 0; r < n_rows; r++) {
          const V *wave = waves + r * n_waves + k, *slope = slopes + r * 2 * K + k;
          sum += (slope[0] * wave[K] - slope[K] * wave[0]) * seen[r * seen_row + i];
        }
        gradients[layer.frequencies + i * K + k] += sum * T(6.28318530717958647693);
      }
    }
  }

  // -- Levels of a category, each with its own numbers: a linear layer of some inputs.

  void levels(const V* params, V* out) const {
    Product<T, false>{seen, seen_row, 1, params + layer.weight, layer.each, 1, zeros, 0, 0, out, out_row,
                      layer.n_in}.run(n_rows, layer.each);
  }

  void levels_back(const V* d, V* gradients) const {
    V* sums = gradients + layer.weight;
    Product<T, false>{seen, 1, seen_row, d, out_row, 1, sums, layer.each, 1, sums, layer.each, n_rows}
        .run(layer.n_in, layer.each);
  }
};

// The same for one network, whose rows are plain numbers: `seen` and the embedded inputs hold the units of a row next to
// each other, padded to full vectors. Sines and products of periodic functions are computed for L rows at a time, one per
// lane: the waves of a tile lie as [input][wave][L rows].
template <class T> struct EmbeddingOfOne : Seen<T> {
  using V = Vec<T>;
  using Seen<T>::layer, Seen<T>::n_rows, Seen<T>::seen_row, Seen<T>::out_row, Seen<T>::seen, Seen<T>::keep;
  static constexpr int L = Lanes<T>::L;
  const V* zeros;

  long n_groups() const { return (n_rows + L - 1) / L; }

  void see(const Job& job, const T* X, const T*, const T* scale, const T* shift, const T* extra, T* out) const {
    const long n = job.n_features;
    for (long r = 0; r < n_rows; r++, X += n, out += out_row) {
      for (long i = 0; i < n; i++) out[i] = scale ? X[i] * scale[i] + shift[i] : X[i];
      for (long g = 0; scale && g < job.n_givers; g++) out[job.takers[g]] += X[job.givers[g]] * extra[g];
    }
  }

  // One number of each of L rows; zeros behind the last row.
  V column_at(const T* numbers, long row, long group) const {
    V column = V{};
    for (int lane = 0; lane < L; lane++)
      if (group * L + lane < n_rows) column[lane] = numbers[(group * L + lane) * row];
    return column;
  }

  void periodic(const V* params, V* waves, V* scratch, T* out) const {
    const long K = layer.waves, G = n_groups(), each = layer.each;
    const T *c = (const T*)(params + layer.frequencies), *weight = (const T*)(params + layer.weight);
    const T* bias = (const T*)(params + layer.bias);
    keep(out);
    out += layer.n_in;
    for (long i = 0; i < layer.n_in; i++, waves += 2 * K * G, c += K, weight += each * 2 * K, bias += each, out += each) {
      for (long g = 0; g < G; g++) {
        const V x = column_at(seen + i, seen_row, g);  // the order of factors decides the last digit of a large angle
        for (long k = 0; k < K; k++)
          sin_cos<T>(c[k] * T(6.28318530717958647693) * x, waves[k * G + g], waves[(K + k) * G + g]);
      }
      Product<T, true>{weight, 2 * K, 1, waves, G, 1, zeros, 0, 0, scratch, G, 2 * K}.run(each, G);
      for (long r = 0; r < n_rows; r++)
        for (long u = 0; u < each; u++) {
          const T x = scratch[u * G + r / L][r % L] + bias[u];
          out[r * out_row + u] = x <= T(0) ? T(0) : x;
        }
    }
  }

  // `slopes` has space for the waves and the units of one input.
  void periodic_back(const V* params, const V* waves, const T* out, const T* d, V* slopes, V* gradients) const {
    const long K = layer.waves, G = n_groups(), each = layer.each;
    const T* weight = (const T*)(params + layer.weight);
    T *of_weight = (T*)(gradients + layer.weight), *of_bias = (T*)(gradients + layer.bias);
    T* of_frequency = (T*)(gradients + layer.frequencies);
    V* unit_slopes = slopes + 2 * K * G;
    out += layer.n_in, d += layer.n_in;
    for (long i = 0; i < layer.n_in; i++, waves += 2 * K * G, weight += each * 2 * K, out += each, d += each) {
      for (long u = 0; u < each; u++, of_bias++) {
        V sum = V{};
        for (long g = 0; g < G; g++) {
          const V reached = column_at(out + u, out_row, g), slope = column_at(d + u, out_row, g);
          unit_slopes[u * G + g] = reached <= T(0) ? V{} : slope;
          sum += unit_slopes[u * G + g];
        }
        *of_bias += total<T>(sum)[0];
        for (long k = 0; k < 2 * K; k++, of_weight++) {
          V along = V{};
          for (long g = 0; g < G; g++) along += unit_slopes[u * G + g] * waves[k * G + g];
          *of_weight += total<T>(along)[0];
        }
      }
      Product<T, true>{weight, 1, 2 * K, unit_slopes, G, 1, zeros, 0, 0, slopes, G, each}.run(2 * K, G);
      for (long k = 0; k < K; k++, of_frequency++) {
        V sum = V{};
        for (long g = 0; g < G; g++) {
          const V cosine = waves[(K + k) * G + g], sine = waves[k * G + g];
          sum += (slopes[k * G + g] * cosine - slopes[(K + k) * G + g] * sine) * column_at(seen + i, seen_row, g);
        }
        *of_frequency += total<T>(sum)[0] * T(6.28318530717958647693);
      }
    }
  }

  void levels(const V* params, T* out) const {
    for (long r = 0; r < n_rows; r++, out += out_row) {
      const T* weight = (const T*)(params + layer.weight);
      for (long u = 0; u < layer.each; u++) out[u] = T(0);
      for (long i = 0; i < layer.n_in; i++, weight += layer.each)
        for (long u = 0; u < layer.each; u++) out[u] += seen[r * seen_row + i] * weight[u];
    }
  }

  void levels_back(const T* d, V* gradients) const {
    for (long r = 0; r < n_rows; r++, d += out_row) {
      T* sums = (T*)(gradients + layer.weight);
      for (long i = 0; i < layer.n_in; i++, sums += layer.each)
        for (long u = 0; u < layer.each; u++) sums[u] += seen[r * seen_row + i] * d[u];
    }
  }
};
