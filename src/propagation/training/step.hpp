// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "core/job.hpp"
#include "core/stage_times.hpp"
#include "kernels/backend.hpp"
#include "memory/pool.hpp"
#include "propagation/training/learner.hpp"
#include "train/optimiser.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tessera::propagation {

/// A model in training on all ranks: parameters, optimiser, steps. Every rank has the whole graph and all parameters.
/// Blocks of 4 queries are shared out to the ranks and their threads; the gradients of all blocks are added up in the
/// order of the blocks, by every rank. So bits depend on neither.
class Training {
 public:
  /// All of it outlives the training. Throws Error(kOverBudget) that names a batch which fits.
  Training(comm::Communicator& comm, const MessageGraph& graph, Learner& learner, const Job& job, memory::Pool& pool,
           std::size_t threads);

  [[nodiscard]] std::uint64_t steps() const { return draw_.steps(); }
  /// Collective. Returns the sum of the losses of its queries. The loss is not finite: Error(kBadData), on all ranks.
  double run_step(std::uint32_t epoch, std::uint64_t step);
  [[nodiscard]] std::uint64_t queries_of(std::uint64_t step) const;
  [[nodiscard]] std::span<float> parameters() const { return values_.span(); }
  [[nodiscard]] std::span<float> optimiser_state() const { return state_.span(); }
  /// After the parameters were changed from outside.
  void refresh();
  [[nodiscard]] train::Optimiser& optimiser() { return optimiser_; }
  [[nodiscard]] const StageTimes& stage_times() const { return stages_; }
  [[nodiscard]] std::size_t workers() const { return workers_; }
  [[nodiscard]] const memory::Pool& pool() const { return pool_; }

 private:
  void take_memory(std::size_t threads);
  [[nodiscard]] std::uint64_t step_bytes(std::size_t batch) const;
  [[nodiscard]] std::size_t largest_batch(std::uint64_t room) const;
  [[nodiscard]] std::size_t first_block(std::size_t blocks, std::int32_t rank) const;
  void run_blocks(const StepQueries& step);
  void exchange(std::size_t queries);
  void require_finite(double loss) const;
  void add_up(const StepQueries& step);
  void update(std::uint64_t number);

  comm::Communicator& comm_;
  const MessageGraph& graph_;
  Learner& learner_;
  memory::Pool& pool_;
  Draw draw_;
  Removal removal_;
  std::size_t batch_size_;
  train::Optimiser optimiser_;
  std::size_t workers_ = 0;
  std::size_t threads_;
  memory::Buffer<float> values_;
  memory::Buffer<float> transposed_;
  memory::Buffer<float> gradients_;
  memory::Buffer<float> state_;
  memory::Buffer<float> blocks_;      // [blocks, shared], of all ranks
  memory::Buffer<float> rows_;        // [queries, row_count], of all ranks
  memory::Buffer<float> own_blocks_;  // of this rank, where there are several
  memory::Buffer<float> own_rows_;
  std::vector<double> losses_;
  BatchGraph seen_;
  StageTimes stages_;
};

}  // namespace tessera::propagation
