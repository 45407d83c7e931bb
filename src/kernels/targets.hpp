// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/composition.hpp"
#include "kernels/stored_rows.hpp"

#include <cstdint>

namespace tessera::kernels {

/// Single elements of a matrix: (rows[k], cols[k]).
template <Space kSpace>
struct BasicCells {
  Vector<kSpace, const std::uint32_t> rows;
  Vector<kSpace, const std::uint32_t> cols;
  [[nodiscard]] std::size_t size() const { return rows.size(); }
};

/// Several elements in each of some rows of a matrix: row rows[k] and columns cols[first[k]] .. cols[end[k] - 1].
template <Space kSpace>
struct BasicRuns {
  Vector<kSpace, const std::uint32_t> rows;
  Vector<kSpace, const std::uint32_t> first;
  Vector<kSpace, const std::uint32_t> end;
  Vector<kSpace, const std::uint32_t> cols;
  std::size_t first_col = 0;  ///< the column that is column 0 of the matrix; elements outside of it stay as they are
  std::size_t first_row = 0;  ///< the row that is row 0 of the matrix; it has all rows of the runs
  [[nodiscard]] std::size_t size() const { return rows.size(); }
};

/// Rows to add up with weights: position k of the segments adds weights[weight_of[k]] * table[row_of[k]], and then
/// extra[k] unless that is empty.
template <Space kSpace>
struct BasicWeightedRows {
  Vector<kSpace, const float> weights;
  Vector<kSpace, const std::uint32_t> weight_of;
  BasicConstStoredRows<kSpace> table;
  Vector<kSpace, const std::uint32_t> row_of;
  BasicConstMatrix<kSpace> extra;
};

/// The work of a step on the targets of its queries: single scores out of many, and sparse sums of rows.
template <Space kSpace>
class BasicTargets {
 public:
  using ConstMatrix = BasicConstMatrix<kSpace>;
  using Matrix = BasicMatrix<kSpace>;
  using Indices = Vector<kSpace, const std::uint32_t>;
  using Cells = BasicCells<kSpace>;
  virtual ~BasicTargets() = default;
  /// out[places[k]] = scores of cell k; places are distinct.
  virtual void read(ConstMatrix scores, Cells cells, Indices places, Vector<kSpace, float> out) const = 0;
  /// Cell k of scores = values[k]; cells are distinct.
  virtual void write(Vector<kSpace, const float> values, Cells cells, Matrix scores) const = 0;
  /// All elements of the runs = value.
  virtual void fill(float value, BasicRuns<kSpace> runs, Matrix scores) const = 0;
  /// out[places[k]] = queries[rows[k]] . table[cols[k]], the bits of Scores::pairs; places are distinct.
  virtual void score(ConstMatrix queries, BasicConstStoredRows<kSpace> table, Cells pairs, Indices places,
                     Vector<kSpace, float> out) const = 0;
  /// out[to[u]] += the weighted rows of segment u, one after the other: a product is rounded before it is added. `to`
  /// are distinct.
  virtual void add_weighted(BasicWeightedRows<kSpace> weighted, BasicSegments<kSpace> segments, Matrix out,
                            Indices to) const = 0;
};

}  // namespace tessera::kernels
