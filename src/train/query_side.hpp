// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/groups.hpp"
#include "exchange/sparse_tree_sum.hpp"
#include "kernels/backend.hpp"
#include "memory/pool.hpp"
#include "model/parameters.hpp"
#include "model/regulariser.hpp"
#include "train/dropout.hpp"
#include "train/penalty.hpp"

#include <cstdint>
#include <span>

namespace tessera::train {

/// The queries of one part in one step: their source rows, query vectors and gradients. How the gradient of a query
/// vector becomes those of its source and relation is the same however candidates were scored. Query vectors are
/// composed of what dropout leaves of sources and operators; the penalty is on the rows as they are. `worker` is the
/// number of the calling thread.
class QuerySide {
 public:
  /// Memory for up to `capacity` queries of the owned part `part`. `dropout` outlives the object.
  /// `direct`: sources have gradients besides those through the query vectors.
  QuerySide(const model::Parameters& parameters, const Dropout& dropout, std::size_t part, std::uint64_t capacity,
            memory::Pool& pool, bool direct = false);

  /// The queries of a step; the spans stay until the next call. `source_rows` are rows of rows_and_spare. `answers`:
  /// how many triples each query stands for, which the penalty counts; empty: one each.
  void start(const OrderPosition& position, std::span<const std::uint32_t> source_rows,
             std::span<const std::uint32_t> relations, std::span<const std::uint32_t> answers = {});
  [[nodiscard]] std::size_t size() const { return relations_.size(); }

  /// Query vectors of queries first .. first + count - 1, and where their gradients are put. [size, dim] each.
  void compose(const kernels::Backend& backend, std::size_t first, std::size_t count, std::size_t worker);
  [[nodiscard]] kernels::ConstMatrix sources() { return view(sources_); }
  [[nodiscard]] kernels::Matrix queries() { return view(queries_); }
  [[nodiscard]] kernels::Matrix query_gradients() { return view(query_gradients_); }
  [[nodiscard]] kernels::Matrix direct_source_gradients() { return view(direct_gradients_); }

  /// Adds the penalty on query vectors to their gradients, once these are complete and before the two calls below.
  void penalise_queries(std::size_t first, std::size_t count, const Penalty& penalty);
  /// From gradients of query vectors to those of source rows, with the penalty; `out` [count, dim]. The rows are still
  /// those of compose().
  void source_gradients(std::size_t first, std::size_t count, const Penalty& penalty, kernels::Matrix out,
                        std::size_t worker);
  /// Gradients of distinct relations first .. first + count - 1 of `groups`, with the penalty.
  void relation_gradients(const exchange::Groups& groups, std::size_t first, std::size_t count, const Penalty& penalty,
                          std::size_t worker);
  /// Those of all distinct relations [.., relation_gradient_dim()].
  [[nodiscard]] exchange::SparseRows relation_leaf(const exchange::Groups& groups) const;

 private:
  [[nodiscard]] float answers(std::size_t query) const {
    return answers_.empty() ? 1.0F : static_cast<float>(answers_[query]);
  }
  [[nodiscard]] kernels::Matrix view(memory::Buffer<float>& buffer) { return {buffer.data(), size(), dim_, dim_}; }
  [[nodiscard]] kernels::ConstMatrix masked_operator(std::size_t query, std::size_t worker) const;
  void add_operator_gradient(std::span<const std::uint32_t> positions, std::uint32_t relation, float* gradient,
                             std::size_t worker);

  const model::Parameters& parameters_;
  const Dropout& dropout_;
  std::size_t part_;
  std::size_t dim_;
  std::size_t gradient_dim_;  // of a relation
  OrderPosition position_;
  std::span<const std::uint32_t> source_rows_;
  std::span<const std::uint32_t> relations_;
  std::span<const std::uint32_t> answers_;
  memory::Buffer<float> sources_;             // [n, dim], after dropout
  memory::Buffer<float> queries_;             // [n, dim]
  memory::Buffer<float> query_gradients_;     // [n, dim]
  memory::Buffer<float> direct_gradients_;    // [n, dim] or empty
  memory::Buffer<float> relation_gradients_;  // [distinct relations, gradient dim]
};

}  // namespace tessera::train
