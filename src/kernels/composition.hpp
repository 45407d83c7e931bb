// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/formulas.hpp"
#include "kernels/stored_rows.hpp"

#include <cstdint>

namespace tessera::kernels {

/// Positions in lists: segment u is positions[offsets[u]] .. positions[offsets[u + 1] - 1].
template <Space kSpace>
struct BasicSegments {
  Vector<kSpace, const std::uint32_t> offsets;
  Vector<kSpace, const std::uint32_t> positions;
  [[nodiscard]] std::size_t size() const { return offsets.size() - 1; }
};

/// The sources of queries and the gradients of their query vectors, both [b, dim], and segments of the queries that
/// have the same operator.
template <Space kSpace>
struct BasicOperatorQueries {
  BasicConstMatrix<kSpace> sources;
  BasicConstMatrix<kSpace> query_gradients;
  BasicSegments<kSpace> segments;
};

/// Makes query vectors of source rows and operators (what a model takes of a relation), and gradients back. Query i has
/// operator relations[i]. A model with a core needs products besides: they make its operators.
template <Space kSpace>
class BasicComposition {
 public:
  using ConstMatrix = BasicConstMatrix<kSpace>;
  using Matrix = BasicMatrix<kSpace>;
  using Indices = Vector<kSpace, const std::uint32_t>;
  virtual ~BasicComposition() = default;
  /// queries[i] = q(sources[i], operators[relations[i]]); sources and queries [b, dim].
  virtual void compose(Formula formula, ConstMatrix sources, ConstMatrix operators, Indices relations,
                       Matrix queries) const = 0;
  /// Gradients of sources [b, dim] from the gradients of the queries [b, dim].
  virtual void backward(Formula formula, ConstMatrix operators, Indices relations, ConstMatrix query_gradients,
                        Matrix source_gradients) const = 0;
  /// out[u] = the gradient of operator relations[u]: the queries of segment u add to it in order, starting from zero;
  /// out [segments, operator dim].
  virtual void operator_gradients(Formula formula, const BasicOperatorQueries<kSpace>& of, ConstMatrix operators,
                                  Indices relations, Matrix out) const = 0;
};

/// Rows table[rows[k]] that a regulariser penalises times[k] times.
template <Space kSpace>
struct BasicPenalisedRows {
  BasicConstStoredRows<kSpace> table;
  Vector<kSpace, const std::uint32_t> rows;
  Vector<kSpace, const float> times;
};

/// The gradient of a regulariser on rows.
template <Space kSpace>
class BasicPenalties {
 public:
  virtual ~BasicPenalties() = default;
  /// gradients[to[k]] += factor * times[k] * d/dx |x|^power of penalised row k; `to` are distinct.
  virtual void add(RowPower power, float factor, const BasicPenalisedRows<kSpace>& of, BasicMatrix<kSpace> gradients,
                   Vector<kSpace, const std::uint32_t> to) const = 0;
};

}  // namespace tessera::kernels
