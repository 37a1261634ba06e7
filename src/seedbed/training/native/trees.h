// Grows decision trees: boosted ones on bins of the inputs, and extra trees on the inputs themselves.
//
// What is added up over rows are whole numbers, and a product is rounded before it is added to anything. So neither
// processors, compilers nor the number of threads change a bit of a tree, and tests/model/numpy_trees.py, which has the same
// algorithms in NumPy, gives the same trees. Random numbers depend on seed, tree and node alone.
//
// A node's children lie side by side, `left` and `left + 1`, and behind it; a leaf has none, which is -1. Nodes are
// numbered in each tree; a tree follows the one before it.
//
// Of a category, a node has the set of levels that go to the right, a bit each. Of boosted trees, it is the side with fewer
// rows, so levels that the node didn't see go with most rows.
#pragma once
#include "lanes.h"

struct TreeJob {
  const void* X;             // boosted: bins, uint8 [row][input]; extra: `int32_t` that sort as floats [input][row]
  const int32_t* train;      // the rows that trees are grown on [place]
  const int32_t* test;       // boosted: rows left out [place]
  const double* y;           // classes or numbers [row]
  const double* weights;     // boosted [row]
  const int32_t* n_bins;     // boosted [input]
  const int32_t* n_levels;   // of a category, whose values are levels; 0 of a number [input]. At most 256; level 0 is
                             // one that training doesn't know, which goes to the left
  const int64_t* counts;     // extra: weights of the rows, in whole numbers [place] ...
  const int64_t* targets;    // ... and weights times numbers, or classes that aren't multiplied [place]
  double* outputs;           // boosted: the sums so far [row][output]
  double* tested;            // boosted: the sums after each iteration [iteration][place among test][output]
  int32_t *sizes, *feature, *left;  // of each tree [tree]; [node], [node]
  float* threshold;          // [node]; boosted: the last bin that goes to the left
  float* value;              // [node][output]; boosted: [node], as a tree has one output
  uint32_t* sets;            // of nodes that split a category [node][word]
  void* work;                // `tree_work` bytes
  const volatile int32_t* halted;  // not 0 if the trees aren't needed any more: they stay unfinished then
  int64_t n_rows, n_train, n_test, n_inputs, n_outputs, n_trees, first;  // first: the number of the first tree
  int64_t n_sampled, least, n_words;  // inputs that a node tries, rows of a leaf, and words of a set
  int64_t n_leaves, of_classes, count_bits, most;  // boosted; n_leaves of extra trees is 0; most: of a gradient
  double rate, penalty;      // boosted
  double smoothing, set_penalty;  // boosted: of the order of levels, and the penalty of a split of a category
  double slope, curve;       // boosted: gradients and curvatures are multiplied by these powers of 2
  double unit;               // extra: the leaves are multiplied by it
  uint64_t seed;
};

// A number that the compiler can't join with what is computed from it: as one rounding, or in another order.
template <class V> INLINE V rounded(V x) {
#if defined(__x86_64__)
  asm("" : "+x"(x));
#elif defined(__aarch64__)
  asm("" : "+w"(x));
#endif
  return x;
}

