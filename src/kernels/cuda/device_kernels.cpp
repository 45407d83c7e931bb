// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/device_kernels.hpp"

#include "kernels/cuda/detail/blas_families.hpp"
#include "kernels/cuda/families.hpp"

namespace tessera::kernels {
namespace {

/// Our own kernel bodies for everything.
class ChainKernels final : public DeviceKernels {
 public:
  explicit ChainKernels(device::StreamView stream)
      : scores_(cuda::make_scores(stream)),
        gradients_(cuda::make_gradients(stream)),
        softmax_(cuda::make_softmax(stream)),
        rows_(cuda::make_rows(stream)),
        updates_(cuda::make_updates(stream)),
        ranks_(cuda::make_ranks(stream)),
        composition_(cuda::make_composition(stream)),
        penalties_(cuda::make_penalties(stream)),
        targets_(cuda::make_targets(stream)),
        statistics_(cuda::make_statistics(stream)),
        negative_losses_(cuda::make_negative_losses(stream)),
        distances_(cuda::make_distances(stream)),
        best_rows_(cuda::make_best_rows(stream)),
        backend_{"cuda",       *scores_,          *gradients_,   *softmax_,   *rows_,
                 *updates_,    *ranks_,           *composition_, *penalties_, *targets_,
                 *statistics_, *negative_losses_, *distances_,   *best_rows_} {}
  [[nodiscard]] const DeviceBackend& backend() const override { return backend_; }

 private:
  std::unique_ptr<BasicScores<Space::kDevice>> scores_;
  std::unique_ptr<BasicGradients<Space::kDevice>> gradients_;
  std::unique_ptr<BasicSoftmax<Space::kDevice>> softmax_;
  std::unique_ptr<BasicRows<Space::kDevice>> rows_;
  std::unique_ptr<BasicUpdates<Space::kDevice>> updates_;
  std::unique_ptr<BasicRanks<Space::kDevice>> ranks_;
  std::unique_ptr<BasicComposition<Space::kDevice>> composition_;
  std::unique_ptr<BasicPenalties<Space::kDevice>> penalties_;
  std::unique_ptr<BasicTargets<Space::kDevice>> targets_;
  std::unique_ptr<BasicStatistics<Space::kDevice>> statistics_;
  std::unique_ptr<BasicNegativeLosses<Space::kDevice>> negative_losses_;
  std::unique_ptr<BasicDistances<Space::kDevice>> distances_;
  std::unique_ptr<BasicBestRows<Space::kDevice>> best_rows_;
  DeviceBackend backend_;
};

/// cuBLAS for the products, our own bodies for the rest.
class BlasKernels final : public DeviceKernels {
 public:
  BlasKernels(device::StreamView stream, Products products, device::Span<std::byte> workspace)
      : chains_(stream),
        blas_(stream, products, workspace),
        scores_(own().scores, blas_),
        gradients_(own().gradients, blas_),
        screened_(cuda::make_screened_ranks(stream)),
        backend_{"cuda_blas",     scores_,           gradients_,
                 own().softmax,   own().rows,        own().updates,
                 own().ranks,     own().composition, own().penalties,
                 own().targets,   own().statistics,  own().negative_losses,
                 own().distances, own().best_rows,   {screened_.get(), operand_roundoff(products)}} {}
  [[nodiscard]] const DeviceBackend& backend() const override { return backend_; }

 private:
  [[nodiscard]] const DeviceBackend& own() const { return chains_.backend(); }
  ChainKernels chains_;
  cuda::Blas blas_;
  cuda::BlasScores scores_;
  cuda::BlasGradients gradients_;
  std::unique_ptr<BasicScreenedRanks<Space::kDevice>> screened_;
  DeviceBackend backend_;
};

}  // namespace

std::unique_ptr<DeviceKernels> make_device_kernels(device::StreamView stream, Products products,
                                                   device::Span<std::byte> workspace) {
  if (products == Products::kChain) return std::make_unique<ChainKernels>(stream);
  return std::make_unique<BlasKernels>(stream, products, workspace);
}

}  // namespace tessera::kernels
