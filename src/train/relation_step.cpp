// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/relation_step.hpp"

#include "core/parallel.hpp"

#include <algorithm>
#include <numeric>

namespace tessera::train {

using kernels::ConstMatrix;
using kernels::Matrix;
using memory::Tag;

namespace {

constexpr std::size_t kBlockRows = 64;      // of relations
constexpr std::size_t kStripRows = 32;      // of the core
constexpr std::size_t kStripColumns = 512;  // of the core

std::size_t cut(std::size_t count, std::size_t tile) { return (count + tile - 1) / tile; }

}  // namespace

std::size_t relation_gradient_dim(const model::Parameters& parameters) {
  const std::size_t row_dim = parameters.scorer().has_core() ? parameters.relations().cols : 0;
  return parameters.operators().cols + row_dim;
}

RelationStep::RelationStep(model::Parameters& parameters, std::uint64_t capacity, std::size_t threads,
                           const kernels::Backend& backend, memory::Pool& pool)
    : parameters_(parameters), threads_(threads), backend_(backend) {
  if (!parameters.scorer().has_core()) return;
  const Matrix relations = parameters.relations();
  const std::uint64_t rows = std::min<std::uint64_t>(capacity, relations.rows);
  is_needed_.resize(relations.rows);
  needed_.reserve(relations.rows);
  core_ids_.resize(parameters.core().rows);
  std::iota(core_ids_.begin(), core_ids_.end(), 0U);
  chosen_ = pool.allocate<float>(Tag::kGradients, rows * relations.cols);
  row_gradients_ = pool.allocate<float>(Tag::kGradients, rows * relations.cols);
  core_gradients_ = pool.allocate<float>(Tag::kGradients, parameters.core().rows * parameters.core().cols);
}

void RelationStep::need(std::span<const std::uint32_t> relations) {
  if (!parameters_.scorer().has_core()) return;
  for (const std::uint32_t relation : relations) {
    if (is_needed_[relation]) continue;
    is_needed_[relation] = true;
    needed_.push_back(relation);
  }
}

void RelationStep::make_operators() {
  parameters_.make_operators(needed_, backend_, threads_);
  for (const std::uint32_t relation : needed_) is_needed_[relation] = false;
  needed_.clear();
}

void RelationStep::update(const exchange::SparseRows& gradients, const Optimiser& optimiser) {
  const Matrix relations = parameters_.relations();
  if (!parameters_.scorer().has_core())
    return optimiser.apply(backend_, gradients.rows, gradients.ids, relations, parameters_.relation_state());
  relation_rows(gradients);
  core_rows(gradients);
  optimiser.apply(backend_, {row_gradients_.data(), gradients.ids.size(), relations.cols, relations.cols},
                  gradients.ids, relations, parameters_.relation_state());
  const Matrix core = parameters_.core();
  const Matrix core_gradients{core_gradients_.data(), core.rows, core.cols, core.cols};
  parallel_for(core.rows, threads_, [&](std::size_t a) {
    optimiser.apply(backend_, core_gradients.block(a, 1), std::span(core_ids_).subspan(a, 1), core,
                    parameters_.core_state());
  });
}

// Operator M = sum_a r[a] W[a]: the gradient of r[a] is that of M times W[a], elementwise and summed.
void RelationStep::relation_rows(const exchange::SparseRows& gradients) {
  const ConstMatrix core = parameters_.core();
  const ConstMatrix operators = gradients.rows.columns(0, core.cols);
  const ConstMatrix direct = gradients.rows.columns(core.cols, core.rows);
  const Matrix out{row_gradients_.data(), gradients.ids.size(), core.rows, core.rows};
  const std::size_t strips = cut(core.rows, kStripRows);
  parallel_for(strips * cut(out.rows, kBlockRows), threads_, [&](std::size_t i) {
    const std::size_t first = i / strips * kBlockRows;
    const std::size_t element = i % strips * kStripRows;
    const std::size_t count = std::min(kBlockRows, out.rows - first);
    const std::size_t elements = std::min(kStripRows, core.rows - element);
    backend_.scores.all_pairs(kernels::Similarity::kDot, operators.block(first, count), core.block(element, elements),
                              out.block(first, count).columns(element, elements));
  });
  for (std::size_t i = 0; i < out.rows; ++i)
    for (std::size_t a = 0; a < out.cols; ++a) out.row(i)[a] += direct.row(i)[a];
}

// That of W[a] is the sum of those of M, times r[a].
void RelationStep::core_rows(const exchange::SparseRows& gradients) {
  const Matrix core = parameters_.core();
  const Matrix out{core_gradients_.data(), core.rows, core.cols, core.cols};
  const Matrix chosen{chosen_.data(), gradients.ids.size(), core.rows, core.rows};
  backend_.rows.gather(parameters_.relations(), gradients.ids, chosen);
  parallel_for(cut(core.cols, kStripColumns), threads_, [&](std::size_t strip) {
    const std::size_t first = strip * kStripColumns;
    const std::size_t count = std::min(kStripColumns, core.cols - first);
    backend_.gradients.to_rows(chosen, gradients.rows.columns(first, count), out.columns(first, count));
  });
}

}  // namespace tessera::train
