// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/span.hpp"
#include "device/stream.hpp"
#include "kernels/backend.hpp"

#include <cstdint>
#include <memory>

// The families on a device, enqueued on `stream`; one source file each. They have the bits of the CPU backend.
namespace tessera::kernels::cuda {

std::unique_ptr<BasicScores<Space::kDevice>> make_scores(device::StreamView stream);
std::unique_ptr<BasicGradients<Space::kDevice>> make_gradients(device::StreamView stream);
std::unique_ptr<BasicSoftmax<Space::kDevice>> make_softmax(device::StreamView stream);
std::unique_ptr<BasicRows<Space::kDevice>> make_rows(device::StreamView stream);
std::unique_ptr<BasicUpdates<Space::kDevice>> make_updates(device::StreamView stream);
std::unique_ptr<BasicRanks<Space::kDevice>> make_ranks(device::StreamView stream);
std::unique_ptr<BasicComposition<Space::kDevice>> make_composition(device::StreamView stream);
std::unique_ptr<BasicPenalties<Space::kDevice>> make_penalties(device::StreamView stream);
std::unique_ptr<BasicTargets<Space::kDevice>> make_targets(device::StreamView stream);
std::unique_ptr<BasicStatistics<Space::kDevice>> make_statistics(device::StreamView stream);
std::unique_ptr<BasicNegativeLosses<Space::kDevice>> make_negative_losses(device::StreamView stream);
std::unique_ptr<BasicDistances<Space::kDevice>> make_distances(device::StreamView stream);
std::unique_ptr<BasicBestRows<Space::kDevice>> make_best_rows(device::StreamView stream);
std::unique_ptr<BasicScreenedRanks<Space::kDevice>> make_screened_ranks(device::StreamView stream);

/// Rows in bfloat16, for a product that takes them; rounded to nearest, ties to even, NaN stays NaN.
/// out[i * padded_stride(cols) + c] = from[i][c], or factors[i] * from[i][c] when there are any; what is between the
/// rows stays as it is.
void round_rows(device::StreamView stream, ConstDeviceMatrix from, device::Span<const float> factors,
                device::Span<std::uint16_t> out);
/// out[i * padded_stride(cols) + c] = factors[i] * from[i][c].
void scale_rows(device::StreamView stream, ConstDeviceMatrix from, device::Span<const float> factors,
                device::Span<float> out);

/// As the two above for the weights that a factor per query and tile makes.
void round_tiled(device::StreamView stream, const BasicTiledWeights<Space::kDevice>& weights,
                 device::Span<std::uint16_t> out);
void scale_tiled(device::StreamView stream, const BasicTiledWeights<Space::kDevice>& weights, device::Span<float> out);

}  // namespace tessera::kernels::cuda
