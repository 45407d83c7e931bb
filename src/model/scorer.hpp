// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/formulas.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tessera::model {

/// A model: how queries are composed and how they are compared with entities. Stateless; calls are serial. What it
/// takes of a relation is its operator: the relation row itself, or, in a model with a core, the matrix that the core
/// makes of the row (Parameters::operators()).
class Scorer {
 public:
  virtual ~Scorer() = default;
  [[nodiscard]] virtual const char* name() const = 0;
  /// The formula that composes queries, for kernels of any memory space.
  [[nodiscard]] virtual kernels::Formula formula() const = 0;
  [[nodiscard]] virtual kernels::Similarity similarity() const = 0;
  /// Reals per operator.
  [[nodiscard]] virtual std::size_t operator_dim(std::size_t dim) const = 0;
  /// True when operators are relation rows times a core that all relations share.
  [[nodiscard]] virtual bool has_core() const = 0;
  /// True when a row is complex numbers (real parts, then imaginary parts): regularisers then see moduli.
  [[nodiscard]] virtual bool is_complex() const = 0;
  [[nodiscard]] virtual bool is_relation_complex() const = 0;
  /// True when the score is linear in the operator.
  [[nodiscard]] virtual bool is_linear_in_relation() const = 0;
  /// True when a relation row holds phases, which are drawn from [-pi, pi).
  [[nodiscard]] virtual bool has_phases() const = 0;
  /// The dim of entity rows is a multiple of this: of the reals of a complex number, a quaternion, or two vectors.
  [[nodiscard]] virtual std::size_t dim_unit() const = 0;
  /// queries[i] = q(sources[i], operators[relations[i]]); sources and queries [b, dim].
  virtual void compose(kernels::ConstMatrix sources, kernels::ConstMatrix operators,
                       std::span<const std::uint32_t> relations, kernels::Matrix queries) const = 0;
  /// Gradients of sources [b, dim] from those of the queries [b, dim]; overwrites.
  virtual void backward(kernels::ConstMatrix operators, std::span<const std::uint32_t> relations,
                        kernels::ConstMatrix query_gradients, kernels::Matrix source_gradients) const = 0;
  /// Adds to the gradient of one operator [operator_dim] what the queries at `positions`, which all have this relation,
  /// contribute, in that order; sources and query_gradients [b, dim].
  virtual void add_operator_gradients(kernels::ConstMatrix sources, const float* relation_operator,
                                      kernels::ConstMatrix query_gradients, std::span<const std::uint32_t> positions,
                                      float* operator_gradient) const = 0;
};

/// The scorer of that name; throws Error(kUsage) naming the known ones.
const Scorer& find_scorer(const std::string& name);

/// "complex", "distmult", ...
std::vector<std::string> scorer_names();

}  // namespace tessera::model
