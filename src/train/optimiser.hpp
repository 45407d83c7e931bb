// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/job.hpp"
#include "kernels/backend.hpp"

#include <cstdint>
#include <span>

namespace tessera::train {

/// How a summed gradient changes rows and their state. Rows without a gradient stay as they are, Adam's included.
class Optimiser {
 public:
  explicit Optimiser(const Job::Optimiser& job, const Job::Schedule& schedule = {});

  /// Before the first apply() of a step; `step` counts from 0 over all epochs, which have `steps_per_epoch` each. Same
  /// bits on every machine.
  void begin_step(std::uint64_t step, std::uint64_t steps_per_epoch);
  /// Multiplies the learning rate from the next step on; not the product of all such calls.
  void set_rate_factor(double factor) { rate_factor_ = factor; }
  [[nodiscard]] double rate_factor() const { return rate_factor_; }
  /// The rate of this step.
  [[nodiscard]] double learning_rate() const { return learning_rate_; }
  /// `state` has the shape of model::state_shape(). Distinct rows of one table may be updated on several threads.
  void apply(const kernels::Backend& backend, kernels::ConstMatrix gradients, std::span<const std::uint32_t> rows,
             kernels::Matrix table, kernels::StoredState state) const {
    apply_in<kernels::Space::kHost>(backend, gradients, rows, table, state);
  }
  /// Updates rows of any format in any memory space. Only "adagrad" takes a state in 8 bits.
  template <kernels::Space kSpace>
  void apply_in(const kernels::BasicBackend<kSpace>& backend, kernels::BasicConstMatrix<kSpace> gradients,
                kernels::Vector<kSpace, const std::uint32_t> rows, kernels::BasicStoredRows<kSpace> table,
                kernels::BasicStoredState<kSpace> state) const;

 private:
  enum class Kind { kAdagrad, kRowwiseAdagrad, kAdam, kSgd };
  static Kind find_kind(const std::string& name);

  Job::Optimiser job_;
  Kind kind_;
  double warmup_epochs_;  // 0: none
  double rate_factor_ = 1;
  double learning_rate_ = 0;
  kernels::AdagradStep adagrad_;
  kernels::AdamStep adam_{};
};

}  // namespace tessera::train
