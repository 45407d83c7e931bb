// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/query_side.hpp"

#include <algorithm>

namespace tessera::train {

using kernels::Matrix;
using memory::Tag;

QuerySide::QuerySide(const model::Parameters& parameters, std::size_t part, std::uint64_t capacity, memory::Pool& pool,
                     bool direct)
    : parameters_(parameters),
      part_(part),
      dim_(parameters.dim()),
      relation_dim_(parameters.relations().cols),
      sources_(pool.allocate<float>(Tag::kBatch, capacity * dim_)),
      queries_(pool.allocate<float>(Tag::kBatch, capacity * dim_)),
      query_gradients_(pool.allocate<float>(Tag::kGradients, capacity * dim_)),
      direct_gradients_(pool.allocate<float>(Tag::kGradients, direct ? capacity * dim_ : 0)),
      relation_gradients_(pool.allocate<float>(
          Tag::kGradients, std::min<std::uint64_t>(capacity, parameters.relations().rows) * relation_dim_)) {}

void QuerySide::start(std::span<const std::uint32_t> source_rows, std::span<const std::uint32_t> relations,
                      std::span<const std::uint32_t> answers) {
  source_rows_ = source_rows;
  relations_ = relations;
  answers_ = answers;
}

void QuerySide::compose(const kernels::Backend& backend, std::size_t first, std::size_t count) {
  const Matrix sources = view(sources_).block(first, count);
  backend.rows.gather(parameters_.parts()[part_].rows_and_spare, source_rows_.subspan(first, count), sources);
  parameters_.scorer().compose(sources, parameters_.relations(), relations_.subspan(first, count),
                               queries().block(first, count));
}

void QuerySide::penalise_queries(std::size_t first, std::size_t count, const Penalty& penalty) {
  const float factor = penalty.regulariser.products * penalty.scale;
  for (std::size_t i = first; i < first + count; ++i)
    model::add_power_gradient(penalty.regulariser.power, parameters_.scorer().is_complex(), factor * answers(i),
                              queries().row(i), dim_, query_gradients().row(i));
}

void QuerySide::source_gradients(std::size_t first, std::size_t count, const Penalty& penalty, Matrix out) {
  const model::Scorer& scorer = parameters_.scorer();
  scorer.backward(parameters_.relations(), relations_.subspan(first, count), query_gradients().block(first, count),
                  out);
  if (direct_gradients_.size() > 0) {
    const float* direct = direct_gradients_.data() + first * dim_;
    for (std::size_t k = 0; k < count * dim_; ++k) out.data[k] += direct[k];
  }
  const Matrix sources = view(sources_).block(first, count);
  for (std::size_t i = 0; i < count; ++i)
    penalty.add_entity(scorer, answers(first + i), sources.row(i), dim_, out.row(i));
}

void QuerySide::relation_gradients(const exchange::Groups& groups, std::size_t first, std::size_t count,
                                   const Penalty& penalty) {
  const model::Scorer& scorer = parameters_.scorer();
  for (std::size_t u = first; u < first + count; ++u) {
    const float* row = parameters_.relations().row(groups.ids()[u]);
    float* gradient = relation_gradients_.data() + u * relation_dim_;
    const auto positions = groups.positions_of(u);
    std::fill_n(gradient, relation_dim_, 0.0F);
    scorer.add_relation_gradients(view(sources_), row, query_gradients(), positions, gradient);
    float triples = 0;
    for (const std::uint32_t position : positions) triples += answers(position);
    model::add_power_gradient(penalty.regulariser.power, scorer.is_relation_complex(),
                              penalty.regulariser.relations * penalty.scale * triples, row, relation_dim_, gradient);
  }
}

exchange::SparseRows QuerySide::relation_leaf(const exchange::Groups& groups) const {
  return {groups.ids(), {relation_gradients_.data(), groups.size(), relation_dim_, relation_dim_}};
}

}  // namespace tessera::train
