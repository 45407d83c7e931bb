// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/score_sum.hpp"

#include "core/error.hpp"
#include "core/job.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace tessera::checkpoint {
namespace {

/// The models whose rows can be put side by side, and in how many equal blocks their rows are laid out.
struct BlockLayout {
  const char* model;
  std::size_t entity_blocks;
  std::size_t relation_blocks;
};
constexpr std::array<BlockLayout, 3> kLayouts = {{
    {"distmult", 1, 1},
    {"complex", 2, 2},  // real parts, imaginary parts
    {"cp", 2, 1},       // as a source, as a target
}};

BlockLayout layout_of(const Member& member) {
  const std::string& model = member.model->shape().name;
  for (const BlockLayout& layout : kLayouts)
    if (model == layout.model) return layout;
  fail(ExitStatus::kUsage, "'{}' is a {} model, whose scores cannot be weighted or summed; that is for: {}, {}, {}",
       member.name, model, kLayouts[0].model, kLayouts[1].model, kLayouts[2].model);
}

void check_alike(const Member& first, const Member& other) {
  const ModelShape& a = first.model->shape();
  const ModelShape& b = other.model->shape();
  if (a.graph_digest != b.graph_digest)
    fail(ExitStatus::kUsage, "'{}' and '{}' were trained on different graphs; only models of one graph can be summed",
         first.name, other.name);
  if (a.name != b.name)
    fail(ExitStatus::kUsage, "'{}' is a {} model and '{}' a {} model; only models of one kind can be summed",
         first.name, a.name, other.name, b.name);
}

/// Puts `row` into `out`: block i of it to place offset / blocks of block i of `out`, multiplied by `scale`.
void put_beside(std::span<const float> row, std::size_t blocks, std::size_t offset, double scale,
                std::span<float> out) {
  const std::size_t width = row.size() / blocks;
  for (std::size_t block = 0; block < blocks; ++block) {
    float* to = out.data() + block * (out.size() / blocks) + offset / blocks;
    for (std::size_t k = 0; k < width; ++k) to[k] = static_cast<float>(scale * row[block * width + k]);
  }
}

}  // namespace

ScoreSum::ScoreSum(std::vector<Member> members) : members_(std::move(members)) {
  const bool is_itself = members_.size() == 1 && members_.front().weight == 1;
  shape_ = members_.front().model->shape();
  shape_.dim = 0;
  shape_.relation_dim = 0;
  if (!is_itself) {
    for (const Member& member : members_) check_alike(members_.front(), member);
    const BlockLayout layout = layout_of(members_.front());
    entity_blocks_ = layout.entity_blocks;
    relation_blocks_ = layout.relation_blocks;
  }
  for (const Member& member : members_) {
    shape_.dim += member.model->shape().dim;
    shape_.relation_dim += member.model->shape().relation_dim;
    for (ModelOrigin origin : member.model->origins()) {
      origin.weight *= member.weight;
      origins_.push_back(std::move(origin));
    }
  }
  if (members_.size() > 1) shape_.epoch = 0;
  if (shape_.dim > kMostDim)
    fail(ExitStatus::kUsage, "together the models have dim {}; at most {} is possible", shape_.dim, kMostDim);
}

std::vector<float> ScoreSum::relations() const {
  const std::size_t rows = 2 * shape_.relation_count;
  std::vector<float> all(rows * shape_.relation_dim);
  std::size_t offset = 0;
  for (const Member& member : members_) {
    const std::vector<float> own = member.model->relations();
    const std::size_t width = member.model->shape().relation_dim;
    for (std::size_t r = 0; r < rows; ++r)
      put_beside(std::span(own).subspan(r * width, width), relation_blocks_, offset, member.weight,
                 std::span(all).subspan(r * shape_.relation_dim, shape_.relation_dim));
    offset += width;
  }
  return all;
}

memory::Buffer<float> take_window(const ModelShape& shape, memory::Pool& pool) {
  const std::uint64_t free_rows = pool.free_bytes() / 2 / (shape.dim * sizeof(float));
  const std::uint64_t rows = std::clamp<std::uint64_t>(free_rows, 1, shape.entity_count);
  return pool.allocate<float>(memory::Tag::kRows, rows * shape.dim);
}

void ScoreSum::for_each_window(memory::Pool& pool, const std::function<void(std::span<const float>)>& consume) const {
  const auto window = take_window(shape_, pool);
  const std::uint64_t rows = window.size() / shape_.dim;
  for (std::uint64_t first = 0; first < shape_.entity_count; first += rows) {
    const auto part = window.span().first(std::min(rows, shape_.entity_count - first) * shape_.dim);
    fill(first, part);
    consume(part);
  }
}

void ScoreSum::fill(std::uint64_t first, std::span<float> window) const {
  const std::uint64_t count = window.size() / shape_.dim;
  std::size_t offset = 0;
  for (const Member& member : members_) {
    member.model->for_each_block([&](std::span<const std::uint64_t> ids, kernels::ConstMatrix rows) {
      for (std::size_t i = 0; i < ids.size(); ++i) {
        const std::uint64_t place = ids[i] - first;  // wraps below the window
        if (place < count)
          put_beside({rows.row(i), rows.cols}, entity_blocks_, offset, 1,
                     window.subspan(place * shape_.dim, shape_.dim));
      }
    });
    offset += member.model->shape().dim;
  }
}

}  // namespace tessera::checkpoint
