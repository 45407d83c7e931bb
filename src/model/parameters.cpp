// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "model/parameters.hpp"

#include "core/parallel.hpp"
#include "core/random.hpp"
#include "model/row_formats.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

namespace tessera::model {
namespace {

using kernels::ConstMatrix;
using kernels::Matrix;
using memory::Tag;

constexpr std::uint32_t kRelationStream = (1U << 24U) - 1;  // no part has these numbers
constexpr std::uint32_t kCoreStream = kRelationStream - 1;

// A tile of operators that one product makes.
constexpr std::size_t kTileRelations = 64;
constexpr std::size_t kTileColumns = 256;

// Glorot and Bengio (AISTATS 2010) with both fans the width of a row.
double init_scale(const Job::Model& model, std::size_t width) {
  if (model.init == "xavier_normal") return std::sqrt(1 / static_cast<double>(width));
  if (model.init == "xavier_uniform") return std::sqrt(3 / static_cast<double>(width));
  return model.init_scale;
}

void draw(Matrix rows, std::uint64_t first_row, const Job::Model& model, const RandomStream& stream) {
  const bool normal = model.init == "normal" || model.init == "xavier_normal";
  const double scale = init_scale(model, rows.cols);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    for (std::size_t k = 0; k < rows.cols; ++k) {
      const std::uint64_t index = (first_row + i) * rows.cols + k;
      const double unit = normal ? stream.normals(index / 2).at(index % 2) : 2 * stream.uniform(index) - 1;
      rows.row(i)[k] = static_cast<float>(scale * unit);
    }
  }
}

void draw(Matrix rows, const Job::Model& model, const RandomStream& stream) { draw(rows, 0, model, stream); }

bool is_hot(const kernels::StoredRows& rows, std::size_t i) {
  return rows.hot.rows > 0 && kernels::is_hot(rows.row(i));
}

void draw(const kernels::StoredRows& rows, const Job::Model& model, const RandomStream& stream) {
  if (rows.is_fp32()) return draw(rows.matrix(), model, stream);
  std::vector<float> memory(rows.cols);
  const Matrix row{memory.data(), 1, rows.cols, rows.cols};
  for (std::size_t i = 0; i < rows.rows; ++i) {
    draw(row, i, model, stream);
    if (is_hot(rows, i))
      std::copy(memory.begin(), memory.end(), rows.hot.row(kernels::hot_slot(rows.row(i))));
    else
      encode(row, rows.block(i, 1));
  }
}

// The largest degree that at least `count` rows reach. Takes no memory.
std::uint32_t reached_by(std::span<const std::uint32_t> degrees, std::uint64_t count) {
  std::uint32_t low = 0;
  std::uint32_t high = *std::max_element(degrees.begin(), degrees.end());
  while (low < high) {
    const std::uint32_t middle = low + (high - low + 1) / 2;
    const auto reach = std::count_if(degrees.begin(), degrees.end(), [&](std::uint32_t d) { return d >= middle; });
    if (static_cast<std::uint64_t>(reach) >= count)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

// The rows of the largest degrees become hot; of equal ones, those of smaller numbers.
void mark_hot_rows(const PartTable& table) {
  const std::uint64_t count = table.rows.hot.rows;
  if (count == 0) return;
  const std::uint32_t least = reached_by(table.degrees, count);
  auto level = static_cast<std::int64_t>(count);
  for (const std::uint32_t degree : table.degrees) level -= degree > least ? 1 : 0;
  std::uint32_t slot = 0;
  for (std::size_t i = 0; i < table.rows.rows; ++i) {
    const bool is_chosen = table.degrees[i] > least || (table.degrees[i] == least && level-- > 0);
    if (is_chosen) kernels::mark_hot(table.rows.row(i), slot++, table.rows.cols);
  }
}

void move_towards(ConstMatrix rows, double decay, Matrix average) {
  const auto gain = static_cast<float>(1 - decay);
  const std::size_t count = rows.rows * rows.cols;  // whole tables: no gaps between rows
  if (decay == 0) std::copy_n(rows.data, count, average.data);
  for (std::size_t i = 0; i < count; ++i) average.data[i] += gain * (rows.data[i] - average.data[i]);
}

}  // namespace

std::uint64_t row_bytes(const graph::Shard& shard, const Job::Model& model, const RowMemory& memory) {
  std::uint64_t bytes = 0;
  for (const graph::Part& part : shard.parts)
    bytes += part.rows() * kernels::row_bytes(memory.format, model.dim) +
             memory.hot_rows(part.rows()) * model.dim * sizeof(float);
  return bytes;
}

std::size_t state_columns(StateShape shape, std::size_t dim) {
  switch (shape) {
    case StateShape::kNone: return 0;
    case StateShape::kPerElement: return dim;
    case StateShape::kPerRow: return 1;
    case StateShape::kTwoPerElement: return 2 * dim;
  }
  return 0;
}

StateShape state_shape(const std::string& optimiser) {
  if (optimiser == "sgd") return StateShape::kNone;
  if (optimiser == "adam") return StateShape::kTwoPerElement;
  return optimiser == "rowwise_adagrad" ? StateShape::kPerRow : StateShape::kPerElement;
}

std::byte* Parameters::allocate(memory::Pool& pool, Tag tag, std::size_t bytes) {
  memory_.push_back(pool.allocate<std::byte>(tag, bytes));
  return memory_.back().data();
}

PartTable Parameters::shape_table(const graph::Part& part, StateShape state, const RowMemory& memory) const {
  const std::size_t own = parts_.size();
  const std::size_t spare = own < memory.spare_rows.size() ? memory.spare_rows[own] : 0;
  PartTable table;
  table.part = part.id();
  table.degrees = part.train_degree();
  table.rows_and_spare = {memory.format, nullptr, part.rows() + spare, dim_, kernels::row_bytes(memory.format, dim_)};
  if (const std::size_t hot = memory.hot_rows(part.rows()); hot > 0)
    table.rows_and_spare.hot = {nullptr, hot, dim_, dim_};
  if (state != StateShape::kNone) {
    const std::size_t columns = state_columns(state, dim_);
    const auto format = state == StateShape::kPerElement ? memory.state_format : kernels::StateFormat::kFp32;
    table.state = {format, nullptr, part.rows(), columns, kernels::state_bytes(format, columns)};
  }
  table.rows = table.rows_and_spare.block(0, part.rows());
  return table;
}

PartTable Parameters::allocate_table(PartTable table, memory::Pool& pool, const RowMemory& memory) {
  if (memory.store != nullptr) return placed_in(table, memory.store->allocate(table.part, table_bytes(table)));
  const auto bytes = [&](Tag tag, std::size_t count) { return allocate(pool, tag, count); };
  kernels::StoredRows& rows = table.rows_and_spare;
  rows.data = bytes(memory.tag, rows.rows * rows.stride);
  if (rows.hot.rows > 0)
    rows.hot.data = reinterpret_cast<float*>(bytes(memory.tag, rows.hot.rows * rows.hot.cols * sizeof(float)));
  if (table.state.rows > 0) table.state.data = bytes(Tag::kState, table.state.rows * table.state.stride);
  table.rows = rows.block(0, table.rows.rows);
  return table;
}

Parameters::Parameters(const graph::Shard& shard, const Job::Model& model, StateShape state, memory::Pool& pool,
                       const RowMemory& row_memory)
    : scorer_(&find_scorer(model.name)), dim_(model.dim), store_(row_memory.store) {
  for (const graph::Part& part : shard.parts)
    parts_.push_back(allocate_table(shape_table(part, state, row_memory), pool, row_memory));
  const Tag rows_tag = row_memory.tag;
  const auto matrix = [&](Tag tag, std::size_t rows, std::size_t cols) {
    return Matrix{reinterpret_cast<float*>(allocate(pool, tag, rows * cols * sizeof(float))), rows, cols, cols};
  };
  const std::size_t directed = 2 * shard.manifest.relation_count;
  const std::size_t operator_dim = scorer_->operator_dim(dim_);
  const std::size_t own_dim = model.relation_dim > 0 ? model.relation_dim : dim_;
  const std::size_t relation_dim = scorer_->has_core() ? own_dim : operator_dim;
  relations_ = matrix(rows_tag, directed, relation_dim);
  if (state != StateShape::kNone) relation_state_ = matrix(Tag::kState, directed, state_columns(state, relation_dim));
  if (!scorer_->has_core()) return;
  core_ = matrix(rows_tag, relation_dim, operator_dim);
  if (state != StateShape::kNone) core_state_ = matrix(Tag::kState, relation_dim, state_columns(state, operator_dim));
  operators_ = matrix(rows_tag, directed, operator_dim);
  chosen_relations_ = matrix(rows_tag, directed, relation_dim);
  all_ = pool.allocate<std::uint32_t>(rows_tag, directed);
  std::iota(all_.data(), all_.data() + directed, 0U);
}

void Parameters::put_away(const PartTable& table) const {
  if (store_ != nullptr) store_->put_away(table.part);
}

void Parameters::make_operators(const kernels::Backend& backend, std::size_t threads) const {
  make_operators(all_.span(), backend, threads);
}

void Parameters::make_operators(std::span<const std::uint32_t> relations, const kernels::Backend& backend,
                                std::size_t threads) const {
  if (core_.rows == 0) return;
  const Matrix chosen = chosen_relations_.block(0, relations.size());
  backend.rows.gather(relations_, relations, chosen);
  const std::size_t strips = (core_.cols + kTileColumns - 1) / kTileColumns;
  const std::size_t blocks = (relations.size() + kTileRelations - 1) / kTileRelations;
  parallel_for(strips * blocks, threads, [&](std::size_t i) {
    const std::size_t column = i % strips * kTileColumns;
    const std::size_t first = i / strips * kTileRelations;
    const std::size_t cols = std::min(kTileColumns, core_.cols - column);
    const std::size_t count = std::min(kTileRelations, relations.size() - first);
    std::array<float, kTileRelations * kTileColumns> memory;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    const Matrix product{memory.data(), count, cols, cols};
    backend.gradients.to_queries(chosen.block(first, count), core_.columns(column, cols), product);
    backend.rows.scatter(product, relations.subspan(first, count), operators_.columns(column, cols));
  });
}

void Parameters::initialise(const Job::Model& model, std::uint64_t seed) {
  for (PartTable& table : parts_) {
    mark_hot_rows(table);
    draw(table.rows, model, RandomStream(seed, Purpose::kInit, 0, table.part.value()));
    put_away(table);
  }
  Job::Model relations = model;
  if (scorer_->has_phases()) {
    relations.init = "uniform";
    relations.init_scale = std::numbers::pi;
  }
  draw(relations_, relations, RandomStream(seed, Purpose::kInit, 0, kRelationStream));
  Job::Model core = model;  // as published: with rows of norm 1 the elements of a query vector are of the order of 1
  core.init = "uniform";
  core.init_scale = 1;
  draw(core_, core, RandomStream(seed, Purpose::kInit, 0, kCoreStream));
  if (average_) average_->initialise(model, seed);
}

void Parameters::keep_average(const graph::Shard& shard, const Job::Model& model, memory::Pool& pool) {
  average_ = std::make_unique<Parameters>(shard, model, StateShape::kNone, pool, RowMemory{.tag = Tag::kAverage});
}

void Parameters::update_average(double decay) {
  for (std::size_t i = 0; i < parts_.size(); ++i)
    move_towards(parts_[i].rows.matrix(), decay, average_->parts_[i].rows.matrix());
  move_towards(relations_, decay, average_->relations_);
  move_towards(core_, decay, average_->core_);
}

}  // namespace tessera::model
