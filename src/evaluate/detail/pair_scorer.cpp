// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/detail/pair_scorer.hpp"

#include "core/parallel.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

namespace tessera::evaluate::detail {
namespace {

constexpr std::size_t kMostPairs = 256;
constexpr std::size_t kScratchFloats = std::size_t{1}
                                       << 15U;  // scratch of one side; both sides fill half of a level-2 cache

std::size_t pairs_per_task(std::size_t dim) { return std::clamp<std::size_t>(kScratchFloats / dim, 8, kMostPairs); }

}  // namespace

PairScorer::PairScorer(const search::Setup& setup, const model::OwnRows& rows)
    : setup_(setup),
      rows_(rows),
      dim_(setup.parameters.dim()),
      task_pairs_(pairs_per_task(dim_)),
      scratch_(setup.host.allocate<float>(memory::Tag::kEvaluation, setup.host.workers() * 2 * task_pairs_ * dim_)) {}

std::uint64_t PairScorer::bytes(std::size_t dim, std::size_t threads) {
  return search::host_bytes<float>(threads * 2 * pairs_per_task(dim) * dim);
}

void PairScorer::score(kernels::ConstMatrix vectors, std::span<const std::uint32_t> query_of,
                       std::span<const std::uint64_t> entities, std::span<float> scores,
                       const search::RowMask* among) const {
  const std::size_t tasks = (entities.size() + task_pairs_ - 1) / task_pairs_;
  parallel_for(tasks, setup_.host.workers(), [&](std::size_t i, std::size_t worker) {
    const std::size_t first = i * task_pairs_;
    score_task({first, std::min(task_pairs_, entities.size() - first),
                scratch_.data() + worker * 2 * task_pairs_ * dim_, among},
               vectors, query_of, entities, scores);
  });
}

void PairScorer::score_task(Task task, kernels::ConstMatrix vectors, std::span<const std::uint32_t> query_of,
                            std::span<const std::uint64_t> entities, std::span<float> scores) const {
  std::array<std::size_t, kMostPairs> position{};
  std::array<float, kMostPairs> found{};
  const kernels::Matrix left{task.scratch, task_pairs_, dim_, dim_};
  const kernels::Matrix right{task.scratch + task_pairs_ * dim_, task_pairs_, dim_, dim_};
  std::size_t own = 0;
  for (std::size_t i = task.first; i < task.first + task.count; ++i) {
    scores[i] = std::numeric_limits<float>::quiet_NaN();
    if (!rows_.owns(EntityId(entities[i]))) continue;
    if (task.among != nullptr && !task.among->has(entities[i] - rows_.first().value())) continue;
    std::memcpy(left.row(own), vectors.row(query_of[i]), dim_ * sizeof(float));
    rows_.read(EntityId(entities[i]), right.row(own));
    position.at(own++) = i;
  }
  setup_.host.kernels().scores.pairs(setup_.parameters.scorer().similarity(), left.block(0, own), right.block(0, own),
                                     std::span(found).first(own));
  for (std::size_t k = 0; k < own; ++k) scores[position.at(k)] = found.at(k);
}

}  // namespace tessera::evaluate::detail
