// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/matrix.hpp"

#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <random>

namespace tessera::bench {

/// A matrix of random numbers in huge pages, as the pool has them.
class Storage {
 public:
  Storage(std::size_t rows, std::size_t cols, std::size_t gap = 0) : rows_(rows), cols_(cols), stride_(cols + gap) {
    constexpr std::size_t kHugePage = std::size_t{2} << 20U;
    const std::size_t bytes = (rows * stride_ * sizeof(float) + kHugePage - 1) / kHugePage * kHugePage;
    data_.reset(static_cast<float*>(std::aligned_alloc(kHugePage, bytes)));
    madvise(data_.get(), bytes, MADV_HUGEPAGE);
    std::minstd_rand engine(static_cast<unsigned>(rows + 7 * cols));
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::generate_n(data_.get(), rows * stride_, [&] { return uniform(engine); });
  }
  [[nodiscard]] kernels::Matrix view() const { return {data_.get(), rows_, cols_, stride_}; }

 private:
  struct Free {
    void operator()(float* data) const { std::free(data); }
  };
  std::size_t rows_;
  std::size_t cols_;
  std::size_t stride_;
  std::unique_ptr<float, Free> data_;
};

/// The matrices of one step, by the benchmark's arguments: queries, rows, dim, floats between the rows of the weights.
struct Step {
  explicit Step(const benchmark::State& state)
      : b(static_cast<std::size_t>(state.range(0))),
        n(static_cast<std::size_t>(state.range(1))),
        d(static_cast<std::size_t>(state.range(2))),
        queries(b, d),
        rows(n, d),
        weights(b, n, static_cast<std::size_t>(state.range(3))),
        to_queries(b, d),
        to_rows(n, d) {}
  [[nodiscard]] double flops() const { return 2.0 * static_cast<double>(b * n * d); }

  std::size_t b, n, d;
  Storage queries, rows, weights, to_queries, to_rows;
};

}  // namespace tessera::bench
