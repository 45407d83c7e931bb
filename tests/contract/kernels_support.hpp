// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/cpu/targets.hpp"
#include "kernels/cuda/host_grid.hpp"
#include "kernels/matrix.hpp"
#ifdef TESSERA_CONTRACT_ON_DEVICE
#include "gpu/staged_backend.hpp"
#endif

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <ostream>
#include <random>
#include <string>
#include <vector>

// What the contract tests of the kernels share: the implementations under test, matrices that notice when something
// outside of them is used, and random numbers.
namespace tessera::kernels::testing {

inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr double kEpsilon = std::numeric_limits<float>::epsilon();

/// A backend, and for the SIMD backend the one instruction set that it may use.
struct Implementation {
  const Backend* backend;
  std::int64_t target;  ///< 0 for a backend without a choice
  std::string name;
};

inline std::ostream& operator<<(std::ostream& out, const Implementation& implementation) {
  return out << implementation.name;
}

inline std::vector<Implementation> cpu_implementations() {
  std::vector<Implementation> all;
  for (const std::int64_t target : cpu::available_targets())
    all.push_back({&cpu_backend(), target, "cpu_" + cpu::target_name(target)});
  return all;
}

/// The CUDA backend, in as far as this program can run it: its kernel bodies on the host, or itself on a device.
inline std::vector<Implementation> cuda_implementations() {
#ifdef TESSERA_CONTRACT_ON_DEVICE
  return {{&staged_backend(), 0, "cuda"}};
#else
  return {{&host_grid_backend(GridOrder::kForward), 0, "host_grid"},
          {&host_grid_backend(GridOrder::kBackward), 0, "host_grid_backward"}};
#endif
}

/// Those whose softmax has the same bits: all but the reference, which computes it in double.
inline std::vector<Implementation> fixed_lane_implementations() {
  std::vector<Implementation> all = cpu_implementations();
  for (const Implementation& cuda : cuda_implementations()) all.push_back(cuda);
  return all;
}

inline std::vector<Implementation> implementations() {
#ifdef TESSERA_CONTRACT_ON_DEVICE
  return cuda_implementations();  // the others have programs of their own
#else
  std::vector<Implementation> all = fixed_lane_implementations();
  all.insert(all.begin(), {&reference_backend(), 0, "reference"});
  return all;
#endif
}

/// Restricts the SIMD backend to one instruction set for a scope.
class TargetScope {
 public:
  explicit TargetScope(std::int64_t target) { cpu::use_target(target); }
  ~TargetScope() { cpu::use_target(0); }
  TargetScope(const TargetScope&) = delete;
  TargetScope& operator=(const TargetScope&) = delete;
};

/// A test that runs once for every implementation.
class KernelsContract : public ::testing::TestWithParam<Implementation> {
 protected:
  KernelsContract() : scope_(GetParam().target) {}
  [[nodiscard]] static const Backend& backend() { return *GetParam().backend; }

 private:
  TargetScope scope_;
};

struct ImplementationName {
  std::string operator()(const ::testing::TestParamInfo<Implementation>& info) const { return info.param.name; }
};

#define TESSERA_KERNELS_CONTRACT(suite)                                                                     \
  INSTANTIATE_TEST_SUITE_P(All, suite, ::testing::ValuesIn(::tessera::kernels::testing::implementations()), \
                           ::tessera::kernels::testing::ImplementationName())

/// A matrix whose memory ends with its last element, so that the address sanitizer sees any access behind it. Between
/// the rows, where the stride is wider than the row, lies NaN: it spoils every sum that it gets into.
class Grid {
 public:
  Grid(std::size_t rows, std::size_t cols, std::size_t gap = 0, float fill = 0)
      : rows_(rows), cols_(cols), stride_(cols + gap), values_(rows == 0 ? 0 : (rows - 1) * stride_ + cols, kNan) {
    for (std::size_t i = 0; i < rows_; ++i) std::fill_n(view().row(i), cols_, fill);
  }

  [[nodiscard]] Matrix view() { return {values_.data(), rows_, cols_, stride_}; }
  [[nodiscard]] ConstMatrix view() const { return {values_.data(), rows_, cols_, stride_}; }
  [[nodiscard]] float& at(std::size_t i, std::size_t j) { return values_[i * stride_ + j]; }
  [[nodiscard]] float at(std::size_t i, std::size_t j) const { return values_[i * stride_ + j]; }
  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t cols() const { return cols_; }

  /// Whether nobody wrote between the rows.
  [[nodiscard]] bool gaps_intact() const {
    for (std::size_t i = 0; i + 1 < rows_; ++i)
      for (std::size_t j = cols_; j < stride_; ++j)
        if (!std::isnan(values_[i * stride_ + j])) return false;
    return true;
  }

 private:
  std::size_t rows_;
  std::size_t cols_;
  std::size_t stride_;
  std::vector<float> values_;
};

inline Grid random_grid(std::size_t rows, std::size_t cols, std::uint32_t seed, std::size_t gap = 0) {
  Grid grid(rows, cols, gap);
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < cols; ++j) grid.at(i, j) = normal(engine);
  return grid;
}

inline std::vector<float> random_vector(std::size_t count, std::uint32_t seed) {
  const Grid grid = random_grid(1, count, seed);
  return {grid.view().data, grid.view().data + count};
}

/// The bits of a float, so that equality means equality: NaN is itself, and 0 is not -0.
inline std::uint32_t bits(float value) { return std::bit_cast<std::uint32_t>(value); }

/// Whether two matrices hold the same bits; says where they do not.
inline ::testing::AssertionResult same_bits(const Grid& a, const Grid& b) {
  for (std::size_t i = 0; i < a.rows(); ++i)
    for (std::size_t j = 0; j < a.cols(); ++j)
      if (bits(a.at(i, j)) != bits(b.at(i, j)))
        return ::testing::AssertionFailure() << "[" << i << "][" << j << "]: " << a.at(i, j) << " and " << b.at(i, j);
  return ::testing::AssertionSuccess();
}

inline ::testing::AssertionResult same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (bits(a[i]) != bits(b.at(i)))
      return ::testing::AssertionFailure() << "[" << i << "]: " << a[i] << " and " << b[i];
  return ::testing::AssertionSuccess();
}

inline const Similarity kSimilarities[] = {Similarity::kDot, Similarity::kNegativeL1, Similarity::kNegativeL2};

}  // namespace tessera::kernels::testing
