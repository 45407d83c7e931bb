// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/bfloat16.hpp"
#include "kernels/matrix.hpp"

#include <cstddef>
#include <cstdint>

namespace tessera::kernels {

/// How a table keeps the elements of a row. All arithmetic is fp32.
enum class RowFormat : std::uint8_t { kFp32, kBf16 };

constexpr std::size_t element_bytes(RowFormat format) { return format == RowFormat::kFp32 ? 4 : 2; }

/// Rows as a table keeps them, `stride` bytes apart. Readers compute in fp32.
template <Space kSpace>
struct BasicConstStoredRows {
  BasicConstStoredRows() = default;
  // NOLINTBEGIN(google-explicit-constructor): a matrix is stored in fp32
  BasicConstStoredRows(BasicConstMatrix<kSpace> matrix)
      : data(reinterpret_cast<const std::byte*>(matrix.data)),
        rows(matrix.rows),
        cols(matrix.cols),
        stride(matrix.stride * sizeof(float)) {}
  BasicConstStoredRows(BasicMatrix<kSpace> matrix) : BasicConstStoredRows(BasicConstMatrix<kSpace>(matrix)) {}
  // NOLINTEND(google-explicit-constructor)
  BasicConstStoredRows(RowFormat row_format, const std::byte* bytes, std::size_t row_count, std::size_t col_count,
                       std::size_t row_stride)
      : format(row_format), data(bytes), rows(row_count), cols(col_count), stride(row_stride) {}
  RowFormat format = RowFormat::kFp32;
  const std::byte* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;  ///< in bytes
  [[nodiscard]] bool is_fp32() const { return format == RowFormat::kFp32; }
  /// The rows as a matrix; only in fp32.
  [[nodiscard]] BasicConstMatrix<kSpace> matrix() const {
    return {reinterpret_cast<const float*>(data), rows, cols, stride / sizeof(float)};
  }
  [[nodiscard]] BasicConstStoredRows block(std::size_t first, std::size_t count) const {
    return {format, data + first * stride, count, cols, stride};
  }
};

/// Rows of a table that are written. A format smaller than fp32 is rounded stochastically, by the bits of `rounding`.
template <Space kSpace>
struct BasicStoredRows {
  BasicStoredRows() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a matrix is stored in fp32
  BasicStoredRows(BasicMatrix<kSpace> matrix)
      : data(reinterpret_cast<std::byte*>(matrix.data)),
        rows(matrix.rows),
        cols(matrix.cols),
        stride(matrix.stride * sizeof(float)) {}
  BasicStoredRows(RowFormat row_format, std::byte* bytes, std::size_t row_count, std::size_t col_count,
                  std::size_t row_stride)
      : format(row_format), data(bytes), rows(row_count), cols(col_count), stride(row_stride) {}
  RowFormat format = RowFormat::kFp32;
  std::byte* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;  ///< in bytes
  Rounding rounding;
  [[nodiscard]] bool is_fp32() const { return format == RowFormat::kFp32; }
  [[nodiscard]] BasicMatrix<kSpace> matrix() const {
    return {reinterpret_cast<float*>(data), rows, cols, stride / sizeof(float)};
  }
  /// Rounding stays that of the same rows.
  [[nodiscard]] BasicStoredRows block(std::size_t first, std::size_t count) const {
    BasicStoredRows some(format, data + first * stride, count, cols, stride);
    some.rounding = {rounding.key, rounding.first_row + first};
    return some;
  }
  // NOLINTNEXTLINE(google-explicit-constructor): a view of const is always allowed
  operator BasicConstStoredRows<kSpace>() const { return {format, data, rows, cols, stride}; }
};

using ConstStoredRows = BasicConstStoredRows<Space::kHost>;
using StoredRows = BasicStoredRows<Space::kHost>;

}  // namespace tessera::kernels
