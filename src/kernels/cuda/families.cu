// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/families.hpp"

#include "kernels/cuda/detail/convert.hpp"
#include "kernels/cuda/detail/families.hpp"
#include "kernels/cuda/detail/launch.cuh"

namespace tessera::kernels::cuda {
namespace {

class GridKernels final : public ChainKernels {
 public:
  explicit GridKernels(device::StreamView stream) : families_("cuda", StreamLauncher(stream)) {}
  [[nodiscard]] const DeviceBackend& backend() const override { return families_.backend; }
  [[nodiscard]] const BasicScreenedRanks<Space::kDevice>& screened_ranks() const override {
    return families_.screened_ranks;
  }

 private:
  GridFamilies<StreamLauncher> families_;
};

}  // namespace

std::unique_ptr<ChainKernels> make_chain_kernels(device::StreamView stream) {
  return std::make_unique<GridKernels>(stream);
}

void copy_padded(device::StreamView stream, const BasicTiledWeights<Space::kDevice>& elements, std::uint16_t* out) {
  copy_elements(StreamLauncher(stream), elements, out);
}

void copy_padded(device::StreamView stream, const BasicTiledWeights<Space::kDevice>& elements, float* out) {
  copy_elements(StreamLauncher(stream), elements, out);
}

}  // namespace tessera::kernels::cuda