struct Random {  // splitmix64 (Steele, Lea and Flood 2014) of numbers: what is drawn doesn't depend on an order
  uint64_t key;
  static constexpr uint64_t STEP = 0x9e3779b97f4a7c15u;
  INLINE uint64_t mixed(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  Random(uint64_t seed, int64_t tree, int64_t node) : key(mixed(mixed(seed + STEP * (tree + 1)) + STEP * (node + 1))) {}
  INLINE_MEMBER uint64_t word(int64_t number) const { return mixed(key + STEP * (number + 1)); }
  INLINE_MEMBER int64_t below(int64_t number, int64_t n) const { return ((word(number) >> 32) * (uint64_t)n) >> 32; }
  INLINE_MEMBER double share(int64_t number) const { return (double)(word(number) >> 40) * 0x1p-24; }
};

// The inputs in random order, as far as it is drawn.
struct InputOrder {
  int32_t *order, *swapped;
  int64_t n_inputs, n_drawn = 0;
  InputOrder(int32_t* memory, int64_t n_inputs) : order(memory), swapped(memory + n_inputs), n_inputs(n_inputs) {
    for (int64_t i = 0; i < n_inputs; i++) order[i] = i;
  }
  INLINE_MEMBER void swap(int64_t i, int64_t j) {
    int32_t other = order[j];
    order[j] = order[i], order[i] = other;
  }
  INLINE_MEMBER int32_t draw(const Random& random) {
    swapped[n_drawn] = n_drawn + random.below(n_drawn, n_inputs - n_drawn);
    swap(n_drawn, swapped[n_drawn]);
    return order[n_drawn++];
  }
  INLINE_MEMBER void restore() {
    while (n_drawn) n_drawn--, swap(n_drawn, swapped[n_drawn]);
  }
};

// Memory for arrays, one after the other. Without a place it only counts.
struct Memory {
  const int64_t at;
  int64_t bytes = 0;
  template <class U> U* array(int64_t n) {
    U* begin = (U*)(at + bytes);
    bytes += (n * (int64_t)sizeof(U) + 63) / 64 * 64;
    return begin;
  }
};

// Levels of a category, or bins.
struct Set {
  static constexpr int MOST = 256;
  uint32_t words[MOST / 32] = {};
  INLINE_MEMBER void add(int32_t level) { words[level >> 5] |= (uint32_t)1 << (level & 31); }
  INLINE_MEMBER bool has(int32_t level) const { return has(words, level); }
  INLINE bool has(const uint32_t* words, int32_t level) { return words[level >> 5] >> (level & 31) & 1; }
  void write(const TreeJob& job, int64_t node) const {
    for (int64_t i = 0; i < job.n_words; i++) job.sets[node * job.n_words + i] = words[i];
  }
};

// Divide some entries, the lower ones first, in their order.
template <class U> INLINE void divide(U* some, U* spare, const uint8_t* lower, int64_t n) {
  int64_t left = 0, right = 0;
  for (int64_t i = 0; i < n; i++) {
    U one = some[i];
    some[left] = one, spare[right] = one;
    left += lower[i], right += !lower[i];
  }
  __builtin_memcpy(some + left, spare, right * sizeof(U));
}

// -- Boosted trees, as those of LightGBM (Ke and others 2017) and scikit-learn's HistGradientBoosting: the leaf with the
// largest gain is split first.

struct Boosting {
  static constexpr int GROUP = 8, BINS = Set::MOST;  // inputs whose histograms are built together: they stay in the cache
  static constexpr double LEAST_CURVE = 1e-3;
  typedef int64_t Sums __attribute__((vector_size(16)));  // of gradients; of curvatures and, in the lowest bits, rows
  struct Node { int64_t from, to; Sums sums; double gain; int32_t input, bin, left; Set right; };  // right: bins

  TreeJob& job;
  Memory memory;
  Sums* slopes;             // [row]
  double* shares;           // [place][output]
  int32_t *rows, *spare;    // [place]
  uint8_t* lower;           // [place]
  Node* nodes;
  Sums* histogram;
  InputOrder inputs;
  const double slope_unit, curve_unit;  // powers of 2, so products with them aren't rounded

  explicit Boosting(TreeJob& job)
      : job(job), memory{(int64_t)job.work}, slopes(memory.array<Sums>(job.n_rows)),
        shares(memory.array<double>(job.n_train * job.n_outputs)), rows(memory.array<int32_t>(job.n_train)),
        spare(memory.array<int32_t>(job.n_train)), lower(memory.array<uint8_t>(job.n_train)),
        nodes(memory.array<Node>(2 * job.n_leaves)), histogram(memory.array<Sums>(GROUP * BINS)),
        inputs(memory.array<int32_t>(2 * job.n_inputs), job.work ? job.n_inputs : 0), slope_unit(1 / job.slope),
        curve_unit(1 / job.curve) {}

  const uint8_t* bins(int32_t row) const { return (const uint8_t*)job.X + row * job.n_inputs; }

