// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/cuda/detail/grid.hpp"

#include <cmath>

namespace tessera::kernels::cuda {

/// A product is out[i][j] = finish(chain over s of step(left(i, s), right(j, s))), and has the bits of the other
/// backends. A block computes 64 x 64 outputs in blocks of 16 steps, a thread 4 x 4 of them.
struct DotChain {
  TESSERA_HOST_DEVICE static float step(float a, float b, float sum) { return fmaf(a, b, sum); }
  TESSERA_HOST_DEVICE static float finish(float sum) { return sum; }
};

struct NegativeL1Chain {
  TESSERA_HOST_DEVICE static float step(float a, float b, float sum) { return sum + fabsf(a - b); }
  TESSERA_HOST_DEVICE static float finish(float sum) { return -sum; }
};

struct NegativeL2Chain {
  TESSERA_HOST_DEVICE static float step(float a, float b, float sum) {
    const float difference = a - b;
    return fmaf(difference, difference, sum);
  }
  TESSERA_HOST_DEVICE static float finish(float sum) { return -sqrtf(sum); }
};

/// The chain of one pair of vectors, computed by one thread.
template <class Chain, class Row>
TESSERA_HOST_DEVICE float chain_of(const float* query, Row row, std::size_t dim) {
  float sum = 0;
  for (std::size_t c = 0; c < dim; ++c) sum = Chain::step(query[c], row[c], sum);
  return Chain::finish(sum);
}

/// Calls body(chain) with the chain of a similarity.
template <class Body>
void with_chain(Similarity similarity, const Body& body) {
  switch (similarity) {
    case Similarity::kDot: return body(DotChain());
    case Similarity::kNegativeL1: return body(NegativeL1Chain());
    case Similarity::kNegativeL2: return body(NegativeL2Chain());
  }
}

/// A factor whose steps lie side by side: (i, s) is in row i.
struct RowFactor {
  static constexpr bool kStepsAreContiguous = true;
  ConstTable table;
  TESSERA_HOST_DEVICE float at(std::size_t i, std::size_t s) const { return table.row(i)[s]; }
};

/// A factor whose steps are rows: (i, s) is in row s.
struct ColumnFactor {
  static constexpr bool kStepsAreContiguous = false;
  ConstTable table;
  TESSERA_HOST_DEVICE float at(std::size_t i, std::size_t s) const { return table.row(s)[i]; }
};

/// A ColumnFactor whose row s is multiplied by factors[s].
struct ScaledColumnFactor {
  static constexpr bool kStepsAreContiguous = false;
  ConstTable table;
  const float* factors;
  TESSERA_HOST_DEVICE float at(std::size_t i, std::size_t s) const { return factors[s] * table.row(s)[i]; }
};

constexpr unsigned kTile = 64;
constexpr unsigned kTileSteps = 16;
constexpr unsigned kTileSide = 16;  ///< threads of a block along each side of its tile
constexpr unsigned kEach = kTile / kTileSide;

/// The size of a product, which blocks compute in tiles and in steps.
struct ProductShape {
  std::size_t rows;
  std::size_t cols;
  std::size_t steps;

  [[nodiscard]] TESSERA_HOST_DEVICE std::size_t column_tiles() const { return (cols + kTile - 1) / kTile; }
  [[nodiscard]] std::size_t blocks() const { return blocks_of(kTile, rows) * blocks_of(kTile, cols); }
  /// A block of steps is loaded in one phase and multiplied in the next; the last phase finishes.
  [[nodiscard]] TESSERA_HOST_DEVICE unsigned phases() const {
    return static_cast<unsigned>(2 * ((steps + kTileSteps - 1) / kTileSteps) + 1);
  }
};

/// The place of a phase: its tile, its first step, and the first output of its thread.
struct TileStep {
  std::size_t row;
  std::size_t col;
  std::size_t step;
  std::size_t thread_row;
  std::size_t thread_col;
  TESSERA_HOST_DEVICE TileStep(const ProductShape& shape, unsigned phase, At at)
      : row(at.block / shape.column_tiles() * kTile),
        col(at.block % shape.column_tiles() * kTile),
        step(static_cast<std::size_t>(phase / 2) * kTileSteps),
        thread_row(row + at.thread / kTileSide),
        thread_col(col + at.thread % kTileSide) {}
};

/// Rows (or columns) first .. first + kTile - 1 of a factor, of which there are `end`, and steps from `step` on.
struct FactorTile {
  std::size_t first;
  std::size_t end;
  std::size_t step;
  std::size_t steps;
};

/// Loads kTileSteps x kTile values of a factor, neighbours in memory by neighbouring threads, and 0 beyond its end.
template <class Factor>
TESSERA_HOST_DEVICE void load_tile(const Factor& factor, FactorTile at, unsigned thread,
                                   float (&to)[kTileSteps][kTile + 4]) {
  constexpr unsigned kThreads = kTileSide * kTileSide;
  TESSERA_UNROLL
  for (unsigned part = 0; part < kTileSteps * kTile / kThreads; ++part) {
    const unsigned element = part * kThreads + thread;
    const unsigned s = Factor::kStepsAreContiguous ? element % kTileSteps : element / kTile;
    const unsigned i = Factor::kStepsAreContiguous ? element / kTileSteps : element % kTile;
    const bool there = at.first + i < at.end && at.step + s < at.steps;
    to[s][i] = there ? factor.at(at.first + i, at.step + s) : 0.0F;
  }
}

/// The outputs of one thread: rows i, i + kTileSide, ... and columns j, j + kTileSide, ... of the tile.
struct Sums {
  float at[kEach][kEach];
};

/// `Finish` is called once for each row of a thread: finish(i, j, values, cols), value c belonging to column
/// j + c * kTileSide if that is below cols.
template <class Chain, class Left, class Right, class Finish>
struct ProductBody {
  static constexpr unsigned kThreads = kTileSide * kTileSide;
  struct Shared {
    float left[kTileSteps][kTile + 4];  // 4 apart, so that threads that store a column meet fewer bank conflicts
    float right[kTileSteps][kTile + 4];
  };
  using Registers = Sums;

