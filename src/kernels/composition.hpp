// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/formulas.hpp"
#include "kernels/matrix.hpp"

#include <cstdint>

namespace tessera::kernels {

/// Positions in lists: segment u is positions[offsets[u]] .. positions[offsets[u + 1] - 1].
template <Space kSpace>
struct BasicSegments {
  Vector<kSpace, const std::uint32_t> offsets;
  Vector<kSpace, const std::uint32_t> positions;
  [[nodiscard]] std::size_t size() const { return offsets.size() - 1; }
};

/// From source rows and operators (what a model takes of a relation) to query vectors, and back. Query i has operator
/// relations[i]. A model with a core is not here: its operators are products.
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
  /// Gradients of sources [b, dim] from those of the queries [b, dim].
  virtual void backward(Formula formula, ConstMatrix operators, Indices relations, ConstMatrix query_gradients,
                        Matrix source_gradients) const = 0;
  /// out[u] = what the queries of segment u, all of operator relations[u], add to the gradient of that operator, in
  /// that order, starting from zero; sources and query_gradients [b, dim], out [segments, operator dim].
  virtual void operator_gradients(Formula formula, ConstMatrix sources, ConstMatrix operators, Indices relations,
                                  ConstMatrix query_gradients, BasicSegments<kSpace> segments, Matrix out) const = 0;
};

/// The gradient of a regulariser on rows.
template <Space kSpace>
class BasicPenalties {
 public:
  using ConstMatrix = BasicConstMatrix<kSpace>;
  using Matrix = BasicMatrix<kSpace>;
  using Indices = Vector<kSpace, const std::uint32_t>;
  virtual ~BasicPenalties() = default;
  /// gradients[to[k]] += factor * times[k] * d/dx |x|^power of table[rows[k]]; `to` are distinct.
  virtual void add(RowPower power, float factor, Vector<kSpace, const float> times, BasicConstStoredRows<kSpace> table,
                   Indices rows, Matrix gradients, Indices to) const = 0;
};

}  // namespace tessera::kernels
