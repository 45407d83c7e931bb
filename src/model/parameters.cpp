// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "model/parameters.hpp"

#include "core/random.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace tessera::model {
namespace {

using kernels::ConstMatrix;
using kernels::Matrix;
using memory::Tag;

constexpr std::uint32_t kRelationStream = (1U << 24U) - 1;  // no part has this number

std::size_t state_columns(StateShape shape, std::size_t dim) {
  switch (shape) {
    case StateShape::kNone: return 0;
    case StateShape::kPerElement: return dim;
    case StateShape::kPerRow: return 1;
    case StateShape::kTwoPerElement: return 2 * dim;
  }
  return 0;
}

// Glorot and Bengio (AISTATS 2010) with both fans the width of a row.
double init_scale(const Job::Model& model, std::size_t width) {
  if (model.init == "xavier_normal") return std::sqrt(1 / static_cast<double>(width));
  if (model.init == "xavier_uniform") return std::sqrt(3 / static_cast<double>(width));
  return model.init_scale;
}

void draw(Matrix rows, const Job::Model& model, const RandomStream& stream) {
  const bool normal = model.init == "normal" || model.init == "xavier_normal";
  const double scale = init_scale(model, rows.cols);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    for (std::size_t k = 0; k < rows.cols; ++k) {
      const std::uint64_t index = i * rows.cols + k;
      const double unit = normal ? stream.normals(index / 2).at(index % 2) : 2 * stream.uniform(index) - 1;
      rows.row(i)[k] = static_cast<float>(scale * unit);
    }
  }
}

void move_towards(ConstMatrix rows, double decay, Matrix average) {
  const auto gain = static_cast<float>(1 - decay);
  const std::size_t count = rows.rows * rows.cols;  // whole tables: no gaps between rows
  if (decay == 0) std::copy_n(rows.data, count, average.data);
  for (std::size_t i = 0; i < count; ++i) average.data[i] += gain * (rows.data[i] - average.data[i]);
}

}  // namespace

StateShape state_shape(const std::string& optimiser) {
  if (optimiser == "sgd") return StateShape::kNone;
  if (optimiser == "adam") return StateShape::kTwoPerElement;
  return optimiser == "rowwise_adagrad" ? StateShape::kPerRow : StateShape::kPerElement;
}

Parameters::Parameters(const graph::Shard& shard, const Job::Model& model, StateShape state, memory::Pool& pool,
                       std::vector<std::uint64_t> spare_rows, Tag rows_tag)
    : scorer_(&find_scorer(model.name)), dim_(model.dim) {
  spare_rows.resize(shard.parts.size(), 0);
  const auto matrix = [&](Tag tag, std::size_t rows, std::size_t cols) {
    memory_.push_back(pool.allocate<float>(tag, rows * cols));
    return Matrix{memory_.back().data(), rows, cols, cols};
  };
  for (std::size_t i = 0; i < shard.parts.size(); ++i) {
    const std::size_t rows = shard.parts[i].rows();
    PartTable table;
    table.part = shard.parts[i].id();
    table.rows_and_spare = matrix(rows_tag, rows + spare_rows[i], dim_);
    table.rows = table.rows_and_spare.block(0, rows);
    if (state != StateShape::kNone) table.state = matrix(Tag::kState, rows, state_columns(state, dim_));
    parts_.push_back(table);
  }
  const std::size_t directed = 2 * shard.manifest.relation_count;
  const std::size_t relation_dim = scorer_->relation_dim(dim_);
  relations_ = matrix(rows_tag, directed, relation_dim);
  if (state != StateShape::kNone) relation_state_ = matrix(Tag::kState, directed, state_columns(state, relation_dim));
}

void Parameters::initialise(const Job::Model& model, std::uint64_t seed) {
  for (PartTable& table : parts_) draw(table.rows, model, RandomStream(seed, Purpose::kInit, 0, table.part.value()));
  Job::Model relations = model;
  if (scorer_->has_phases()) {
    relations.init = "uniform";
    relations.init_scale = std::numbers::pi;
  }
  draw(relations_, relations, RandomStream(seed, Purpose::kInit, 0, kRelationStream));
  if (average_) average_->initialise(model, seed);
}

void Parameters::keep_average(const graph::Shard& shard, const Job::Model& model, memory::Pool& pool) {
  average_ =
      std::make_unique<Parameters>(shard, model, StateShape::kNone, pool, std::vector<std::uint64_t>(), Tag::kAverage);
}

void Parameters::update_average(double decay) {
  for (std::size_t i = 0; i < parts_.size(); ++i) move_towards(parts_[i].rows, decay, average_->parts_[i].rows);
  move_towards(relations_, decay, average_->relations_);
}

}  // namespace tessera::model
