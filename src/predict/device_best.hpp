// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/device_kernels.hpp"
#include "memory/pool.hpp"
#include "predict/searcher.hpp"

namespace tessera::predict {

/// The best rows are found on the device of `pool`, with what is left of its memory when the searcher is made (Tag
/// kEvaluation); answers have the bits of the host's. Where it has no room for all rows of the rank, they are brought
/// in windows for every block of queries. With any `products` but kChain, models that compare by a dot product are
/// screened by such products first (kernels/best_rows.hpp). Making a searcher with it throws AgreedError: kOverBudget;
/// kUsage in a build without CUDA.
MakeBest device_best(memory::DevicePool& pool, kernels::Products products);

}  // namespace tessera::predict
