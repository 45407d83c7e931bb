// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

namespace tessera::kernels {

/// A row-major view; `stride` is the distance between rows in elements.
struct ConstMatrix {
  const float* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;
  [[nodiscard]] const float* row(std::size_t i) const { return data + i * stride; }
  [[nodiscard]] ConstMatrix block(std::size_t first, std::size_t count) const {
    return {row(first), count, cols, stride};
  }
  [[nodiscard]] ConstMatrix columns(std::size_t first, std::size_t count) const {
    return {data + first, rows, count, stride};
  }
};

struct Matrix {
  float* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;
  [[nodiscard]] float* row(std::size_t i) const { return data + i * stride; }
  [[nodiscard]] Matrix block(std::size_t first, std::size_t count) const { return {row(first), count, cols, stride}; }
  [[nodiscard]] Matrix columns(std::size_t first, std::size_t count) const {
    return {data + first, rows, count, stride};
  }
  // NOLINTNEXTLINE(google-explicit-constructor): a view of const is always allowed
  operator ConstMatrix() const { return {data, rows, cols, stride}; }
};

}  // namespace tessera::kernels
