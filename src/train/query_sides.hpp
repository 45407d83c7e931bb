// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sampling/dropout.hpp"
#include "sampling/query_lists.hpp"
#include "train/optimiser.hpp"
#include "train/penalty.hpp"
#include "train/tables.hpp"

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace tessera::train {

/// Rows first .. first + count - 1 of a list, and who works on them.
struct Block {
  std::size_t first;
  std::size_t count;
  std::size_t worker;
};

/// The most that the query side of a step has.
struct SideSizes {
  std::size_t queries = 0;  ///< queries of one owned part
  std::size_t leaves = 0;   ///< distinct relations, added up over the owned parts
  bool makes_all = false;   ///< with a core: the operators of all relations in every step
  bool drops_relations = false;
};

/// Reals in the gradient of a relation. It holds the gradient of the operator. In a model with a core, a gradient of
/// the relation row follows, for the penalty. Without a core the operator is the row.
std::size_t relation_gradient_dim(const model::Parameters& parameters);

/// The query side of a step. It makes query vectors of source rows and relations, and turns gradients of query vectors
/// into gradients of sources and relations. The operator of a relation is its row, or the product of row and core.
template <execution::Space kSpace>
class QuerySides {
 public:
  using Matrix = kernels::BasicMatrix<kSpace>;
  using ConstMatrix = kernels::BasicConstMatrix<kSpace>;
  using StoredRows = kernels::BasicConstStoredRows<kSpace>;
  using Indices = kernels::Vector<kSpace, const std::uint32_t>;
  using Lists = sampling::QueryLists<kSpace>;

  /// `dropout` outlives this.
  QuerySides(const StepSetup<kSpace>& setup, const sampling::Dropout& dropout, const SideSizes& sizes);

  /// Queries that suit a block of the calls below.
  [[nodiscard]] std::size_t block_queries() const;
  /// Before a step composes: makes the operators that it needs.
  void make_operators(std::span<const Lists> sides);
  /// The operators; of all relations [relations, operator dim] where the sizes said so.
  [[nodiscard]] ConstMatrix operators() const { return has_core() ? operators_ : tables_.relations().rows; }

  /// Source rows after dropout, and query vectors, of a block [count, dim].
  void compose(const Lists& side, StoredRows table, const Block& block, Matrix sources, Matrix queries) const;
  /// Adds the penalty on query vectors of a block to their gradients, before the two calls below.
  void penalise_queries(const Lists& side, const Block& block, const Penalty& penalty, ConstMatrix queries,
                        Matrix gradients) const;
  /// The gradients of a block [count, dim].
  struct BlockGradients {
    ConstMatrix queries;  ///< gradients of query vectors
    ConstMatrix direct;   ///< more gradients of sources after dropout, or empty
    Matrix sources;       ///< written: gradients of source rows
  };
  /// Turns gradients of query vectors into gradients of source rows, and adds the penalty.
  void source_gradients(const Lists& side, StoredRows table, const Block& block, const Penalty& penalty,
                        const BlockGradients& gradients) const;

  /// The input and output of relation_gradients() for one owned part.
  struct Part {
    ConstMatrix sources;          ///< after dropout [queries, dim]
    ConstMatrix query_gradients;  ///< [queries, dim]
    Matrix leaf;                  ///< [distinct relations, gradient dim]
  };
  /// Gradients of the distinct relations of all owned parts, with the penalty. relation_gradient_dim() says what a
  /// gradient holds.
  void relation_gradients(std::span<const Lists> sides, std::span<const Part> parts, const Penalty& penalty);

  /// The optimiser on relations `ids` and on the core, from gradients [ids, gradient dim] summed over all parts.
  void update(ConstMatrix gradients, Indices ids, const Optimiser& optimiser);

 private:
  struct Operators {  // of query i: table[rows[i]]
    ConstMatrix table;
    Indices rows;
  };
  [[nodiscard]] bool has_core() const { return tables_.core().rows.rows > 0; }
  [[nodiscard]] bool uses_leaves() const { return has_core() && !makes_all_; }
  [[nodiscard]] Operators operators_of(const Lists& side, const Block& block) const;
  [[nodiscard]] Indices operators_of_relations(const Lists& side, std::size_t first, std::size_t count) const;
  void finish_leaf(const Lists& side, const Block& relations, const Penalty& penalty, Matrix leaf) const;
  void dropped_gradients(const Lists& side, const Part& part);
  void drop_and_compute(const Lists& side, const Part& part, const Block& positions, Matrix out) const;
  void update_with_core(ConstMatrix gradients, Indices ids, const Optimiser& optimiser);

  execution::Executor<kSpace>& executor_;
  execution::StepMemory<kSpace>& memory_;
  const Tables<kSpace>& tables_;
  const model::Scorer& scorer_;
  const sampling::Dropout& dropout_;
  bool makes_all_;
  std::size_t operator_dim_;
  std::size_t relation_dim_;
  std::size_t gradient_dim_;
  // With a core.
  Matrix operators_;       // [relations, operator dim], or of the distinct relations of all owned parts
  Matrix chosen_;          // [relations, relation dim]
  Matrix row_gradients_;   // [relations, relation dim]
  Matrix core_gradients_;  // [relation dim, operator dim]
  // With dropout of relations.
  std::size_t chunk_ = 0;       // queries whose operator gradients are in memory at once
  std::vector<Matrix> masked_;  // by worker [block, operator dim]
  Matrix operator_gradients_;   // [chunk, operator dim]
};

extern template class QuerySides<execution::Space::kHost>;
extern template class QuerySides<execution::Space::kDevice>;

}  // namespace tessera::train