  // e^x from products that are rounded one by one.
  INLINE Vec<double> exponential(Vec<double> x) {
    using S = Lanes<double>;
    constexpr double factorials[12] = {1, 1, 1. / 2, 1. / 6, 1. / 24, 1. / 120, 1. / 720, 1. / 5040, 1. / 40320,
                                       1. / 362880, 1. / 3628800, 1. / 39916800};
    x = at_most<double>(at_least<double>(x, -700.0), 700.0);
    Vec<double> shifted = rounded(x * 1.44269504088896340736) + S::ROUNDING, n = rounded(shifted - S::ROUNDING);
    Vec<double> scale = (Vec<double>)(((typename S::U)shifted << S::MANTISSA) + ((uint64_t)S::BIAS << S::MANTISSA));
    Vec<double> r = rounded(x - rounded(n * S::LN2_HIGH)) - rounded(n * S::LN2_LOW);
    Vec<double> sum = all<double>(factorials[11]);
    UNROLL for (int k = 10; k >= 0; k--) sum = rounded(sum * r) + factorials[k];
    return scale * sum;
  }

  // The probabilities of all classes, from which the gradients of an iteration's trees are computed.
  void predict_shares() {
    const int64_t K = job.n_outputs;
    constexpr int L = Lanes<double>::L;
    if (!job.of_classes) return;
    for (int64_t i = 0; i < job.n_train; i += K == 1 ? L : 1) {
      const int64_t n = K > 1 ? K : job.n_train - i < L ? job.n_train - i : L;
      double *p = shares + i * K, most = 0, sum = 0;
      for (int64_t k = 0; K > 1 && k < K; k++) {
        double z = job.outputs[job.train[i] * K + k];
        most = k && z < most ? most : z;
      }
      for (int64_t k = 0; k < n; k += L) {
        Vec<double> x = Vec<double>{};
        for (int lane = 0; lane < L && k + lane < n; lane++)
          x[lane] = K > 1 ? job.outputs[job.train[i] * K + k + lane] - most : -job.outputs[job.train[i + k + lane]];
        x = exponential(x);
        if (K == 1) x = 1.0 / (1.0 + x);
        for (int lane = 0; lane < L && k + lane < n; lane++) p[k + lane] = x[lane], sum += x[lane];
      }
      for (int64_t k = 0; K > 1 && k < K; k++) p[k] /= sum;
    }
  }

  // Compute the gradients and curvatures of all rows; return their sums.
  Sums find_slopes(int64_t output) {
    const int64_t K = job.n_outputs;
    const double most = (double)job.most;
    Sums total = {};
    for (int64_t i = 0; i < job.n_train; i++) {
      const int32_t row = job.train[i];
      double w = job.weights[row], g, h = 1;
      if (job.of_classes) {
        double p = shares[i * K + output];
        g = p - (K == 1 ? job.y[row] : (double)(job.y[row] == (double)output)), h = p * (1 - p);
      } else {
        g = job.outputs[row] - job.y[row];
      }
      g = w * g * job.slope, h = w * h * job.curve;
      g = g > -most ? g : -most, g = g < most ? g : most;
      const double up = Lanes<double>::ROUNDING;
      Sums slope = {(int64_t)(g + up - up), ((int64_t)(h + up - up) << job.count_bits) + 1};
      slopes[row] = slope, total += slope;
    }
    return total;
  }

  template <int N> INLINE_MEMBER void add_up(const Node& node, const int32_t* input) {
    for (int64_t i = node.from; i < node.to; i++) {
      const uint8_t* bin = bins(rows[i]);
      const Sums add = slopes[rows[i]];
      UNROLL for (int k = 0; k < N; k++) histogram[k * BINS + bin[input[k]]] += add;
    }
  }

  INLINE_MEMBER double slope(Sums sums) const { return (double)sums[0] * slope_unit; }
  INLINE_MEMBER double curve(Sums sums) const { return (double)(sums[1] >> job.count_bits) * curve_unit; }
  INLINE_MEMBER double worth(Sums sums, double penalty) const {
    const double g = slope(sums), h = curve(sums);
    return h < LEAST_CURVE ? -1.0 : g * g / (h + penalty);
  }

  // Write the bins that have rows in the order in which they are split, and return their number. Of a category, levels
  // are sorted by their mean gradient: then some split of this order is the best of all sets (Fisher 1958).
  int32_t sort(const Sums* sums, int32_t input, uint8_t* order) const {
    int32_t n = 0;
    double means[BINS];
    for (int32_t bin = 0; bin < job.n_bins[input]; bin++) {
      if (!sums[bin][1]) continue;
      int32_t at = n++;
      if (job.n_levels[input]) {
        const double mean = slope(sums[bin]) / (curve(sums[bin]) + job.smoothing);
        for (; at && means[at - 1] > mean; at--) means[at] = means[at - 1], order[at] = order[at - 1];
        means[at] = mean;
      }
      order[at] = bin;
    }
    return n;
  }

