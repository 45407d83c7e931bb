// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace tessera::test {

/// Dot products as matrix units may make them of operands in bfloat16: eight exact products and the sum so far are
/// aligned to the largest of them, cut off toward zero below the 24th bit of it, and added. Last steps first.
class RoundedScores final : public kernels::Scores {
 public:
  static constexpr double kRoundoff = 0x1p-8;

  /// To the nearest, ties to even.
  static double rounded(float value) {
    if (!std::isfinite(value)) return static_cast<double>(value);
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t up = bits + 0x7FFFU + ((bits >> 16U) & 1U);
    return static_cast<double>(std::bit_cast<float>(up & 0xFFFF0000U));
  }

  static float dot(const float* query, const float* row, std::size_t dim) {
    constexpr std::size_t kGroup = 8;
    double sum = 0;
    for (std::size_t end = dim; end > 0; end -= std::min(end, kGroup)) {
      const std::size_t first = end - std::min(end, kGroup);
      double largest = std::abs(sum);
      for (std::size_t s = first; s < end; ++s) largest = std::max(largest, std::abs(product(query, row, s)));
      if (largest == 0) continue;
      if (!std::isfinite(largest)) return static_cast<float>(largest - largest);
      const double unit = std::exp2(std::max(std::floor(std::log2(largest)) - 23, -149.0));
      double group = cut_off(sum, unit);
      for (std::size_t s = first; s < end; ++s) group += cut_off(product(query, row, s), unit);
      sum = cut_off(group, std::max(unit, std::exp2(std::floor(std::log2(std::max(std::abs(group), 0x1p-149))) - 23)));
    }
    return static_cast<float>(sum);
  }

  void all_pairs(kernels::Similarity /*dot*/, kernels::Operand queries, kernels::Operand rows,
                 kernels::Matrix out) const override {
    const std::size_t dim = rows.matrix.cols;
    for (std::size_t i = 0; i < out.rows; ++i)
      for (std::size_t j = 0; j < out.cols; ++j) out.row(i)[j] = dot(queries.matrix.row(i), rows.matrix.row(j), dim);
  }
  void pairs(kernels::Similarity /*dot*/, kernels::ConstMatrix queries, kernels::ConstMatrix rows,
             std::span<float> out) const override {
    for (std::size_t i = 0; i < queries.rows; ++i) out[i] = dot(queries.row(i), rows.row(i), rows.cols);
  }

 private:
  static double product(const float* query, const float* row, std::size_t s) {
    return rounded(query[s]) * rounded(row[s]);
  }
  static double cut_off(double value, double unit) { return std::trunc(value / unit) * unit; }
};

}  // namespace tessera::test
