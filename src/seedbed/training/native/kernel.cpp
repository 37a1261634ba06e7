// Trains networks of one architecture through all rows and epochs, without leaving the cache.
//
// Training runs tile by tile, where a tile is some rows of the table: forward, loss, backward, and gradients are summed.
// After the last tile of a batch, the optimizer takes one step. Nothing of a row is kept after its tile. Blocks are
// independent, so a network's result depends neither on its neighbours nor on the number of blocks or threads.
//
// There are two layouts: networks.h has a network in each lane of a vector, units.h the units of one network. Both are
// drawn there. Where to read on:
//
//     job.h          what Python hands over            block.h       forward, loss, backward, step: both layouts
//     lanes.h        vectors, exp, log, tanh ...       networks.h    the layout with networks in lanes
//     products.h     sums of products in registers     units.h       the layout with units in lanes
//     activations.h  activations and derivatives       embeddings.h  embeddings of inputs before the first layer
//     trees.h        decision trees
//
// A library is compiled for float or for double.
#include "block.h"
#include "networks.h"
#include "units.h"
#ifndef NETWORKS_IN_LANES_ALONE
#include "trees.h"
#endif

#ifndef NUMBER
#define NUMBER float
#endif
using Number = NUMBER;  // what this library is compiled for
using Narrow = Block<NetworksInLanes<Number>>;
// The page of `seedbed play` contains these sources as WebAssembly: after a change, run `make kernel`.
#ifdef NETWORKS_IN_LANES_ALONE  // that build, to be small
using Wide = Narrow;
#else
using Wide = Block<UnitsInLanes<Number>>;
#endif

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int32_t vector_bytes() { return VECTOR_BYTES; }
EXPORT int32_t number_bytes() { return sizeof(Number); }
EXPORT int64_t job_bytes() { return sizeof(Job); }
EXPORT int64_t layer_bytes() { return sizeof(Layer); }

EXPORT int64_t workspace(const Job* job) {
  return (job->units_in_lanes ? Wide::n_work(*job) : Narrow::n_work(*job)) * VECTOR_BYTES;
}

// Train all blocks that haven't ended from epoch `from` to before `to`.
EXPORT void train(const Job* job, int64_t from, int64_t to) {
  for (int64_t b = 0; b < job->n_blocks; b++) {
    if (job->ended[b]) continue;
    if (job->units_in_lanes) Wide(*job, b, !job->batch_size).run(from, to);
    else Narrow(*job, b, !job->batch_size).run(from, to);
  }
}

// Evaluate a block's networks as they are, see Block::look.
EXPORT void look(const Job* job, int64_t block, Number* shown, Number* outputs) {
  if (job->units_in_lanes) Wide(*job, block, false).look(shown, outputs);
  else Narrow(*job, block, false).look(shown, outputs);
}

#ifndef NETWORKS_IN_LANES_ALONE
// Write 0, 1, ... n - 1 in a random order: that of torch.randperm under the seed, Fisher and Yates by mt19937
// (Matsumoto and Nishimura 1998).
EXPORT void shuffle(uint32_t seed, int64_t n, int64_t* order) {
  constexpr int words = 624, later = 397;
  uint32_t state[words];
  state[0] = seed;
  for (int i = 1; i < words; i++) state[i] = 1812433253u * (state[i - 1] ^ (state[i - 1] >> 30)) + i;
  int at = words;
  for (int64_t i = 0; i < n; i++) order[i] = i;
  for (int64_t i = 0; i + 1 < n; i++) {
    if (at == words) {
      for (int k = 0; k < words; k++) {
        uint32_t both = (state[k] & 0x80000000u) | (state[(k + 1) % words] & 0x7fffffffu);
        state[k] = state[(k + later) % words] ^ (both >> 1) ^ (both & 1 ? 0x9908b0dfu : 0);
      }
      at = 0;
    }
    uint32_t word = state[at++];
    word ^= word >> 11;
    word ^= (word << 7) & 0x9d2c5680u;
    word ^= (word << 15) & 0xefc60000u;
    word ^= word >> 18;
    int64_t other = i + word % (n - i), value = order[i];
    order[i] = order[other];
    order[other] = value;
  }
}

EXPORT int64_t tree_job_bytes() { return sizeof(TreeJob); }

EXPORT int64_t tree_work(TreeJob* job) {
  if (job->n_leaves) return Boosting(*job).memory.bytes;
  return job->n_outputs > 1 ? ExtraTrees<true>(*job).memory.bytes : ExtraTrees<false>(*job).memory.bytes;
}

EXPORT void grow(TreeJob* job) {
  if (job->n_leaves) Boosting(*job).run();
  else if (job->n_outputs > 1) ExtraTrees<true>(*job).run();
  else ExtraTrees<false>(*job).run();
}

// Add up the values of the leaves that each row reaches [row][output], see Leaves. The trees begin at the first nodes.
EXPORT void add_leaves(const Number* x, int64_t n_rows, int64_t n_features, const int32_t* feature,
                       const Number* threshold, const int32_t* left, const Number* value, int64_t n_nodes,
                       int64_t n_trees, int64_t depth, int64_t n_outputs, const uint32_t* sets, int64_t n_sets,
                       int64_t n_words, int64_t n_categories, double* sums, float* columns) {
  Leaves<Number>{x, n_rows, n_features, feature, threshold, left, value, n_nodes, n_trees, depth, n_outputs, sets,
                 n_sets, n_words, n_categories, sums, columns}.add();
}
#endif
