// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/stored_rows.hpp"
#include "kernels_support.hpp"

#include <cstring>

// Tables of every format, and what their elements are by definition.
namespace tessera::kernels::testing {

inline constexpr RowFormat kSmallFormats[] = {RowFormat::kBf16, RowFormat::kFp16, RowFormat::kInt8};
inline constexpr StateFormat kStateFormats[] = {StateFormat::kFp32, StateFormat::kLog8};

inline std::string name_of(RowFormat format) {
  return format == RowFormat::kFp32   ? "fp32"
         : format == RowFormat::kBf16 ? "bf16"
         : format == RowFormat::kFp16 ? "fp16"
                                      : "int8";
}

template <class T>
T read_as(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

/// The number that fp16 means by its definition.
inline double half_value(std::uint16_t bits) {
  const int exponent = bits >> 10U & 0x1FU;
  const double behind = bits & 0x3FFU;
  const double magnitude = exponent == 31  ? (behind == 0 ? kInfinity : kNan)
                           : exponent == 0 ? std::ldexp(behind, -24)
                                           : std::ldexp(1024 + behind, exponent - 25);
  return (bits & 0x8000U) != 0 ? -magnitude : magnitude;
}

/// Rows of a format; between them lie bytes that nobody may change, and the memory ends with the last row. Where the
/// format has hot rows, `hot_rows` are.
class StoredTable {
 public:
  static constexpr std::byte kGap{0xA5};
  StoredTable(RowFormat format, const Grid& from, std::size_t gap = 0, std::vector<std::uint32_t> hot_rows = {})
      : format_(format),
        rows_(from.rows()),
        cols_(from.cols()),
        stride_(row_bytes(format, cols_) + gap),
        hot_rows_(format == RowFormat::kInt8 && cols_ >= kHotColumns ? std::move(hot_rows)
                                                                     : std::vector<std::uint32_t>()),
        hot_(std::max<std::size_t>(1, hot_rows_.size()), cols_, 3),
        bytes_((rows_ - 1) * stride_ + row_bytes(format, cols_), kGap) {
    reference_backend().rows.encode(from.view(), view());
    for (std::size_t slot = 0; slot < hot_rows_.size(); ++slot) {
      mark_hot(view().row(hot_rows_[slot]), static_cast<std::uint32_t>(slot), cols_);
      std::copy_n(from.view().row(hot_rows_[slot]), cols_, hot_.view().row(slot));
    }
  }
  [[nodiscard]] StoredRows view(Rounding rounding = {}) {
    StoredRows rows(format_, bytes_.data(), rows_, cols_, stride_);
    rows.hot = hot_.view();
    rows.rounding = rounding;
    return rows;
  }
  [[nodiscard]] ConstStoredRows view() const {
    ConstStoredRows rows(format_, bytes_.data(), rows_, cols_, stride_);
    rows.hot = hot_.view();
    return rows;
  }
  [[nodiscard]] bool is_hot_row(std::size_t i) const {
    return std::find(hot_rows_.begin(), hot_rows_.end(), i) != hot_rows_.end();
  }
  [[nodiscard]] float scale(std::size_t i) const { return read_as<float>(view().row(i)); }
  [[nodiscard]] int code(std::size_t i, std::size_t c) const {
    return read_as<std::int8_t>(view().row(i) + sizeof(float) + c);
  }
  [[nodiscard]] std::uint16_t half(std::size_t i, std::size_t c) const {
    return read_as<std::uint16_t>(view().row(i) + 2 * c);
  }
  /// An element by the definition of its format.
  [[nodiscard]] float value(std::size_t i, std::size_t c) const {
    switch (format_) {
      case RowFormat::kFp32: return read_as<float>(view().row(i) + 4 * c);
      case RowFormat::kBf16: return std::bit_cast<float>(std::uint32_t{half(i, c)} << 16U);
      case RowFormat::kFp16: return static_cast<float>(half_value(half(i, c)));
      default: break;
    }
    if (!is_hot_row(i)) return static_cast<float>(code(i, c)) * scale(i);
    return hot_.at(read_as<std::uint32_t>(view().row(i) + 4), c);
  }
  [[nodiscard]] Grid widened() const {
    Grid grid(rows_, cols_);
    for (std::size_t i = 0; i < rows_; ++i)
      for (std::size_t j = 0; j < cols_; ++j) grid.at(i, j) = value(i, j);
    return grid;
  }
  [[nodiscard]] bool gaps_intact() const {
    for (std::size_t i = 0; i + 1 < rows_; ++i)
      for (std::size_t at = row_bytes(format_, cols_); at < stride_; ++at)
        if (view().row(i)[at] != kGap) return false;
    return hot_.gaps_intact();
  }
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }
  bool operator==(const StoredTable& other) const { return bytes_ == other.bytes_ && same_bits(hot_, other.hot_); }

 private:
  RowFormat format_;
  std::size_t rows_, cols_, stride_;
  std::vector<std::uint32_t> hot_rows_;
  Grid hot_;
  std::vector<std::byte> bytes_;
};

/// States in 8 bits or in fp32; between them lie bytes that nobody may change.
class StateTable {
 public:
  StateTable(StateFormat format, std::size_t rows, std::size_t cols, std::size_t gap = 0)
      : format_(format),
        rows_(rows),
        cols_(cols),
        stride_(state_bytes(format, cols) + (format == StateFormat::kFp32 ? 4 * gap : gap)),
        bytes_((rows - 1) * stride_ + state_bytes(format, cols), StoredTable::kGap) {
    for (std::size_t i = 0; i < rows; ++i) std::fill_n(view().row(i), state_bytes(format, cols), std::byte{0});
  }
  [[nodiscard]] StoredState view() { return {format_, bytes_.data(), rows_, cols_, stride_}; }
  [[nodiscard]] std::uint8_t code(std::size_t i, std::size_t c) const {
    return std::to_integer<std::uint8_t>(bytes_[i * stride_ + c]);
  }
  [[nodiscard]] double value(std::size_t i, std::size_t c) const {
    if (format_ == StateFormat::kFp32) return read_as<float>(bytes_.data() + i * stride_ + 4 * c);
    return code(i, c) == 0 ? 0 : std::exp2((code(i, c) - 192) / 4.0);
  }
  bool operator==(const StateTable&) const = default;

 private:
  StateFormat format_;
  std::size_t rows_, cols_, stride_;
  std::vector<std::byte> bytes_;
};

}  // namespace tessera::kernels::testing
