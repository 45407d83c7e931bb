// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/device_kernels.hpp"

#include "kernels/cuda/detail/blas_families.hpp"
#include "kernels/cuda/families.hpp"

namespace tessera::kernels {
namespace {

/// Products by cuBLAS, and all else by our own bodies.
class BlasKernels final : public DeviceKernels {
 public:
  BlasKernels(device::StreamView stream, Products products, device::Span<std::byte> workspace)
      : chains_(cuda::make_chain_kernels(stream)),
        blas_(stream, products, workspace),
        scores_(own().scores, blas_),
        gradients_(own().gradients, blas_),
        backend_{"cuda_blas",     scores_,           gradients_,
                 own().softmax,   own().rows,        own().updates,
                 own().ranks,     own().composition, own().penalties,
                 own().targets,   own().statistics,  own().negative_losses,
                 own().distances, own().best_rows,   {&chains_->screened_ranks(), operand_roundoff(products)}} {}
  [[nodiscard]] const DeviceBackend& backend() const override { return backend_; }

 private:
  [[nodiscard]] const DeviceBackend& own() const { return chains_->backend(); }
  std::unique_ptr<cuda::ChainKernels> chains_;
  cuda::Blas blas_;
  cuda::BlasScores scores_;
  cuda::BlasGradients gradients_;
  DeviceBackend backend_;
};

}  // namespace

std::unique_ptr<DeviceKernels> make_device_kernels(device::StreamView stream, Products products,
                                                   device::Span<std::byte> workspace) {
  if (products == Products::kChain) return cuda::make_chain_kernels(stream);
  return std::make_unique<BlasKernels>(stream, products, workspace);
}

}  // namespace tessera::kernels
