// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"
#include "device/cuda/check.hpp"
#include "device/stream.hpp"
#include "kernels/cuda/detail/grid.hpp"

#include <cstdint>

namespace tessera::kernels::cuda {

template <class Body>
__global__ void __launch_bounds__(Body::kThreads) run_body(const __grid_constant__ Body body) {
  body.run(At{blockIdx.x, threadIdx.x});
}

template <InPhases Body>
__global__ void __launch_bounds__(Body::kThreads) run_body(const __grid_constant__ Body body) {
  __shared__ typename Body::Shared shared;
  typename Body::Registers registers = {};
  const unsigned phases = body.phases();
  for (unsigned phase = 0; phase < phases; ++phase) {
    if (phase > 0) __syncthreads();
    body.run(phase, At{blockIdx.x, threadIdx.x}, shared, registers);
  }
}

/// Enqueues a body on a stream.
class StreamLauncher {
 public:
  static constexpr Space kSpace = Space::kDevice;
  explicit StreamLauncher(device::StreamView stream) : stream_(stream) {}

  template <class Body>
  void operator()(std::size_t blocks, const Body& body) const {
    if (blocks == 0) return;
    TESSERA_ASSERT(blocks <= INT32_MAX, "a grid has at most 2^31 - 1 blocks");
    device::make_current(stream_.device());
    run_body<<<static_cast<unsigned>(blocks), Body::kThreads, 0, stream_.handle()>>>(body);
    TESSERA_CUDA_TRY(cudaGetLastError());
  }

 private:
  device::StreamView stream_;
};

}  // namespace tessera::kernels::cuda
