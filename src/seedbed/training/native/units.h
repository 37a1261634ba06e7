// The layout with units in lanes: best for wide layers. A block is one network.
//
// The units of a layer fill vectors, the last of which is padded:
//
//     a row's values of a layer of n units       weights of a wide layer           of a narrow layer (at most L/2
//     +-----------+-----------+-----+---------+  +-----------------------------+   units), other than the first:
//     | unit      | unit      |     | ... n-1 |  | W[0]: out 0 1 ... n-1, 0 0  |   +-----------------------------+
//     | 0 ... L-1 | L ... 2L-1| ... | 0 0 0   |  | W[1]: out 0 1 ... n-1, 0 0  |   | out 0: in 0 1 ... m-1, 0 0  |
//     +-----------+-----------+-----+---------+  | ...   (in, out)             |   | ...    (out, in)            |
//                                                +-----------------------------+   +-----------------------------+
//
// Products multiply plain numbers (a row's inputs, one by one) by vectors (weights), as the first layer does in the
// other layout. Gradients of inputs need the transposed weights: a copy, renewed after each step. A narrow layer
// needs none, and sums its products over the lanes.
//
// A slice begins by copying the network's parameters to padded arrays, and ends by copying them back. The padding of
// parameters, and of their gradients and moments, is always zero. That of values may be anything, so sums over units
// leave it out (`real`). The loss works on L rows at a time, one per lane.
#pragma once
#include "embeddings.h"
#include "job.h"
#include "products.h"