  // Find the best split of a node among some inputs.
  APART void search(Node& node, const Random& random) {
    const int64_t n = node.to - node.from, mask = ((int64_t)1 << job.count_bits) - 1;
    double most = worth(node.sums, job.penalty), base = most;
    if (n < 2 * job.least || most < 0) return;
    for (int64_t start = 0; start < job.n_sampled; start += GROUP) {
      const int n_inputs = job.n_sampled - start < GROUP ? job.n_sampled - start : GROUP;
      int32_t input[GROUP];
      for (int k = 0; k < n_inputs; k++) {
        input[k] = inputs.draw(random);
        __builtin_memset(histogram + k * BINS, 0, job.n_bins[input[k]] * sizeof(Sums));
      }
      switch (n_inputs) {
        case 1: add_up<1>(node, input); break;
        case 2: add_up<2>(node, input); break;
        case 3: add_up<3>(node, input); break;
        case 4: add_up<4>(node, input); break;
        case 5: add_up<5>(node, input); break;
        case 6: add_up<6>(node, input); break;
        case 7: add_up<7>(node, input); break;
        default: add_up<GROUP>(node, input);
      }
      for (int k = 0; k < n_inputs; k++) {
        const bool is_category = job.n_levels[input[k]];
        const double penalty = is_category ? job.set_penalty : job.penalty;
        uint8_t order[BINS];
        const int32_t n_bins = sort(histogram + k * BINS, input[k], order);
        Sums low = {};
        int32_t last = -1;
        bool are_most = false;
        for (int32_t i = 0; i + 1 < n_bins; i++) {
          low += histogram[k * BINS + order[i]];
          const int64_t n_low = low[1] & mask;
          if (n_low < job.least) continue;
          if (n - n_low < job.least) break;
          const double a = worth(low, penalty), b = worth(node.sums - low, penalty);
          if (a < 0 || b < 0 || !(a + b > most)) continue;
          most = a + b, last = i, are_most = 2 * n_low >= n;
        }
        if (last < 0) continue;
        node.input = input[k], node.bin = is_category ? 0 : order[last], node.right = Set();
        for (int32_t bin = node.bin + 1; bin < job.n_bins[input[k]] && !is_category; bin++) node.right.add(bin);
        for (int32_t i = 0; i < n_bins && is_category; i++)
          if ((i <= last) != are_most) node.right.add(order[i]);
      }
    }
    inputs.restore();
    node.gain = most - base;
  }

  // Grow a tree; return the number of its nodes.
  int64_t grow(int64_t tree, int64_t output, int64_t place) {
    const int64_t K = job.n_outputs;
    __builtin_memcpy(rows, job.train, job.n_train * sizeof(int32_t));
    int64_t n_nodes = 1;
    nodes[0] = Node{0, job.n_train, find_slopes(output), 0, -1, 0, -1, {}};
    search(nodes[0], Random(job.seed, tree, 0));
    while (n_nodes < 2 * job.n_leaves - 1 && !*job.halted) {
      int64_t best = -1;
      for (int64_t i = 0; i < n_nodes; i++)
        if (nodes[i].left < 0 && nodes[i].input >= 0 && (best < 0 || nodes[i].gain > nodes[best].gain)) best = i;
      if (best < 0) break;
      Node& node = nodes[best];
      Sums low = {};
      int64_t n_low = 0;
      for (int64_t i = node.from; i < node.to; i++) {
        lower[i] = !node.right.has(bins(rows[i])[node.input]), n_low += lower[i];
        low += lower[i] ? slopes[rows[i]] : Sums{};
      }
      divide(rows + node.from, spare, lower + node.from, node.to - node.from);
      node.left = n_nodes;
      nodes[n_nodes++] = Node{node.from, node.from + n_low, low, 0, -1, 0, -1, {}};
      nodes[n_nodes++] = Node{node.from + n_low, node.to, node.sums - low, 0, -1, 0, -1, {}};
      for (int64_t i = n_nodes - 2; i < n_nodes && n_nodes < 2 * job.n_leaves - 1; i++)
        search(nodes[i], Random(job.seed, tree, i));
    }
    for (int64_t i = 0; i < n_nodes; i++) {
      const Node& node = nodes[i];
      job.feature[place + i] = node.input, job.left[place + i] = node.left;
      job.threshold[place + i] = node.bin, job.value[place + i] = 0;
      if (node.left >= 0) {
        if (job.n_levels[node.input]) node.right.write(job, place + i);
        continue;
      }
      const float step = (float)(-job.rate * slope(node.sums) / (curve(node.sums) + job.penalty));
      job.value[place + i] = step;
      for (int64_t k = node.from; k < node.to; k++) job.outputs[rows[k] * K + output] += step;
    }
    for (int64_t i = 0; i < job.n_test; i++) {
      int64_t at = 0;
      while (nodes[at].left >= 0) at = nodes[at].left + nodes[at].right.has(bins(job.test[i])[nodes[at].input]);
      job.outputs[job.test[i] * K + output] += job.value[place + at];
    }
    return n_nodes;
  }

