// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/query_sides.hpp"

#include <algorithm>

namespace tessera::train {

using execution::Space;
using kernels::Similarity;
using memory::Tag;

namespace {

constexpr std::size_t kBlockQueries = 128;
constexpr std::size_t kBlockRelations = 16;
constexpr std::size_t kBlockOperators = 56;  // whose products with the core are full pieces
constexpr std::size_t kBlockCoreRows = 14;   // a full piece of the products
constexpr std::size_t kBlockFloats = std::size_t{1}
                                     << 18U;  // floats of a block of masked operators: about a level-2 cache

}  // namespace

std::size_t relation_gradient_dim(const model::Parameters& parameters) {
  const std::size_t row_dim = parameters.scorer().has_core() ? parameters.relations().cols : 0;
  return parameters.operators().cols + row_dim;
}

template <Space kSpace>
QuerySides<kSpace>::QuerySides(const StepSetup<kSpace>& setup, const sampling::Dropout& dropout, const SideSizes& sizes)
    : executor_(setup.executor),
      memory_(setup.memory),
      tables_(setup.tables),
      scorer_(setup.parameters.scorer()),
      dropout_(dropout),
      makes_all_(sizes.makes_all),
      operator_dim_(setup.parameters.operators().cols),
      relation_dim_(setup.parameters.relations().cols),
      gradient_dim_(relation_gradient_dim(setup.parameters)) {
  const std::size_t relations = setup.parameters.relations().rows;
  if (has_core()) {
    if constexpr (kSpace == Space::kHost)
      operators_ = setup.parameters.operator_memory();
    else
      operators_ = memory_.allocate(Tag::kRows, makes_all_ ? relations : sizes.leaves, operator_dim_);
    chosen_ = memory_.allocate(Tag::kGradients, relations, relation_dim_);
    row_gradients_ = memory_.allocate(Tag::kGradients, relations, relation_dim_);
    core_gradients_ = memory_.allocate(Tag::kGradients, relation_dim_, operator_dim_);
  }
  if (!sizes.drops_relations) return;
  for (std::size_t worker = 0; worker < executor_.workers(); ++worker)
    masked_.push_back(
        memory_.allocate(Tag::kBatch, executor_.block_rows(sizes.queries, block_queries()), operator_dim_));
  chunk_ = executor_.block_rows(sizes.queries, executor_.workers() * block_queries());
  operator_gradients_ = memory_.allocate(Tag::kGradients, chunk_, operator_dim_);
}

template <Space kSpace>
std::size_t QuerySides<kSpace>::block_queries() const {
  if (!dropout_.drops_relations()) return kBlockQueries;
  return std::clamp<std::size_t>(kBlockFloats / operator_dim_, 1, kBlockQueries);
}

// ---- operators

template <Space kSpace>
void QuerySides<kSpace>::make_operators(std::span<const Lists> sides) {
  if (!has_core()) return;
  const auto& kernels = executor_.kernels();
  const ConstMatrix core = tables_.core().rows;
  const ConstMatrix relations = tables_.relations().rows;
  if (makes_all_)
    return executor_.for_blocks(
        relations.rows, kBlockOperators, [&](std::size_t first, std::size_t count, std::size_t /*worker*/) {
          kernels.gradients.to_queries(relations.block(first, count), core, operators_.block(first, count));
        });
  for (const Lists& side : sides)
    executor_.for_blocks(side.relation_ids.size(), kBlockOperators,
                         [&](std::size_t first, std::size_t count, std::size_t /*worker*/) {
                           const Matrix chosen = chosen_.block(first, count);
                           kernels.rows.gather(relations, side.relation_ids.subspan(first, count), chosen);
                           kernels.gradients.to_queries(chosen, core, operators_.block(side.first_leaf + first, count));
                         });
}

template <Space kSpace>
typename QuerySides<kSpace>::Indices QuerySides<kSpace>::operators_of_relations(const Lists& side, std::size_t first,
                                                                                std::size_t count) const {
  if (uses_leaves()) return memory_.counting(count, side.first_leaf + first);
  return side.relation_ids.subspan(first, count);
}

template <Space kSpace>
typename QuerySides<kSpace>::Operators QuerySides<kSpace>::operators_of(const Lists& side, const Block& block) const {
  const Indices of_queries = (uses_leaves() ? side.relation_leaves : side.relations).subspan(block.first, block.count);
  if (!dropout_.drops_relations()) return {operators(), of_queries};
  const Matrix masked = masked_[block.worker].block(0, block.count);
  executor_.kernels().rows.gather(operators(), of_queries, masked);
  executor_.kernels().rows.drop(dropout_.operator_mask(side.position.behind(block.first)), {}, masked);
  return {masked, memory_.counting(block.count)};
}

// ---- forward and backward

template <Space kSpace>
void QuerySides<kSpace>::compose(const Lists& side, StoredRows table, const Block& block, Matrix sources,
                                 Matrix queries) const {
  const auto& kernels = executor_.kernels();
  kernels.rows.gather(table, side.sources.subspan(block.first, block.count), sources);
  if (dropout_.drops_entities())
    kernels.rows.drop(dropout_.source_mask(side.position.behind(block.first)), {}, sources);
  const Operators operators = operators_of(side, block);
  kernels.composition.compose(scorer_.formula(), sources, operators.table, operators.rows, queries);
}

template <Space kSpace>
void QuerySides<kSpace>::penalise_queries(const Lists& side, const Block& block, const Penalty& penalty,
                                          ConstMatrix queries, Matrix gradients) const {
  const auto each = memory_.counting(block.count);
  penalise<kSpace>(executor_.kernels(), penalty.products(scorer_),
                   {queries, each, side.answers.subspan(block.first, block.count)}, gradients, each);
}

template <Space kSpace>
void QuerySides<kSpace>::source_gradients(const Lists& side, StoredRows table, const Block& block,
                                          const Penalty& penalty, const BlockGradients& gradients) const {
  const auto& kernels = executor_.kernels();
  const auto each = memory_.counting(block.count);
  const Operators operators = operators_of(side, block);
  kernels.composition.backward(scorer_.formula(), operators.table, operators.rows, gradients.queries,
                               gradients.sources);
  if (gradients.direct.rows > 0) kernels.rows.add(gradients.direct, each, each, gradients.sources);
  if (dropout_.drops_entities())
    kernels.rows.drop(dropout_.source_mask(side.position.behind(block.first)), {}, gradients.sources);
  penalise<kSpace>(
      kernels, penalty.entities(scorer_),
      {table, side.sources.subspan(block.first, block.count), side.answers.subspan(block.first, block.count)},
      gradients.sources, each);
}

// ---- relations

template <Space kSpace>
void QuerySides<kSpace>::relation_gradients(std::span<const Lists> sides, std::span<const Part> parts,
                                            const Penalty& penalty) {
  const auto& kernels = executor_.kernels();
  if (dropout_.drops_relations())
    for (std::size_t p = 0; p < sides.size(); ++p) dropped_gradients(sides[p], parts[p]);
  executor_.for_part_blocks(
      sides.size(), [&](std::size_t p) { return sides[p].relation_ids.size(); }, kBlockRelations,
      [&](std::size_t p, std::size_t first, std::size_t count, std::size_t worker) {
        const Lists& side = sides[p];
        const Part& part = parts[p];
        const Matrix leaf = part.leaf.block(first, count);
        if (!dropout_.drops_relations())
          kernels.composition.operator_gradients(
              scorer_.formula(),
              {part.sources,
               part.query_gradients,
               {side.by_relation.offsets.subspan(first, count + 1), side.by_relation.positions}},
              operators(), operators_of_relations(side, first, count), leaf.columns(0, operator_dim_));
        finish_leaf(side, {first, count, worker}, penalty, leaf);
      });
}

template <Space kSpace>
void QuerySides<kSpace>::finish_leaf(const Lists& side, const Block& relations, const Penalty& penalty,
                                     Matrix leaf) const {
  const auto& kernels = executor_.kernels();
  const Matrix of_rows = leaf.columns(gradient_dim_ - relation_dim_, relation_dim_);
  if (gradient_dim_ > operator_dim_) kernels.rows.fill(0, of_rows);
  if (scorer_.has_phases()) return;  // an angle has no size to penalise
  penalise<kSpace>(kernels, penalty.relations(scorer_),
                   {tables_.relations().rows, side.relation_ids.subspan(relations.first, relations.count),
                    side.relation_answers.subspan(relations.first, relations.count)},
                   of_rows, memory_.counting(relations.count));
}

// Every query has a mask of its own, so it has a gradient of its own, which is masked and then added up.
template <Space kSpace>
void QuerySides<kSpace>::dropped_gradients(const Lists& side, const Part& part) {
  const auto& rows = executor_.kernels().rows;
  const Matrix out = part.leaf.columns(0, operator_dim_);
  rows.fill(0, out);
  for (std::size_t begin = 0; begin < side.queries; begin += chunk_) {
    const std::size_t size = std::min(chunk_, side.queries - begin);
    executor_.for_blocks(size, block_queries(), [&](std::size_t first, std::size_t count, std::size_t worker) {
      drop_and_compute(side, part, {begin + first, count, worker}, operator_gradients_.block(first, count));
    });
    executor_.for_blocks(
        side.relation_ids.size(), kBlockRelations, [&](std::size_t first, std::size_t count, std::size_t /*worker*/) {
          rows.add_segments(operator_gradients_.block(0, size), begin,
                            side.by_relation.offsets.subspan(first, count + 1), out.block(first, count));
        });
  }
}

// Computes the gradients of a block of positions, in the order of relations.
template <Space kSpace>
void QuerySides<kSpace>::drop_and_compute(const Lists& side, const Part& part, const Block& positions,
                                          Matrix out) const {
  const auto& kernels = executor_.kernels();
  const kernels::DropoutMask mask = dropout_.operator_mask(side.position);
  const Indices queries = side.by_relation.positions.subspan(positions.first, positions.count);
  const Matrix masked = masked_[positions.worker].block(0, positions.count);
  kernels.rows.gather(operators(), side.sorted_relations.subspan(positions.first, positions.count), masked);
  kernels.rows.drop(mask, queries, masked);
  kernels.composition.operator_gradients(
      scorer_.formula(), {part.sources, part.query_gradients, {memory_.counting(positions.count + 1), queries}}, masked,
      memory_.counting(positions.count), out);
  kernels.rows.drop(mask, queries, out);
}

template <Space kSpace>
void QuerySides<kSpace>::update(ConstMatrix gradients, Indices ids, const Optimiser& optimiser) {
  if (has_core()) return update_with_core(gradients, ids, optimiser);
  const auto& table = tables_.relations();
  executor_.for_blocks(ids.size(), kBlockRelations, [&](std::size_t first, std::size_t count, std::size_t /*worker*/) {
    optimiser.apply_in<kSpace>(executor_.kernels(), gradients.block(first, count), ids.subspan(first, count),
                               table.rows, table.state);
  });
}

template <Space kSpace>
void QuerySides<kSpace>::update_with_core(ConstMatrix gradients, Indices ids, const Optimiser& optimiser) {
  const auto& kernels = executor_.kernels();
  const auto& table = tables_.relations();
  const auto& core = tables_.core();
  const ConstMatrix of_operators = gradients.columns(0, operator_dim_);
  const ConstMatrix chosen = chosen_.block(0, ids.size());
  executor_.for_blocks(ids.size(), kBlockOperators, [&](std::size_t first, std::size_t count, std::size_t /*worker*/) {
    const auto each = memory_.counting(count);
    const Matrix of_rows = row_gradients_.block(first, count);
    kernels.scores.all_pairs(Similarity::kDot, of_operators.block(first, count), ConstMatrix(core.rows), of_rows);
    kernels.rows.add(gradients.block(first, count).columns(operator_dim_, relation_dim_), each, each, of_rows);
    kernels.rows.gather(table.rows, ids.subspan(first, count), chosen_.block(first, count));
  });
  executor_.for_blocks(
      core.rows.rows, kBlockCoreRows, [&](std::size_t first, std::size_t count, std::size_t /*worker*/) {
        const Matrix of_core = core_gradients_.block(first, count);
        kernels.gradients.to_rows(chosen.columns(first, count), of_operators, of_core);
        optimiser.apply_in<kSpace>(kernels, of_core, memory_.counting(count, first), core.rows, core.state);
      });
  executor_.for_blocks(ids.size(), kBlockRelations, [&](std::size_t first, std::size_t count, std::size_t /*worker*/) {
    optimiser.apply_in<kSpace>(kernels, row_gradients_.block(first, count), ids.subspan(first, count), table.rows,
                               table.state);
  });
}

template class QuerySides<Space::kHost>;
template class QuerySides<Space::kDevice>;

}  // namespace tessera::train
