// The layout with networks in lanes: best for narrow layers, whose units don't fill a vector.
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
#pragma once
#include "job.h"
#include "embeddings.h"
#include "products.h"

template <class Number> struct NetworksInLanes {
  using T = Number;
  using V = Vec<T>;
  using Unit = V;
  using Embedding = ::Embedding<T>;
  using Key = typename Lanes<T>::U32;  // of random bits
  static constexpr int L = Lanes<T>::L, NETWORKS = L, ROWS = 1;  // of a vector of a layer's values

  // Vectors that a row's units take; where a unit's number of network 0 lies; and whether all lanes are in use.
  static long width(long units) { return units; }
  static long place(long row, long unit, long units) { return (row * units + unit) * L; }
  static V real(V x, long, long) { return x; }

  static V network_values(const T* array, long place) { return ((const V*)array)[place]; }
  static void keep(T* array, long place, V x) { ((V*)array)[place] = x; }
  static V over_lanes(V x) { return x; }  // the sum of what belongs to one network

  static Key key(const uint32_t* keys) {
    Key key;
    for (int lane = 0; lane < L; lane++) key[lane] = keys[lane];
    return key;
  }
  static uint32_t unit_numbers(long vector) { return (uint32_t)vector; }

  // Parameters are used where they lie.
  const Layer* const layers;
  const Segment* const segments;
  const long n_params;
  V *const params, *const moments;

  static long n_packed(const Job& job) { return job.n_params; }
  static long n_work(const Job&) { return 0; }

  NetworksInLanes(const Job& job, long block, V*&)
      : layers(job.layers), segments(job.segments), n_params(job.n_params),
        params((V*)job.params + block * job.n_params),
        moments((V*)job.moments + block * job.n_moments * job.n_params) {}

  void load() {}
  void store() {}
  void stepped() {}
  void clear_padding(V*) const {}

  // The products of a layer. Inputs are plain numbers, shared by all networks, in `table`, or vectors.
  void forward(const Layer& layer, const T* table, const V* in, const V* W, const V* start, long start_unit, V* out,
               long n) const {
    long ni = layer.n_in, no = layer.n_out;
    if (table) Product<T, true>{table, ni, 1, W, no, 1, start, 0, start_unit, out, no, ni}.run(n, no);
    else Product<T, false>{in, ni, 1, W, no, 1, start, 0, start_unit, out, no, ni}.run(n, no);
  }

  void add_gradients(const Layer& layer, const T* table, const V* in, const V* d, V* gW, long n) const {
    long ni = layer.n_in, no = layer.n_out;
    if (table) Product<T, true>{table, 1, ni, d, no, 1, gW, no, 1, gW, no, n}.run(ni, no);
    else Product<T, false>{in, 1, ni, d, no, 1, gW, no, 1, gW, no, n}.run(ni, no);
  }

  void backward(const Layer& layer, const V* d, const V* zero, V* d_in, long n) const {
    long ni = layer.n_in, no = layer.n_out;
    Product<T, false>{d, no, 1, params + layer.weight, 1, no, zero, 0, 0, d_in, ni, no}.run(n, ni);
  }
};