  Left left;
  Right right;
  Finish finish;
  ProductShape shape;

  [[nodiscard]] std::size_t blocks() const { return shape.blocks(); }
  TESSERA_HOST_DEVICE unsigned phases() const { return shape.phases(); }

  TESSERA_HOST_DEVICE void run(unsigned phase, At at, Shared& shared, Sums& sums) const {
    const TileStep tile(shape, phase, at);
    if (tile.step >= shape.steps) return store(tile.thread_row, tile.thread_col, sums);
    if (phase % 2 == 1) return multiply(at.thread, shape.steps - tile.step, shared, sums);
    load_tile(left, {tile.row, shape.rows, tile.step, shape.steps}, at.thread, shared.left);
    load_tile(right, {tile.col, shape.cols, tile.step, shape.steps}, at.thread, shared.right);
  }

 private:
  /// Takes no step beyond the end: adding a product of zeros would turn -0 into 0.
  TESSERA_HOST_DEVICE void multiply(unsigned thread, std::size_t left_over, const Shared& shared, Sums& sums) const {
    if (left_over >= kTileSteps) {
      TESSERA_UNROLL
      for (unsigned s = 0; s < kTileSteps; ++s) multiply_step(thread, s, shared, sums);
    } else {
      for (unsigned s = 0; s < left_over; ++s) multiply_step(thread, s, shared, sums);
    }
  }

  TESSERA_HOST_DEVICE void multiply_step(unsigned thread, unsigned s, const Shared& shared, Sums& sums) const {
    float a[kEach];
    float b[kEach];
    TESSERA_UNROLL
    for (unsigned k = 0; k < kEach; ++k) {
      a[k] = shared.left[s][thread / kTileSide + k * kTileSide];
      b[k] = shared.right[s][thread % kTileSide + k * kTileSide];
    }
    TESSERA_UNROLL
    for (unsigned r = 0; r < kEach; ++r) {
      TESSERA_UNROLL
      for (unsigned c = 0; c < kEach; ++c) sums.at[r][c] = Chain::step(a[r], b[c], sums.at[r][c]);
    }
  }

  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t j, Sums& sums) const {
    TESSERA_UNROLL
    for (unsigned r = 0; r < kEach; ++r) {
      TESSERA_UNROLL
      for (unsigned c = 0; c < kEach; ++c) sums.at[r][c] = Chain::finish(sums.at[r][c]);
      if (i + r * kTileSide < shape.rows) finish(i + r * kTileSide, j, sums.at[r], shape.cols);
    }
  }
};

/// Writes the outputs.
struct StoreProduct {
  Table out;
  TESSERA_HOST_DEVICE void operator()(std::size_t i, std::size_t j, const float (&values)[kEach],
                                      std::size_t cols) const {
    TESSERA_UNROLL
    for (unsigned c = 0; c < kEach; ++c)
      if (j + c * kTileSide < cols) out.row(i)[j + c * kTileSide] = values[c];
  }
};

/// Adds factors[i] times the outputs to `out`.
struct AddScaledProduct {
  Table out;
  const float* factors;
  TESSERA_HOST_DEVICE void operator()(std::size_t i, std::size_t j, const float (&values)[kEach],
                                      std::size_t cols) const {
    TESSERA_UNROLL
    for (unsigned c = 0; c < kEach; ++c)
      if (j + c * kTileSide < cols) {
        float& to = out.row(i)[j + c * kTileSide];
        to = to + factors[i] * values[c];
      }
  }
};

/// Enqueues the product of `left` [rows, steps] and `right` [cols, steps]; `finish` takes the outputs.
template <class Chain, class Launcher, class Left, class Right, class Finish>
void launch_product(const Launcher& launch, Left left, Right right, ProductShape shape, Finish finish) {
  using Body = ProductBody<Chain, Left, Right, Finish>;
  const Body body{left, right, finish, shape};
  launch(body.blocks(), body);
}

/// Enqueues the product of `left` [rows, steps] and `right` [cols, steps] into `out` [rows, cols].
template <class Chain, class Launcher, class Left, class Right>
void launch_product(const Launcher& launch, Left left, Right right, std::size_t steps,
                    BasicMatrix<Launcher::kSpace> out) {
  launch_product<Chain>(launch, left, right, ProductShape{out.rows, out.cols, steps}, StoreProduct{Table(out)});
}

}  // namespace tessera::kernels::cuda
