// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/grouped_codes.hpp"
#include "kernels/matrix.hpp"
#include "kernels/rounding.hpp"
#include "kernels/scaled_bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tessera::kernels {

/// How a table keeps the elements of a row. All arithmetic is fp32. The last two are for serving, on the host: such
/// rows are encoded, decoded, gathered and taken, but neither changed nor read by other kernels.
enum class RowFormat : std::uint8_t { kFp32, kBf16, kFp16, kInt8, kInt8Groups, kInt4Groups };

/// Bits of a code in groups; 0 for other formats.
constexpr std::size_t grouped_bits(RowFormat format) {
  if (format == RowFormat::kInt8Groups) return 8;
  return format == RowFormat::kInt4Groups ? 4 : 0;
}
constexpr bool is_grouped(RowFormat format) { return grouped_bits(format) > 0; }

/// Bytes of a row of that many elements.
constexpr std::size_t row_bytes(RowFormat format, std::size_t cols) {
  switch (format) {
    case RowFormat::kFp32: return cols * sizeof(float);
    case RowFormat::kBf16:
    case RowFormat::kFp16: return cols * sizeof(std::uint16_t);
    case RowFormat::kInt8: return sizeof(float) + code_bytes(cols);
    case RowFormat::kInt8Groups:
    case RowFormat::kInt4Groups: break;
  }
  return grouped_row_bytes(cols, grouped_bits(format));
}

/// Addresses and strides of rows are multiples of this.
constexpr std::size_t row_alignment(RowFormat format) {
  return format == RowFormat::kFp32 || format == RowFormat::kInt8 ? sizeof(float) : sizeof(std::uint16_t);
}

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
  std::size_t stride = 0;             ///< in bytes
  BasicConstMatrix<kSpace> hot = {};  ///< hot rows of a table in int8, by slot: see mark_hot()
  [[nodiscard]] bool is_fp32() const { return format == RowFormat::kFp32; }
  [[nodiscard]] const std::byte* row(std::size_t i) const { return data + i * stride; }
  /// The rows as a matrix; only in fp32.
  [[nodiscard]] BasicConstMatrix<kSpace> matrix() const {
    return {reinterpret_cast<const float*>(data), rows, cols, stride / sizeof(float)};
  }
  [[nodiscard]] BasicConstStoredRows block(std::size_t first, std::size_t count) const {
    BasicConstStoredRows some(format, row(first), count, cols, stride);
    some.hot = hot;
    return some;
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
  std::size_t stride = 0;        ///< in bytes
  BasicMatrix<kSpace> hot = {};  ///< hot rows of a table in int8, by slot: see mark_hot()
  Rounding rounding;             ///< of the rows, and by of_state() of a state in 8 bits beside them
  [[nodiscard]] bool is_fp32() const { return format == RowFormat::kFp32; }
  [[nodiscard]] std::byte* row(std::size_t i) const { return data + i * stride; }
  [[nodiscard]] BasicMatrix<kSpace> matrix() const {
    return {reinterpret_cast<float*>(data), rows, cols, stride / sizeof(float)};
  }
  /// Rounding stays that of the same rows.
  [[nodiscard]] BasicStoredRows block(std::size_t first, std::size_t count) const {
    BasicStoredRows some(format, row(first), count, cols, stride);
    some.hot = hot;
    some.rounding = {rounding.key, rounding.first_row + first};
    return some;
  }
  // NOLINTNEXTLINE(google-explicit-constructor): a view of const is always allowed
  operator BasicConstStoredRows<kSpace>() const {
    BasicConstStoredRows<kSpace> same(format, data, rows, cols, stride);
    same.hot = hot;
    return same;
  }
};

using ConstStoredRows = BasicConstStoredRows<Space::kHost>;
using StoredRows = BasicStoredRows<Space::kHost>;

/// Makes an int8 row of host memory hot: reads and updates go to row `slot` of the table's hot rows from now on.
/// Whoever has the memory checks slots that come from elsewhere: kernels take them as they are.
inline void mark_hot(std::byte* row, std::uint32_t slot, std::size_t cols) {
  std::memset(row, 0, row_bytes(RowFormat::kInt8, cols));
  std::memcpy(row, &kHotMark, sizeof kHotMark);
  std::memcpy(row + sizeof kHotMark, &slot, sizeof slot);
}

inline std::uint32_t scale_bits(const std::byte* row) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, row, sizeof bits);
  return bits;
}

/// Whether an int8 row of host memory is hot, and where.
inline bool is_hot(const std::byte* row) { return is_hot_bits(scale_bits(row)); }
inline std::uint32_t hot_slot(const std::byte* row) { return scale_bits(row + sizeof(float)); }

/// An optimiser state beside rows of the same shape: fp32, or sums of squares in 8 bits (log8.hpp).
enum class StateFormat : std::uint8_t { kFp32, kLog8 };

constexpr std::size_t state_bytes(StateFormat format, std::size_t cols) {
  return format == StateFormat::kFp32 ? cols * sizeof(float) : cols;
}

/// States of rows, `stride` bytes apart. The random bits of their rounding come from the rows' Rounding.
template <Space kSpace>
struct BasicStoredState {
  BasicStoredState() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a matrix is stored in fp32
  BasicStoredState(BasicMatrix<kSpace> matrix)
      : data(reinterpret_cast<std::byte*>(matrix.data)),
        rows(matrix.rows),
        cols(matrix.cols),
        stride(matrix.stride * sizeof(float)) {}
  BasicStoredState(StateFormat state_format, std::byte* bytes, std::size_t row_count, std::size_t col_count,
                   std::size_t row_stride)
      : format(state_format), data(bytes), rows(row_count), cols(col_count), stride(row_stride) {}
  StateFormat format = StateFormat::kFp32;
  std::byte* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;  ///< in bytes
  [[nodiscard]] bool is_fp32() const { return format == StateFormat::kFp32; }
  [[nodiscard]] std::byte* row(std::size_t i) const { return data + i * stride; }
  /// The states as a matrix; only in fp32.
  [[nodiscard]] BasicMatrix<kSpace> matrix() const {
    return {reinterpret_cast<float*>(data), rows, cols, stride / sizeof(float)};
  }
  [[nodiscard]] BasicStoredState block(std::size_t first, std::size_t count) const {
    return {format, row(first), count, cols, stride};
  }
};

using StoredState = BasicStoredState<Space::kHost>;

}  // namespace tessera::kernels
