// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/device.hpp"
#include "search/answerer.hpp"

#include <cstdint>
#include <memory>
#include <span>

namespace tessera::test {

/// With device memory of its own: ranks are threads here.
class WithPool final : public search::Answerer {
 public:
  WithPool(const search::Setup& setup, const search::AnswerNeeds& needs, std::uint64_t device_bytes,
           kernels::Products products)
      : pool_(device::Device::open(0), device_bytes),
        answerer_(search::answer_on_device(pool_, products)(setup, needs)) {}
  void search(const search::AnswerBlock& block, std::span<search::Candidate> found,
              std::span<std::uint32_t> sizes) override {
    answerer_->search(block, found, sizes);
  }
  [[nodiscard]] const search::Cost& cost() const override { return answerer_->cost(); }

 private:
  memory::DevicePool pool_;
  std::unique_ptr<search::Answerer> answerer_;
};

inline search::MakeAnswerer on_device(std::uint64_t bytes, kernels::Products products) {
  return [=](const search::Setup& setup, const search::AnswerNeeds& needs) {
    return std::make_unique<WithPool>(setup, needs, bytes, products);
  };
}

}  // namespace tessera::test
