// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/optimiser.hpp"

#include "core/error.hpp"

#include <cmath>

namespace tessera::train {
namespace {

/// base^exponent by multiplications alone: the library's pow may differ between machines.
double power(double base, std::uint64_t exponent) {
  double result = 1;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 != 0) result *= base;
    base *= base;
  }
  return result;
}

}  // namespace

Optimiser::Kind Optimiser::find_kind(const std::string& name) {
  if (name == "adagrad") return Kind::kAdagrad;
  if (name == "rowwise_adagrad") return Kind::kRowwiseAdagrad;
  if (name == "adam") return Kind::kAdam;
  if (name == "sgd") return Kind::kSgd;
  fail(ExitStatus::kUsage, "optimiser '{}' is not known", name);
}

Optimiser::Optimiser(const Job::Optimiser& job, const Job::Schedule& schedule)
    : job_(job), kind_(find_kind(job.name)), warmup_epochs_(schedule.name == "warmup" ? schedule.warmup_epochs : 0) {
  adagrad_.epsilon = static_cast<float>(job.epsilon);
  adam_.mean_gain = static_cast<float>(1 - job.beta1);
  adam_.square_gain = static_cast<float>(1 - job.beta2);
  adam_.epsilon = static_cast<float>(job.epsilon);
  begin_step(0, 1);
}

void Optimiser::begin_step(std::uint64_t step, std::uint64_t steps_per_epoch) {
  const double done = static_cast<double>(step + 1);
  const double warmup_steps = warmup_epochs_ * static_cast<double>(steps_per_epoch);
  learning_rate_ = job_.learning_rate * rate_factor_ * (done < warmup_steps ? done / warmup_steps : 1);
  adagrad_.learning_rate = static_cast<float>(learning_rate_);
  adam_.rate = static_cast<float>(learning_rate_ / (1 - power(job_.beta1, step + 1)));
  adam_.root_scale = static_cast<float>(1 / std::sqrt(1 - power(job_.beta2, step + 1)));
}

template <kernels::Space kSpace>
void Optimiser::apply_in(const kernels::BasicBackend<kSpace>& backend, kernels::BasicConstMatrix<kSpace> gradients,
                         kernels::Vector<kSpace, const std::uint32_t> rows, kernels::BasicStoredRows<kSpace> table,
                         kernels::BasicStoredState<kSpace> state) const {
  TESSERA_ASSERT(state.is_fp32() || kind_ == Kind::kAdagrad, "only Adagrad has states in 8 bits");
  switch (kind_) {
    case Kind::kAdagrad: return backend.updates.adagrad(adagrad_, gradients, rows, table, state);
    case Kind::kRowwiseAdagrad:
      return backend.updates.rowwise_adagrad(adagrad_, gradients, rows, table, {state.matrix().data, state.rows});
    case Kind::kAdam: return backend.updates.adam(adam_, gradients, rows, table, state.matrix());
    case Kind::kSgd: return backend.updates.sgd(adagrad_.learning_rate, gradients, rows, table);
  }
}

template void Optimiser::apply_in<kernels::Space::kHost>(const kernels::Backend&, kernels::ConstMatrix,
                                                         std::span<const std::uint32_t>, kernels::StoredRows,
                                                         kernels::StoredState) const;
template void Optimiser::apply_in<kernels::Space::kDevice>(const kernels::DeviceBackend&, kernels::ConstDeviceMatrix,
                                                           device::Span<const std::uint32_t>,
                                                           kernels::BasicStoredRows<kernels::Space::kDevice>,
                                                           kernels::BasicStoredState<kernels::Space::kDevice>) const;

}  // namespace tessera::train
