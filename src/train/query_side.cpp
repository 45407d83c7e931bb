// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/query_side.hpp"

#include "train/relation_step.hpp"

#include <algorithm>
#include <array>

namespace tessera::train {

using kernels::ConstMatrix;
using kernels::Matrix;
using memory::Tag;

namespace {

constexpr std::array<std::uint32_t, 1> kOnlyRow = {0};

}  // namespace

QuerySide::QuerySide(const model::Parameters& parameters, const Dropout& dropout, std::size_t part,
                     std::uint64_t capacity, memory::Pool& pool, bool direct)
    : parameters_(parameters),
      dropout_(dropout),
      part_(part),
      dim_(parameters.dim()),
      gradient_dim_(relation_gradient_dim(parameters)),
      sources_(pool.allocate<float>(Tag::kBatch, capacity * dim_)),
      queries_(pool.allocate<float>(Tag::kBatch, capacity * dim_)),
      query_gradients_(pool.allocate<float>(Tag::kGradients, capacity * dim_)),
      direct_gradients_(pool.allocate<float>(Tag::kGradients, direct ? capacity * dim_ : 0)),
      relation_gradients_(pool.allocate<float>(
          Tag::kGradients, std::min<std::uint64_t>(capacity, parameters.relations().rows) * gradient_dim_)) {}

void QuerySide::start(const OrderPosition& position, std::span<const std::uint32_t> source_rows,
                      std::span<const std::uint32_t> relations, std::span<const std::uint32_t> answers) {
  position_ = position;
  source_rows_ = source_rows;
  relations_ = relations;
  answers_ = answers;
}

void QuerySide::compose(const kernels::Backend& backend, std::size_t first, std::size_t count, std::size_t worker) {
  const Matrix sources = view(sources_).block(first, count);
  const Matrix queries = this->queries().block(first, count);
  backend.rows.gather(parameters_.parts()[part_].rows_and_spare, source_rows_.subspan(first, count), sources);
  if (dropout_.drops_entities())
    for (std::size_t i = 0; i < count; ++i) dropout_.mask_source(position_, first + i, sources.row(i));
  if (!dropout_.drops_relations())
    return parameters_.scorer().compose(sources, parameters_.operators(), relations_.subspan(first, count), queries);
  for (std::size_t i = 0; i < count; ++i)
    parameters_.scorer().compose(sources.block(i, 1), masked_operator(first + i, worker), kOnlyRow,
                                 queries.block(i, 1));
}

// What dropout leaves of the operator of a query [1, operator dim].
ConstMatrix QuerySide::masked_operator(std::size_t query, std::size_t worker) const {
  const ConstMatrix operators = parameters_.operators();
  const Matrix masked{dropout_.operator_scratch(worker), 1, operators.cols, operators.cols};
  std::copy_n(operators.row(relations_[query]), operators.cols, masked.data);
  dropout_.mask_operator(position_, query, masked.data);
  return masked;
}

void QuerySide::penalise_queries(std::size_t first, std::size_t count, const Penalty& penalty) {
  const float factor = penalty.regulariser.products * penalty.scale;
  for (std::size_t i = first; i < first + count; ++i)
    model::add_power_gradient(penalty.regulariser.power, parameters_.scorer().is_complex(), factor * answers(i),
                              queries().row(i), dim_, query_gradients().row(i));
}

void QuerySide::source_gradients(std::size_t first, std::size_t count, const Penalty& penalty, Matrix out,
                                 std::size_t worker) {
  const model::Scorer& scorer = parameters_.scorer();
  const ConstMatrix gradients = query_gradients().block(first, count);
  if (dropout_.drops_relations())
    for (std::size_t i = 0; i < count; ++i)
      scorer.backward(masked_operator(first + i, worker), kOnlyRow, gradients.block(i, 1), out.block(i, 1));
  else
    scorer.backward(parameters_.operators(), relations_.subspan(first, count), gradients, out);
  if (direct_gradients_.size() > 0) {
    const float* direct = direct_gradients_.data() + first * dim_;
    for (std::size_t k = 0; k < count * dim_; ++k) out.data[k] += direct[k];
  }
  const ConstMatrix table = parameters_.parts()[part_].rows_and_spare;
  for (std::size_t i = 0; i < count; ++i) {
    if (dropout_.drops_entities()) dropout_.mask_source(position_, first + i, out.row(i));
    penalty.add_entity(scorer, answers(first + i), table.row(source_rows_[first + i]), dim_, out.row(i));
  }
}

void QuerySide::relation_gradients(const exchange::Groups& groups, std::size_t first, std::size_t count,
                                   const Penalty& penalty, std::size_t worker) {
  const model::Scorer& scorer = parameters_.scorer();
  const ConstMatrix rows = parameters_.relations();
  for (std::size_t u = first; u < first + count; ++u) {
    float* gradient = relation_gradients_.data() + u * gradient_dim_;
    const auto positions = groups.positions_of(u);
    std::fill_n(gradient, gradient_dim_, 0.0F);
    add_operator_gradient(positions, groups.ids()[u], gradient, worker);
    if (scorer.has_phases()) continue;  // an angle has no size to penalise
    float triples = 0;
    for (const std::uint32_t position : positions) triples += answers(position);
    model::add_power_gradient(penalty.regulariser.power, scorer.is_relation_complex(),
                              penalty.regulariser.relations * penalty.scale * triples, rows.row(groups.ids()[u]),
                              rows.cols, gradient + gradient_dim_ - rows.cols);
  }
}

void QuerySide::add_operator_gradient(std::span<const std::uint32_t> positions, std::uint32_t relation, float* gradient,
                                      std::size_t worker) {
  const model::Scorer& scorer = parameters_.scorer();
  const ConstMatrix operators = parameters_.operators();
  if (!dropout_.drops_relations())
    return scorer.add_operator_gradients(view(sources_), operators.row(relation), query_gradients(), positions,
                                         gradient);
  float* masked = dropout_.gradient_scratch(worker);
  for (const std::uint32_t& position : positions) {
    std::fill_n(masked, operators.cols, 0.0F);
    scorer.add_operator_gradients(view(sources_), masked_operator(position, worker).data, query_gradients(),
                                  std::span(&position, 1), masked);
    dropout_.mask_operator(position_, position, masked);
    for (std::size_t k = 0; k < operators.cols; ++k) gradient[k] += masked[k];
  }
}

exchange::SparseRows QuerySide::relation_leaf(const exchange::Groups& groups) const {
  return {groups.ids(), {relation_gradients_.data(), groups.size(), gradient_dim_, gradient_dim_}};
}

}  // namespace tessera::train
