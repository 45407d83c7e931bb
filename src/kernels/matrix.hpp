// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/space.hpp"
#include "device/span.hpp"
#include "kernels/bfloat16.hpp"

#include <cstddef>
#include <span>
#include <type_traits>

namespace tessera::kernels {

using device::Space;

/// A row-major view; `stride` is the distance between rows in elements. Views of host and device memory are different
/// types: data of the latter cannot be read here.
template <Space kSpace>
struct BasicConstMatrix {
  const float* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;
  [[nodiscard]] const float* row(std::size_t i) const { return data + i * stride; }
  [[nodiscard]] BasicConstMatrix block(std::size_t first, std::size_t count) const {
    return {row(first), count, cols, stride};
  }
  [[nodiscard]] BasicConstMatrix columns(std::size_t first, std::size_t count) const {
    return {data + first, rows, count, stride};
  }
};

template <Space kSpace>
struct BasicMatrix {
  float* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;
  [[nodiscard]] float* row(std::size_t i) const { return data + i * stride; }
  [[nodiscard]] BasicMatrix block(std::size_t first, std::size_t count) const {
    return {row(first), count, cols, stride};
  }
  [[nodiscard]] BasicMatrix columns(std::size_t first, std::size_t count) const {
    return {data + first, rows, count, stride};
  }
  // NOLINTNEXTLINE(google-explicit-constructor): a view of const is always allowed
  operator BasicConstMatrix<kSpace>() const { return {data, rows, cols, stride}; }
};

/// Rows as a table keeps them, in fp32 or in bfloat16; one of the two pointers is set. Readers compute in fp32.
template <Space kSpace>
struct BasicConstStoredRows {
  BasicConstStoredRows() = default;
  // NOLINTBEGIN(google-explicit-constructor): a matrix is stored in fp32
  BasicConstStoredRows(BasicConstMatrix<kSpace> matrix)
      : floats(matrix.data), rows(matrix.rows), cols(matrix.cols), stride(matrix.stride) {}
  BasicConstStoredRows(BasicMatrix<kSpace> matrix) : BasicConstStoredRows(BasicConstMatrix<kSpace>(matrix)) {}
  // NOLINTEND(google-explicit-constructor)
  BasicConstStoredRows(const std::uint16_t* data, std::size_t row_count, std::size_t col_count, std::size_t row_stride)
      : bfloats(data), rows(row_count), cols(col_count), stride(row_stride) {}
  const float* floats = nullptr;
  const std::uint16_t* bfloats = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;  ///< in elements
  [[nodiscard]] bool is_bfloat16() const { return bfloats != nullptr; }
  /// The rows as a matrix, if they are in fp32.
  [[nodiscard]] BasicConstMatrix<kSpace> matrix() const { return {floats, rows, cols, stride}; }
};

/// Rows of a table that are written. To bfloat16 they are rounded stochastically, by the bits of `rounding`.
template <Space kSpace>
struct BasicStoredRows {
  BasicStoredRows() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a matrix is stored in fp32
  BasicStoredRows(BasicMatrix<kSpace> matrix)
      : floats(matrix.data), rows(matrix.rows), cols(matrix.cols), stride(matrix.stride) {}
  BasicStoredRows(std::uint16_t* data, std::size_t row_count, std::size_t col_count, std::size_t row_stride)
      : bfloats(data), rows(row_count), cols(col_count), stride(row_stride) {}
  float* floats = nullptr;
  std::uint16_t* bfloats = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;
  Rounding rounding;
  [[nodiscard]] bool is_bfloat16() const { return bfloats != nullptr; }
  [[nodiscard]] BasicMatrix<kSpace> matrix() const { return {floats, rows, cols, stride}; }
  // NOLINTNEXTLINE(google-explicit-constructor): a view of const is always allowed
  operator BasicConstStoredRows<kSpace>() const {
    if (is_bfloat16()) return {bfloats, rows, cols, stride};
    return matrix();
  }
};

using ConstMatrix = BasicConstMatrix<Space::kHost>;
using Matrix = BasicMatrix<Space::kHost>;
using ConstStoredRows = BasicConstStoredRows<Space::kHost>;
using StoredRows = BasicStoredRows<Space::kHost>;
using ConstDeviceMatrix = BasicConstMatrix<Space::kDevice>;
using DeviceMatrix = BasicMatrix<Space::kDevice>;

/// A view of consecutive elements: std::span on the host, device::Span on a device.
template <Space kSpace, class T>
using Vector = std::conditional_t<kSpace == Space::kHost, std::span<T>, device::Span<T>>;

}  // namespace tessera::kernels
