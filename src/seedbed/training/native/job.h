// The arguments of the kernel. Python checks all shapes and fills in `Job`; library.py mirrors these structures.
//
// N is the number of networks in a block: L with networks in lanes, 1 with units in lanes. Arrays of a job hold one
// entry per block, and `[block]` is their first axis.
#pragma once
#include "lanes.h"

enum Kind { LINEAR, ACTIVATION, DROPOUT, LAYERNORM, FORK, ADD, SEE, KEEP, PERIODIC, PIECEWISE, LEVELS };
enum Function {
  RELU, TANH, SIGMOID,  // their derivatives are computed from their outputs, so they may overwrite their inputs
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
  int32_t spare;  // a further buffer. DROPOUT: its mask; LAYERNORM: normalised values and 1 / deviation;
                  // ADD: the fork's values; FORK: the gradient that its ADD left; PERIODIC: waves; SILU: shares
  int32_t function, number;  // of ACTIVATION; of DROPOUT, for its random bits
  // Layers that embed inputs, see embeddings.h: their first input and unit, and units, bins and frequencies of an input.
  int32_t from, to, each, waves, frequencies;  // the last is the frequencies' place among the parameters
  double a, b, c;  // arguments
};

struct Segment { int32_t start, count, decays; };  // parameters in a row

struct Job {
  const Layer* layers;
  const Segment* segments;
  const void *X, *y;          // [row][feature], [row][output]
  const void *train, *test;   // [block][row][N], what each row counts; they sum to 1 or 0 over the rows
  const void *scale, *shift;  // [block][feature][N] or null: a network sees scale * X + shift ...
  const void* extra;          // [block][giver][N]: ... and what `givers` add to `takers`, times this
  const int32_t *givers, *takers;
  const void *y_scale, *y_shift;  // [block][N] or null: a network learns y_scale * y + y_shift
  const void* constants;          // [block][constant][N], of PIECEWISE
  const int32_t* keys;            // [block][N], of dropout
  const double* lr;               // [block][N]
  const void* decay;              // [block][N]
  const double* factors;          // [step] or null; what the learning rate is multiplied by
  const double* clock;            // [step][3], see optimizers.clock
  const int32_t* picked;          // minibatches: [epoch - first_epoch][place][block][N], a row or -1
  const int32_t* ended;           // [block]; 1 if networks are no longer trained
  const int32_t* tested;          // [place][block][N], each network's test rows, or -1
  void *params, *moments;         // [block][param][N], [block][moment][param][N]
  void* figures;                  // [block][epoch][4][N]: training loss and hits, test loss and hits
  void* work;                     // `workspace` vectors
  int32_t n_layers, n_segments, n_rows, n_features, n_outputs, n_params, n_moments, n_constants, n_givers, n_blocks, n_tested;
  int32_t n_values, n_gradients;  // units of all tile buffers
  int32_t tile, loss, optimizer, batch_size, n_batches, first_epoch, n_epochs;
  int32_t nesterov, guarded, same_in_training, units_in_lanes;
  int32_t patient;  // networks are evaluated after each epoch, so no figures of test rows are needed
  double momentum, smoothing, clip;  // clip is 0 without clipping
};
