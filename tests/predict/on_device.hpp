// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/device.hpp"
#include "predict/detail/own_best.hpp"
#include "predict/device_best.hpp"

#include <cstdint>
#include <memory>
#include <span>

namespace tessera::test {

/// With device memory of its own: ranks are threads here.
class WithPool final : public predict::detail::OwnBest {
 public:
  WithPool(const model::Setup& setup, const predict::detail::SearchNeeds& needs, std::uint64_t device_bytes,
           kernels::Products products)
      : pool_(device::Device::open(0), device_bytes), best_(predict::device_best(pool_, products)(setup, needs)) {}
  void search(const predict::detail::SearchBlock& block, std::span<predict::detail::Candidate> found,
              std::span<std::uint32_t> sizes) override {
    best_->search(block, found, sizes);
  }
  [[nodiscard]] model::PairEffort effort() const override { return best_->effort(); }

 private:
  memory::DevicePool pool_;
  std::unique_ptr<predict::detail::OwnBest> best_;
};

inline predict::MakeBest on_device(std::uint64_t bytes, kernels::Products products) {
  return [=](const model::Setup& setup, const predict::detail::SearchNeeds& needs) {
    return std::make_unique<WithPool>(setup, needs, bytes, products);
  };
}

}  // namespace tessera::test