template <class Number> struct UnitsInLanes {
  using T = Number;
  using V = Vec<T>;
  using Unit = T;
  using Embedding = EmbeddingOfOne<T>;
  using U32 = typename Lanes<T>::U32;
  using Key = uint32_t;
  static constexpr int L = Lanes<T>::L, NETWORKS = 1, ROWS = L;

  static constexpr long LINE = 64 / VECTOR_BYTES;  // vectors in a line of the cache
  static long in_lines(long vectors) { return (vectors + LINE - 1) / LINE * LINE; }

  // Vectors in which the units are, and those that a row takes. Rows that lie a multiple of four lines apart share few
  // places of the first-level cache, so if they are longer than that, they take a line more.
  static long filled(long units) { return (units + L - 1) / L; }
  static long width(long units) {
    long n = filled(units);
    return n > 4 * LINE && n % (4 * LINE) == 0 ? n + LINE : n;
  }
  static long place(long row, long unit, long units) { return row * width(units) * L + unit; }

  // The vector with zeros for padding.
  static V real(V x, long vector, long units) {
    long left = units - vector * L;
    return left >= L ? x : lane_numbers<T>() < (int)left ? x : V{};
  }

  static V network_values(const T* array, long place) { return all<T>(array[place]); }
  static void keep(T* array, long place, V x) { array[place] = x[0]; }
  static V over_lanes(V x) { return total<T>(x); }

  static Key key(const uint32_t* keys) { return *keys; }
  static U32 unit_numbers(long vector) {
    U32 units;
    for (int lane = 0; lane < L; lane++) units[lane] = (uint32_t)(vector * L + lane);
    return units;
  }

  // -- Parameters in padded arrays

  struct Matrix { long rows, columns; bool turned; };  // of a segment; `turned`: its columns lie in a row outside

  static bool is_narrow(const Job& job, long k) {
    return k > 0 && job.layers[k].kind == LINEAR && job.layers[k].n_out <= L / 2;
  }

  APART static Matrix matrix(const Job& job, const Segment& segment) {
    for (long k = 0; k < job.n_layers; k++) {
      const Layer& layer = job.layers[k];
      if (layer.kind != LINEAR || layer.weight != segment.start) continue;
      if (is_narrow(job, k)) return {layer.n_out, layer.n_in, true};
      return {layer.n_in, layer.n_out, false};
    }
    return {1, segment.count, false};
  }

  // Vectors of the segments that begin before a place.
  APART static long packed(const Job& job, long place) {
    long n = 0;
    for (long s = 0; s < job.n_segments && job.segments[s].start < place; s++) {
      Matrix m = matrix(job, job.segments[s]);
      n += in_lines(m.rows * width(m.columns));
    }
    return n;
  }

  static long n_packed(const Job& job) { return packed(job, job.n_params); }

  static long n_turned(const Job& job, long k) {
    const Layer& layer = job.layers[k];
    return k == 0 || layer.kind != LINEAR || is_narrow(job, k) ? 0 : layer.n_out * width(layer.n_in);
  }

  static long vectors(long bytes) { return in_lines((bytes + VECTOR_BYTES - 1) / VECTOR_BYTES); }

  static long n_work(const Job& job) {
    long n = (1 + job.n_moments) * n_packed(job);
    for (long k = 0; k < job.n_layers; k++) n += n_turned(job, k);
    return n + vectors(job.n_layers * sizeof(Layer)) + vectors(job.n_layers * sizeof(V*)) +
            vectors(job.n_segments * sizeof(Segment));
  }

  const Job& job;
  Layer* layers;      // with places in padded arrays, in vectors
  Segment* segments;
  const long n_params;  // in vectors
  V *params, *moments;
  V** turned;  // [layer], the transposed weights, or null
  T *outside, *outside_moments;  // as Python has them

  APART UnitsInLanes(const Job& job, long block, V*& free) : job(job), n_params(n_packed(job)) {
    outside = (T*)job.params + block * job.n_params;
    outside_moments = (T*)job.moments + block * job.n_moments * job.n_params;
    auto take = [&](long n) { V* start = free; free += n; return start; };
    params = take(n_params), moments = take(job.n_moments * n_params);
    layers = (Layer*)take(vectors(job.n_layers * sizeof(Layer)));
    segments = (Segment*)take(vectors(job.n_segments * sizeof(Segment)));
    turned = (V**)take(vectors(job.n_layers * sizeof(V*)));
    for (long k = 0; k < job.n_layers; k++) {
      layers[k] = job.layers[k];
      turned[k] = n_turned(job, k) ? take(n_turned(job, k)) : nullptr;
      if (layers[k].kind == PIECEWISE) continue;  // its constants aren't packed
      layers[k].frequencies = packed(job, layers[k].frequencies);
      if (layers[k].weight >= 0) layers[k].weight = packed(job, layers[k].weight);
      if (layers[k].bias >= 0) layers[k].bias = packed(job, layers[k].bias);
    }
    for (long s = 0; s < job.n_segments; s++) {
      long start = packed(job, job.segments[s].start), end = packed(job, job.segments[s].start + 1);
      segments[s] = {(int32_t)start, (int32_t)(end - start), job.segments[s].decays};
    }
    load();
  }

  APART void copy(T* plain, V* padded, bool inwards) const {
    for (long s = 0; s < job.n_segments; s++) {
      Matrix m = matrix(job, job.segments[s]);
      T *one = plain + job.segments[s].start, *row = (T*)(padded + segments[s].start);
      for (long r = 0; r < m.rows; r++, row += width(m.columns) * L) {
        T* other = one + (m.turned ? r : r * m.columns);
        if (!m.turned) {
          __builtin_memcpy(inwards ? row : other, inwards ? other : row, m.columns * sizeof(T));
          continue;
        }
        for (long c = 0; c < m.columns; c++, other += m.rows)
          if (inwards) row[c] = *other;
          else *other = row[c];
      }
    }
  }

  void load() {
    for (long i = 0; i < (1 + job.n_moments) * n_params; i++) params[i] = V{};
    copy(outside, params, true);
    for (long i = 0; i < job.n_moments; i++) copy(outside_moments + i * job.n_params, moments + i * n_params, true);
    stepped();
  }

  void store() {
    copy(outside, params, false);
    for (long i = 0; i < job.n_moments; i++) copy(outside_moments + i * job.n_params, moments + i * n_params, false);
  }

  // Transpose the weights that have changed, L x L numbers at a time.
  APART void stepped() {
    for (long k = 0; k < job.n_layers; k++) {
      const Layer& layer = layers[k];
      if (!turned[k]) continue;
      long from = width(layer.n_out), to = width(layer.n_in);
      for (long i = 0; i < to; i++)
        for (long o = 0; o < from; o++) {
          V square[L];
          for (int r = 0; r < L; r++)
            square[r] = i * L + r < layer.n_in ? params[layer.weight + (i * L + r) * from + o] : V{};
          transpose<T>(square);
          for (int r = 0; r < L && o * L + r < layer.n_out; r++)
            turned[k][(o * L + r) * to + i] = square[r];
        }
    }
  }

  APART void clear_padding(V* gradients) const {
    for (long s = 0; s < job.n_segments; s++) {
      Matrix m = matrix(job, job.segments[s]);
      const long n = width(m.columns), first = m.columns / L;
      V* row = gradients + segments[s].start;
      for (long r = 0; first < n && r < m.rows; r++, row += n)
        for (long v = first; v < n; v++) row[v] = real(row[v], v, m.columns);
    }
  }

  // -- The products of a layer. Inputs are the table's rows, without padding, or vectors.

  void forward(const Layer& layer, const T* table, const V* in, const V* W, const V* start, long start_unit, V* out,
               long n) const {
    long ni = layer.n_in, no = width(layer.n_out), row = table ? ni : width(ni) * L;
    if (table || turned[&layer - layers]) {
      const T* a = table ? table : (const T*)in;
      Product<T, true>{a, row, 1, W, no, 1, start, 0, start_unit, out, no, ni}.run(n, filled(layer.n_out));
      return;
    }
    // Sums over lanes: of L rows at once, as a square of sums is transposed more quickly than added up.
    const long wi = width(ni), filled_in = filled(ni);
    for (long r = 0; r < n; r += L) {
      for (long i = r; i < n && i < r + L; i++) out[i] = *start;
      for (long o = 0; o < layer.n_out; o++) {
        V sums[L] = {};
        for (long i = 0; i < filled_in; i++) {
          const V weight = W[o * wi + i];
          for (int k = 0; k < L; k++)
            sums[k] += real(in[(r + k < n ? r + k : r) * wi + i], i, ni) * weight;
        }
        transpose<T>(sums);
        for (int k = 1; k < L; k++) sums[0] += sums[k];
        for (int k = 0; k < L && r + k < n; k++) out[r + k][o] += sums[0][k];
      }
    }
  }

  void add_gradients(const Layer& layer, const T* table, const V* in, const V* d, V* gW, long n) const {
    long ni = layer.n_in, no = width(layer.n_out), row = table ? ni : width(ni) * L;
    if (table || turned[&layer - layers]) {
      const T* a = table ? table : (const T*)in;
      Product<T, true>{a, 1, row, d, no, 1, gW, no, 1, gW, no, n}.run(ni, filled(layer.n_out));
    } else {
      long wi = width(ni);
      Product<T, true>{(const T*)d, 1, no * L, in, wi, 1, gW, wi, 1, gW, wi, n}.run(layer.n_out, filled(ni));
    }
  }

  void backward(const Layer& layer, const V* d, const V* zero, V* d_in, long n) const {
    long wi = width(layer.n_in), no = width(layer.n_out);
    const V* W = turned[&layer - layers];
    if (!W) W = params + layer.weight;
    Product<T, true>{(const T*)d, no * L, 1, W, wi, 1, zero, 0, 0, d_in, wi, layer.n_out}.run(n, filled(layer.n_in));
  }
};
