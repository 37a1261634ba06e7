// Products of small matrices, with their sums in registers.
#pragma once
#include "lanes.h"

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
    // An addition waits for the one before it, so if there are few sums, each is computed in several parts.
    constexpr int PARTS = ROWS * UNITS >= 6 ? 1 : ROWS * UNITS >= 3 ? 2 : 4;
    V sum[ROWS][UNITS], part[PARTS][ROWS][UNITS] = {};
    const V* from = start + r0 * start_row + u0 * start_unit;
    UNROLL for (int r = 0; r < ROWS; r++)
      UNROLL for (int u = 0; u < UNITS; u++) sum[r][u] = from[r * start_row + u * start_unit];
    const A* left = a + r0 * a_row;
    const V* right = b + u0 * b_unit;
    long k = 0;
    if constexpr (PARTS > 1) {
      for (; k + PARTS <= n_k; k += PARTS)
        UNROLL for (int p = 0; p < PARTS; p++, left += a_k, right += b_k)
          UNROLL for (int r = 0; r < ROWS; r++)
            UNROLL for (int u = 0; u < UNITS; u++) part[p][r][u] += left[r * a_row] * right[u * b_unit];
    }
    for (; k < n_k; k++, left += a_k, right += b_k) {
      V weight[UNITS];
      UNROLL for (int u = 0; u < UNITS; u++) weight[u] = right[u * b_unit];
      UNROLL for (int r = 0; r < ROWS; r++) {
        A x = left[r * a_row];
        UNROLL for (int u = 0; u < UNITS; u++) sum[r][u] += x * weight[u];
      }
    }
    if constexpr (PARTS > 1) {
      UNROLL for (int p = 0; p < PARTS; p++)
        UNROLL for (int r = 0; r < ROWS; r++)
          UNROLL for (int u = 0; u < UNITS; u++) sum[r][u] += part[p][r][u];
    }
    V* to = out + r0 * out_row + u0;
    UNROLL for (int r = 0; r < ROWS; r++)
      UNROLL for (int u = 0; u < UNITS; u++) to[r * out_row + u] = sum[r][u];
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