  void run() {
    const int64_t K = job.n_outputs;
    int64_t place = 0;
    for (int64_t tree = 0; tree < job.n_trees && !*job.halted; tree++) {
      if (tree % K == 0) predict_shares();
      job.sizes[tree] = grow(job.first + tree, tree % K, place);
      place += job.sizes[tree];
      if (tree % K < K - 1) continue;
      double* tested = job.tested + tree / K * job.n_test * K;
      for (int64_t i = 0; i < job.n_test * K; i++) tested[i] = job.outputs[job.test[i / K] * K + i % K];
    }
  }
};

// -- Extra trees (Geurts, Ernst and Wehenkel 2006): a node tries some inputs, each with one threshold that is drawn
// between its least and its largest value. Levels of a category have random numbers, those of one of some orders. Nodes
// are split until their rows have one target, or equal inputs.

template <bool SEVERAL> struct ExtraTrees {  // SEVERAL: sums of each class
  static constexpr int ORDERS = 8;
  TreeJob& job;
  Memory memory;
  int32_t *rows, *spare, *seen;  // [place]
  int64_t *counts, *targets, *spares;  // [place]
  uint8_t* lower;
  int32_t *from, *to;            // of each node
  int64_t *whole, *low;          // of a node: rows, and the sums of weights and targets, or of each class
  InputOrder inputs;
  int32_t* orders;               // numbers of levels [order][input][level]
  bool equal = true;             // whether all rows have one weight

  explicit ExtraTrees(TreeJob& job)
      : job(job), memory{(int64_t)job.work}, rows(memory.array<int32_t>(job.n_train)),
        spare(memory.array<int32_t>(job.n_train)), seen(memory.array<int32_t>(job.n_train)),
        counts(memory.array<int64_t>(job.n_train)), targets(memory.array<int64_t>(job.n_train)),
        spares(memory.array<int64_t>(job.n_train)), lower(memory.array<uint8_t>(job.n_train)),
        from(memory.array<int32_t>(2 * job.n_train)), to(memory.array<int32_t>(2 * job.n_train)),
        whole(memory.array<int64_t>(job.n_outputs + 2)), low(memory.array<int64_t>(job.n_outputs + 2)),
        inputs(memory.array<int32_t>(2 * job.n_inputs), job.work ? job.n_inputs : 0),
        orders(memory.array<int32_t>(job.n_words ? ORDERS * job.n_inputs * Set::MOST : 0)) {}

  const int32_t* column(int32_t input) const { return (const int32_t*)job.X + input * job.n_rows; }

  // Numbers as whole numbers that sort alike, and back.
  INLINE int32_t sortable(float x) {
    int32_t bits;
    __builtin_memcpy(&bits, &x, 4);
    return bits ^ ((bits >> 31) & 0x7fffffff);
  }
  INLINE float number(int32_t bits) {
    bits ^= (bits >> 31) & 0x7fffffff;
    float x;
    __builtin_memcpy(&x, &bits, 4);
    return x;
  }

  // Return the number of each level of a category in one of the random orders.
  const int32_t* order_of(int64_t order, int32_t input) const {
    return orders + (order * job.n_inputs + input) * Set::MOST;
  }

  bool is_pure(int64_t begin, int64_t end) const {
    const double first = job.y[rows[begin]];
    for (int64_t i = begin + 1; i < end; i++)
      if (job.y[rows[i]] != first) return false;
    return true;
  }

  // Add up the rows whose values aren't above a threshold. Sums wrap, as those of NumPy do.
  INLINE_MEMBER void add_up(int64_t begin, int64_t n, int32_t threshold, int64_t* sums) {
    const uint64_t *count = (const uint64_t*)counts + begin, *target = (const uint64_t*)targets + begin;
    uint64_t n_low = 0, weight = 0, sum = 0, *of_class = (uint64_t*)sums + 2;
    if constexpr (SEVERAL) {
      for (int64_t k = 0; k < job.n_outputs; k++) of_class[k] = 0;
      for (int64_t i = 0; i < n; i++) {
        const uint64_t mask = -(uint64_t)(seen[i] <= threshold);
        of_class[target[i]] += count[i] & mask, weight += count[i] & mask, n_low -= mask;
      }
    } else {
      for (int64_t i = 0; i < n; i++) {
        const uint64_t mask = -(uint64_t)(seen[i] <= threshold);
        sum += target[i] & mask, n_low -= mask;
      }
      for (int64_t i = 0; i < n && !equal; i++) weight += count[i] & -(uint64_t)(seen[i] <= threshold);
      if (equal) weight = n_low * count[0];
      sums[2] = sum;
    }
    sums[0] = n_low, sums[1] = weight;
  }

  // What a split gains, up to a constant: the sum of squared sums over weights.
  INLINE_MEMBER double gain() const {
    double left = 0, right = 0;
    for (int64_t k = 2; k < job.n_outputs + 2; k++) {
      const double a = (double)low[k], b = (double)(int64_t)((uint64_t)whole[k] - (uint64_t)low[k]);
      left += rounded(a * a), right += rounded(b * b);
    }
    return left / (double)low[1] + right / (double)(int64_t)((uint64_t)whole[1] - (uint64_t)low[1]);
  }

  // Return the number of a tree's nodes.
  int64_t grow(int64_t tree, int64_t place) {
    const int64_t K = job.n_outputs;
    __builtin_memcpy(rows, job.train, job.n_train * sizeof(int32_t));
    __builtin_memcpy(counts, job.counts, job.n_train * sizeof(int64_t));
    __builtin_memcpy(targets, job.targets, job.n_train * sizeof(int64_t));
    int64_t n_nodes = 1;
    from[0] = 0, to[0] = job.n_train;
    for (int64_t node = 0; node < n_nodes && !*job.halted; node++) {
      const int64_t begin = from[node], n = to[node] - begin, at = place + node;
      int32_t best = -1, chosen = 0;
      const int32_t* chosen_order = nullptr;
      for (int64_t i = 0; i < n; i++) seen[i] = 0;
      add_up(begin, n, 0, whole);
      if (n >= 2 && n >= 2 * job.least && !is_pure(begin, to[node])) {
        const Random random(job.seed, tree, node);
        double most = -1;
        int64_t n_tried = 0;
        while (inputs.n_drawn < (n_tried ? job.n_sampled : job.n_inputs)) {
          const int32_t input = inputs.draw(random), *values = column(input);
          int32_t least = 0x7fffffff, largest = -0x7fffffff;
          for (int64_t i = 0; i < n; i++) seen[i] = values[rows[begin + i]];
          const bool is_category = job.n_levels[input];
          const int32_t* order = is_category ? order_of(random.below(2 * job.n_inputs + input, ORDERS), input) : nullptr;
          for (int64_t i = 0; i < n && is_category; i++) seen[i] = order[seen[i]];
          for (int64_t i = 0; i < n; i++) {
            least = seen[i] < least ? seen[i] : least, largest = seen[i] > largest ? seen[i] : largest;
          }
          if (least >= largest) continue;
          n_tried++;
          const double a = number(least), b = number(largest);
          const float drawn = (float)(a + rounded(random.share(job.n_inputs + input) * (b - a))) + 0.0f;
          const int32_t threshold = is_category ? least + random.below(job.n_inputs + input, largest - least)
                                    : drawn >= a && drawn < b ? sortable(drawn) : least;
          add_up(begin, n, threshold, low);
          if (low[0] < job.least || n - low[0] < job.least) continue;
          if (const double worth = gain(); worth > most) most = worth, best = input, chosen = threshold, chosen_order = order;
        }
        inputs.restore();
      }
      job.feature[at] = best, job.left[at] = best < 0 ? -1 : n_nodes;
      job.threshold[at] = chosen_order ? 0 : number(chosen);
      for (int64_t k = 0; k < K; k++)
        job.value[at * K + k] = best < 0 ? (float)((double)whole[2 + k] / (double)whole[1] * job.unit) : 0;
      if (best < 0) continue;
      const int32_t* values = column(best);
      int64_t n_low = 0;
      Set right;
      for (int32_t level = 0; chosen_order && level < job.n_levels[best]; level++)
        if (chosen_order[level] > chosen) right.add(level);
      if (chosen_order) right.write(job, at);
      for (int64_t i = 0; i < n; i++) {
        const int32_t x = values[rows[begin + i]];
        lower[i] = chosen_order ? !right.has(x) : x <= chosen, n_low += lower[i];
      }
      divide(rows + begin, spare, lower, n), divide(targets + begin, spares, lower, n);
      if (!equal || SEVERAL) divide(counts + begin, spares, lower, n);
      from[n_nodes] = begin, to[n_nodes++] = begin + n_low;
      from[n_nodes] = begin + n_low, to[n_nodes++] = to[node];
    }
    return n_nodes;
  }

  void run() {
    for (int64_t i = 1; i < job.n_train; i++) equal &= job.counts[i] == job.counts[0];
    for (int64_t order = 0; job.n_words && order < ORDERS; order++) {
      const Random random(job.seed, -1, order);
      for (int64_t i = 0; i < job.n_inputs * Set::MOST; i++)
        orders[order * job.n_inputs * Set::MOST + i] = i % Set::MOST ? random.word(i) >> 34 : -1;
    }
    int64_t place = 0;
    for (int64_t tree = 0; tree < job.n_trees && !*job.halted; tree++) {
      job.sizes[tree] = grow(job.first + tree, place);
      place += job.sizes[tree];
    }
  }
};

// -- What fitted trees predict. From a node, rows with more of a feature than the threshold go to the node `left + 1`,
// others to `left`; a leaf leads to itself. The last features are levels of categories: the threshold is the number of
// the set whose levels go to `left + 1`.

template <class T> struct Leaves {
  static constexpr int GROUP = 8, MOST = 32, L = Lanes<float>::L;  // trees side by side; leaves of a small tree
  typedef typename Lanes<float>::U Bits;
  // A small tree whose leaves are numbered from left to right. Of the leaves that no comparison excludes, a row reaches
  // the first (Lucchese and others 2015, "QuickScorer").
  struct Small {
    int32_t n, n_leaves, feature[MOST], leaf[MOST];
    float threshold[MOST];
    uint32_t low[MOST];
    const uint32_t* set[MOST];  // of a category
  };

  const T* x;                // [row][feature]
  int64_t n_rows, n_features;
  const int32_t* feature;    // [node]
  const T* threshold;        // [node]
  const int32_t* left;       // [node]
  const T* value;            // [node][output]
  int64_t n_nodes, n_trees, depth, n_outputs;
  const uint32_t* sets;      // [set][word]
  int64_t n_sets, n_words, n_categories;
  double* sums;              // [row][output]
  float* columns;            // memory for [block of L rows][feature][lane], or nothing if there are few rows

  void add() const {
    for (int64_t block = 0; columns && block < n_rows; block += L)
      for (int64_t k = 0; k < n_features; k++)
        for (int64_t lane = 0; lane < L; lane++)
          columns[block * n_features + k * L + lane] =
              block + lane < n_rows ? rounded_up(x[(block + lane) * n_features + k]) : 0;
    Small small[GROUP];
    for (int64_t first = 0; first < n_trees; first += GROUP) {
      const int64_t n = n_trees - first < GROUP ? n_trees - first : GROUP;
      bool are_small = columns != nullptr;
      for (int64_t tree = 0; tree < n && are_small; tree++) {
        small[tree].n = small[tree].n_leaves = 0;
        are_small = read(small[tree], first + tree, depth);
      }
      if (!are_small) walk(first, n);
      for (int64_t block = 0; are_small && block < n_rows; block += L)
        for (int64_t tree = 0; tree < n; tree++) look(small[tree], block);
    }
  }

  // A number is above a threshold of single precision exactly if it is when it is rounded up to single precision.
  INLINE float rounded_up(T number) {
    float x = (float)number;
    if (!((T)x < number)) return x;
    int32_t bits;
    __builtin_memcpy(&bits, &x, 4);
    bits = x == 0 ? 1 : bits < 0 ? bits - 1 : bits + 1;
    __builtin_memcpy(&x, &bits, 4);
    return x;
  }

  // Return the set of a node; none if it compares numbers, or what a damaged file says isn't there.
  const uint32_t* set_of(int64_t node) const {
    const bool is_set = feature[node] >= n_features - n_categories && threshold[node] >= 0 && threshold[node] < n_sets;
    return is_set ? sets + (int64_t)threshold[node] * n_words : nullptr;
  }

  // Return whether a tree is small enough. Whatever a damaged file says, nothing else than its nodes is read.
  bool read(Small& small, int64_t node, int64_t steps) const {
    const int64_t next = left[node];
    if (!steps || next == node) {
      if (small.n_leaves == MOST) return false;
      small.leaf[small.n_leaves++] = node;
      return true;
    }
    if (small.n == MOST || next < 0 || next + 1 >= n_nodes || uint64_t(feature[node]) >= uint64_t(n_features)) return false;
    const int32_t at = small.n++, before = small.n_leaves;
    small.feature[at] = feature[node], small.threshold[at] = (float)threshold[node], small.set[at] = set_of(node);
    if ((T)small.threshold[at] != threshold[node] || !read(small, next, steps - 1)) return false;
    small.low[at] = (uint32_t)(((uint64_t)1 << small.n_leaves) - ((uint64_t)1 << before));
    return read(small, next + 1, steps - 1);
  }

  // Add the leaves that L rows reach.
  INLINE_MEMBER void look(const Small& small, int64_t block) const {
    Bits open = ~Bits{};
    for (int32_t i = 0; i < small.n; i++) {
      Vec<float> values;
      __builtin_memcpy(&values, columns + block * n_features + small.feature[i] * L, sizeof(values));
      Bits right = (Bits)(values > small.threshold[i]);
      for (int64_t lane = 0; lane < L && small.set[i]; lane++)
        right[lane] = -(uint32_t)Set::has(small.set[i], (int32_t)values[lane]);
      open &= ~(right & small.low[i]);
    }
    for (int64_t lane = 0; lane < L && block + lane < n_rows; lane++) {
      const T* leaf = value + small.leaf[__builtin_ctz(open[lane])] * n_outputs;
      for (int64_t k = 0; k < n_outputs; k++) sums[(block + lane) * n_outputs + k] += leaf[k];
    }
  }

  // Some trees walk side by side, so that one waits for memory while others go on.
  void walk(int64_t first, int64_t n) const {
    for (int64_t row = 0; row < n_rows; row++) {
      const T* values = x + row * n_features;
      int64_t at[GROUP];
      for (int64_t tree = 0; tree < n; tree++) at[tree] = first + tree;
      bool moved = true;
      for (int64_t step = 0; step < depth && moved; step++) {
        moved = false;
        for (int64_t tree = 0; tree < n; tree++) {
          int64_t node = at[tree];
          // Whatever a damaged file says, nothing else than nodes and features is read.
          bool exists = uint64_t(feature[node]) < uint64_t(n_features);
          int64_t next = left[node];
          if (exists && next != node) {
            const T x = values[feature[node]];
            const uint32_t* set = n_categories ? set_of(node) : nullptr;
            next += set ? Set::has(set, (int32_t)x) : x > threshold[node];
          }
          next = uint64_t(next) < uint64_t(n_nodes) ? next : node;
          moved |= next != node;
          at[tree] = next;
        }
      }
      for (int64_t tree = 0; tree < n; tree++)
        for (int64_t k = 0; k < n_outputs; k++) sums[row * n_outputs + k] += value[at[tree] * n_outputs + k];
    }
  }
};
