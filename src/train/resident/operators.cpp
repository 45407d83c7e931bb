// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/resident/operators.hpp"

namespace tessera::train {

using kernels::Similarity;
using kernels::Space;
using memory::Tag;

template <Space kSpace>
ResidentOperators<kSpace>::ResidentOperators(Resident<kSpace>& in, const Dropout& dropout, const Capacity& capacity)
    : in_(in), dropout_(dropout), makes_all_(capacity.makes_all) {
  if (has_core()) {
    const std::size_t row_dim = in.tables.relations().rows.cols;
    operators_ = in.allocate(Tag::kRows, makes_all_ ? in.relation_count : capacity.relations, in.operator_dim);
    chosen_ = in.allocate(Tag::kGradients, in.relation_count, row_dim);
    row_gradients_ = in.allocate(Tag::kGradients, in.relation_count, row_dim);
    core_gradients_ = in.allocate(Tag::kGradients, row_dim, in.operator_dim);
  }
  if (!dropout.drops_relations()) return;
  masked_ = in.allocate(Tag::kBatch, capacity.queries, in.operator_dim);
  query_operators_ = in.allocate(Tag::kGradients, capacity.queries, in.operator_dim);
}

template <Space kSpace>
void ResidentOperators<kSpace>::make(const StepLists<kSpace>& lists) {
  if (!has_core()) return;
  const ConstMatrix core = in_.tables.core().rows;
  const ConstMatrix relations = in_.tables.relations().rows;
  if (makes_all_) return in_.kernels.gradients.to_queries(relations, core, operators_);
  for (const PartLists<kSpace>& part : lists.parts) {
    const std::size_t count = part.relation_ids.size();
    const Matrix chosen = in_.first(chosen_, count);
    in_.kernels.rows.gather(relations, part.relation_ids, chosen);
    in_.kernels.gradients.to_queries(chosen, core, operators_.block(part.first_leaf, count));
  }
}

// Rows of the operators that belong to a part's distinct relations.
template <Space kSpace>
typename ResidentOperators<kSpace>::Indices ResidentOperators<kSpace>::of_relations(
    const PartLists<kSpace>& part) const {
  if (!has_core() || makes_all_) return part.relation_ids;
  return in_.counting(part.relation_ids.size(), part.first_leaf);
}

// Those of a part's queries, or what dropout leaves of them, one for each query.
template <Space kSpace>
typename ResidentOperators<kSpace>::Chosen ResidentOperators<kSpace>::choose(const PartLists<kSpace>& part) {
  const Indices of_queries = has_core() && !makes_all_ ? part.relation_leaves : part.relations;
  if (!dropout_.drops_relations()) return {table(), of_queries};
  const Matrix masked = in_.first(masked_, part.queries);
  in_.kernels.rows.gather(table(), of_queries, masked);
  in_.kernels.rows.drop(dropout_.operator_mask(part.position), masked);
  return {masked, in_.counting(part.queries)};
}

template <Space kSpace>
void ResidentOperators<kSpace>::mask_sources(const PartLists<kSpace>& part, Matrix rows) const {
  if (dropout_.drops_entities()) in_.kernels.rows.drop(dropout_.source_mask(part.position), rows);
}

template <Space kSpace>
void ResidentOperators<kSpace>::compose(const PartLists<kSpace>& part, Matrix sources, Matrix queries) {
  mask_sources(part, sources);
  const Chosen operators = choose(part);
  in_.kernels.composition.compose(in_.scorer.formula(), sources, operators.table, operators.rows, queries);
}

template <Space kSpace>
void ResidentOperators<kSpace>::backward(const PartLists<kSpace>& part, ConstMatrix query_gradients,
                                         Matrix source_gradients) {
  const Chosen operators = choose(part);
  in_.kernels.composition.backward(in_.scorer.formula(), operators.table, operators.rows, query_gradients,
                                   source_gradients);
}

// With dropout those of each query are masked before they are added up.
template <Space kSpace>
void ResidentOperators<kSpace>::gradients(const PartLists<kSpace>& part, ConstMatrix sources,
                                          ConstMatrix query_gradients, Matrix out) {
  const auto& kernels = in_.kernels;
  const kernels::Formula formula = in_.scorer.formula();
  if (!dropout_.drops_relations())
    return kernels.composition.operator_gradients(formula, sources, table(), of_relations(part), query_gradients,
                                                  part.by_relation, out);
  const Chosen operators = choose(part);
  const Matrix of_queries = in_.first(query_operators_, part.queries);
  kernels.composition.operator_gradients(formula, sources, operators.table, operators.rows, query_gradients,
                                         in_.one_by_one(part.queries), of_queries);
  kernels.rows.drop(dropout_.operator_mask(part.position), of_queries);
  kernels.rows.sum_segments(of_queries, part.by_relation.offsets, part.by_relation.positions, out);
}

// Operator M = sum_a r[a] W[a]: the gradient of r[a] is that of M times W[a], elementwise and summed, and that of W[a]
// the sum of those of M, times r[a].
template <Space kSpace>
void ResidentOperators<kSpace>::update(ConstMatrix gradients, Indices ids, const Optimiser& optimiser) {
  const auto& kernels = in_.kernels;
  const auto& table = in_.tables.relations();
  if (!has_core()) return optimiser.apply_in<kSpace>(kernels, gradients, ids, table.rows, table.state);
  const auto& core = in_.tables.core();
  const auto each = in_.counting(ids.size());
  const ConstMatrix of_operators = gradients.columns(0, in_.operator_dim);
  const Matrix of_rows = in_.first(row_gradients_, ids.size());
  const Matrix chosen = in_.first(chosen_, ids.size());
  kernels.scores.all_pairs(Similarity::kDot, of_operators, core.rows, of_rows);
  kernels.rows.add(gradients.columns(in_.operator_dim, table.rows.cols), each, each, of_rows);
  kernels.rows.gather(table.rows, ids, chosen);
  kernels.gradients.to_rows(chosen, of_operators, core_gradients_);
  optimiser.apply_in<kSpace>(kernels, of_rows, ids, table.rows, table.state);
  optimiser.apply_in<kSpace>(kernels, core_gradients_, in_.counting(core.rows.rows), core.rows, core.state);
}

template class ResidentOperators<Space::kHost>;
template class ResidentOperators<Space::kDevice>;

}  // namespace tessera::train
