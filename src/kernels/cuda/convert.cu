// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/detail/convert.hpp"

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/detail/rows.hpp"
#include "kernels/cuda/families.hpp"

namespace tessera::kernels::cuda {

void round_rows(device::StreamView stream, ConstDeviceMatrix from, device::Span<const float> factors,
                device::Span<std::uint16_t> out) {
  TESSERA_ASSERT(out.size() == from.rows * padded_stride(from.cols), "one number for each element");
  TESSERA_ASSERT(factors.empty() || factors.size() == from.rows, "one factor per row");
  launch_elements(StreamLauncher(stream), from.rows, from.cols,
                  RoundElement{ConstTable(from), factors.data(), out.data(), padded_stride(from.cols)});
}

void scale_rows(device::StreamView stream, ConstDeviceMatrix from, device::Span<const float> factors,
                device::Span<float> out) {
  TESSERA_ASSERT(out.size() == from.rows * padded_stride(from.cols) && factors.size() == from.rows,
                 "one factor per row");
  launch_elements(StreamLauncher(stream), from.rows, from.cols,
                  ScaleElement{ConstTable(from), factors.data(), out.data(), padded_stride(from.cols)});
}

void round_tiled(device::StreamView stream, const BasicTiledWeights<Space::kDevice>& weights,
                 device::Span<std::uint16_t> out) {
  TESSERA_ASSERT(out.size() == weights.weights.rows * padded_stride(weights.weights.cols),
                 "one number for each weight");
  launch_elements(StreamLauncher(stream), weights.weights.rows, weights.weights.cols,
                  RoundTiledElement{TiledElement(weights), out.data()});
}

void scale_tiled(device::StreamView stream, const BasicTiledWeights<Space::kDevice>& weights, device::Span<float> out) {
  TESSERA_ASSERT(out.size() == weights.weights.rows * padded_stride(weights.weights.cols),
                 "one number for each weight");
  launch_elements(StreamLauncher(stream), weights.weights.rows, weights.weights.cols,
                  ScaleTiledElement{TiledElement(weights), out.data()});
}

}  // namespace tessera::kernels::cuda
