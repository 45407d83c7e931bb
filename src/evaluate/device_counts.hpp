// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/evaluator.hpp"
#include "kernels/cuda/device_kernels.hpp"
#include "memory/pool.hpp"

#include <vector>

namespace tessera::evaluate {

/// Candidates are compared on the device of `pool`, with what is left of its memory when the evaluator is made (Tag
/// kEvaluation); with the bits of the host. Where it has no room for all rows of the rank, they are brought in windows
/// for every block of queries. With any `products` but kChain, models that compare by a dot product are screened by
/// such products first (kernels/screened_ranks.hpp). Making an evaluator with it throws AgreedError: kOverBudget;
/// kUsage in a build without CUDA. `lent_rows` are the rows of every part as a training engine has them there
/// (Engine::device_rows()), or none: then they are brought.
MakeCounts device_counts(memory::DevicePool& pool, kernels::Products products,
                         std::vector<kernels::ConstDeviceMatrix> lent_rows = {});

}  // namespace tessera::evaluate
