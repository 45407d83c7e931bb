// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"
#include "core/host_device.hpp"
#include "kernels/bfloat16.hpp"
#include "kernels/half.hpp"
#include "kernels/log8.hpp"
#include "kernels/stored_rows.hpp"

#include <cstddef>
#include <cstdint>

// Access to rows in memory wherever a kernel body runs. All formats have the same functions, so that a body is written
// once: row(i)[c] is an element as a float, store(i, c, value) writes one. The elements of an int8 row share a scale:
// there a new row is written in two passes (kIsScaled), or by rewrite_row().
namespace tessera::kernels::detail {

struct ConstTable {
  const float* data;
  std::size_t stride;
  template <Space kSpace>
  explicit ConstTable(BasicConstMatrix<kSpace> matrix) : data(matrix.data), stride(matrix.stride) {}
  template <Space kSpace>
  explicit ConstTable(BasicMatrix<kSpace> matrix) : data(matrix.data), stride(matrix.stride) {}
  [[nodiscard]] TESSERA_HOST_DEVICE const float* row(std::size_t i) const { return data + i * stride; }
};

struct Table {
  static constexpr bool kIsScaled = false;
  float* data;
  std::size_t stride;
  template <Space kSpace>
  explicit Table(BasicMatrix<kSpace> matrix) : data(matrix.data), stride(matrix.stride) {}
  [[nodiscard]] TESSERA_HOST_DEVICE float* row(std::size_t i) const { return data + i * stride; }
  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t c, float value) const { row(i)[c] = value; }
  TESSERA_HOST_DEVICE void store_nearest(std::size_t i, std::size_t c, float value) const { store(i, c, value); }
};

/// How the elements of a format are converted, each for itself.
struct Bfloat16 {
  using Stored = std::uint16_t;
  TESSERA_HOST_DEVICE static float widen(Stored value) { return from_bfloat16(value); }
  TESSERA_HOST_DEVICE static Stored nearest(float value) { return to_bfloat16(value); }
  TESSERA_HOST_DEVICE static Stored round(float value, std::uint32_t random) {
    return round_stochastically(value, random);
  }
};

struct Fp16 {
  using Stored = std::uint16_t;
  TESSERA_HOST_DEVICE static float widen(Stored value) { return from_half(value); }
  TESSERA_HOST_DEVICE static Stored nearest(float value) { return to_half(value); }
  TESSERA_HOST_DEVICE static Stored round(float value, std::uint32_t random) { return round_to_half(value, random); }
};

struct Log8 {
  using Stored = std::uint8_t;
  TESSERA_HOST_DEVICE static float widen(Stored value) { return from_log8(value); }
  TESSERA_HOST_DEVICE static Stored round(float value, std::uint32_t random) { return round_to_log8(value, random); }
};

template <class Element>
struct SmallRow {
  const typename Element::Stored* data;
  TESSERA_HOST_DEVICE float operator[](std::size_t c) const { return Element::widen(data[c]); }
};

template <class Element>
struct ConstSmallTable {
  using Stored = typename Element::Stored;
  const Stored* data;
  std::size_t stride;
  explicit ConstSmallTable(const auto& rows)
      : data(reinterpret_cast<const Stored*>(rows.data)), stride(rows.stride / sizeof(Stored)) {}
  [[nodiscard]] TESSERA_HOST_DEVICE SmallRow<Element> row(std::size_t i) const { return {data + i * stride}; }
};

template <class Element>
struct SmallTable {
  static constexpr bool kIsScaled = false;
  using Stored = typename Element::Stored;
  Stored* data;
  std::size_t stride;
  Rounding rounding;
  SmallTable(const auto& rows, Rounding by)
      : data(reinterpret_cast<Stored*>(rows.data)), stride(rows.stride / sizeof(Stored)), rounding(by) {}
  [[nodiscard]] TESSERA_HOST_DEVICE SmallRow<Element> row(std::size_t i) const { return {data + i * stride}; }
  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t c, float value) const {
    data[i * stride + c] = Element::round(value, rounding.bits(i, c));
  }
  TESSERA_HOST_DEVICE void store_nearest(std::size_t i, std::size_t c, float value) const {
    data[i * stride + c] = Element::nearest(value);
  }
};

/// A row in int8, or the row in fp32 that it stands for.
struct ScaledRow {
  const float* hot;  ///< null unless the row is hot
  const std::int8_t* codes;
  float scale;
  TESSERA_HOST_DEVICE float operator[](std::size_t c) const {
    return hot != nullptr ? hot[c] : static_cast<float>(codes[c]) * scale;
  }
};

TESSERA_HOST_DEVICE inline ScaledRow scaled_row(const std::byte* row, const float* hot, std::size_t hot_stride) {
  const auto* words = reinterpret_cast<const std::uint32_t*>(row);
  const bool is_kept = is_hot_bits(words[0]);
  return {is_kept ? hot + words[1] * hot_stride : nullptr, reinterpret_cast<const std::int8_t*>(row + sizeof(float)),
          bits_float(words[0])};
}

struct ConstScaledTable {
  const std::byte* data;
  std::size_t stride;
  const float* hot;
  std::size_t hot_stride;
  explicit ConstScaledTable(const auto& rows)
      : data(rows.data), stride(rows.stride), hot(rows.hot.data), hot_stride(rows.hot.stride) {}
  [[nodiscard]] TESSERA_HOST_DEVICE ScaledRow row(std::size_t i) const {
    return scaled_row(data + i * stride, hot, hot_stride);
  }
};

struct ScaledTable {
  static constexpr bool kIsScaled = true;
  std::byte* data;
  std::size_t stride;
  float* hot;
  std::size_t hot_stride;
  Rounding rounding;
  explicit ScaledTable(const auto& rows)
      : data(rows.data),
        stride(rows.stride),
        hot(rows.hot.data),
        hot_stride(rows.hot.stride),
        rounding(rows.rounding) {}
  [[nodiscard]] TESSERA_HOST_DEVICE ScaledRow row(std::size_t i) const {
    return scaled_row(data + i * stride, hot, hot_stride);
  }
  /// The row in fp32 of a hot row, else null.
  [[nodiscard]] TESSERA_HOST_DEVICE float* hot_row(std::size_t i) const {
    const auto* words = reinterpret_cast<const std::uint32_t*>(data + i * stride);
    return is_hot_bits(words[0]) ? hot + words[1] * hot_stride : nullptr;
  }
  TESSERA_HOST_DEVICE std::int8_t* codes(std::size_t i) const {
    return reinterpret_cast<std::int8_t*>(data + i * stride + sizeof(float));
  }
  TESSERA_HOST_DEVICE void store_code(std::size_t i, std::size_t c, float value, float inverse) const {
    codes(i)[c] = round_to_code(value, inverse, rounding.bits(i, c));
  }
  TESSERA_HOST_DEVICE void store_scale(std::size_t i, float scale) const {
    *reinterpret_cast<std::uint32_t*>(data + i * stride) = float_bits(scale);
  }
};

/// What magnitudes are compared by: bits, so that NaN is above infinity.
TESSERA_HOST_DEVICE inline std::uint32_t larger_magnitude(std::uint32_t largest, float value) {
  const std::uint32_t bits = float_bits(value) & 0x7FFFFFFFU;
  return bits > largest ? bits : largest;
}

/// Element c of row i becomes value(c), which may read that element: it is called before the element changes, and more
/// than once.
template <class To, class Value>
void rewrite_row(const To& to, std::size_t i, std::size_t cols, const Value& value) {
  if constexpr (To::kIsScaled) {
    if (float* hot = to.hot_row(i)) {
      for (std::size_t c = 0; c < cols; ++c) hot[c] = value(c);
      return;
    }
    std::uint32_t largest = 0;
    for (std::size_t c = 0; c < cols; ++c) largest = larger_magnitude(largest, value(c));
    const float scale = scale_of(largest, to.row(i).scale);
    for (std::size_t c = 0; c < cols; ++c) to.store_code(i, c, value(c), inverse_of(scale));
    to.store_scale(i, scale);
  } else {
    for (std::size_t c = 0; c < cols; ++c) to.store(i, c, value(c));
  }
}

/// Makes an int8 row of fp32 elements, each rounded to the nearest code.
inline void encode_row(const float* in, std::size_t cols, std::byte* row) {
  std::uint32_t largest = 0;
  for (std::size_t c = 0; c < cols; ++c) largest = larger_magnitude(largest, in[c]);
  const float scale = scale_of(largest);
  auto* codes = reinterpret_cast<std::int8_t*>(row + sizeof(float));
  for (std::size_t c = 0; c < code_bytes(cols); ++c) codes[c] = c < cols ? nearest_code(in[c], inverse_of(scale)) : 0;
  *reinterpret_cast<std::uint32_t*>(row) = float_bits(scale);
}

template <class Rows>
void check_alignment([[maybe_unused]] const Rows& rows) {
  TESSERA_ASSERT(reinterpret_cast<std::uintptr_t>(rows.data) % row_alignment(rows.format) == 0 &&
                     rows.stride % row_alignment(rows.format) == 0,
                 "stored rows are aligned");
}

inline void refuse_groups() { TESSERA_ASSERT(false, "rows in groups are for serving, on the host"); }

/// Calls body(table) with the access to rows that are read.
template <Space kSpace, class Body>
void with_table(BasicConstStoredRows<kSpace> rows, const Body& body) {
  check_alignment(rows);
  switch (rows.format) {
    case RowFormat::kFp32: return body(ConstTable(rows.matrix()));
    case RowFormat::kBf16: return body(ConstSmallTable<Bfloat16>(rows));
    case RowFormat::kFp16: return body(ConstSmallTable<Fp16>(rows));
    case RowFormat::kInt8: return body(ConstScaledTable(rows));
    case RowFormat::kInt8Groups:
    case RowFormat::kInt4Groups: break;
  }
  refuse_groups();
}

/// Calls body(table) with the access to rows that are written.
template <Space kSpace, class Body>
void with_table(BasicStoredRows<kSpace> rows, const Body& body) {
  check_alignment(rows);
  switch (rows.format) {
    case RowFormat::kFp32: return body(Table(rows.matrix()));
    case RowFormat::kBf16: return body(SmallTable<Bfloat16>(rows, rows.rounding));
    case RowFormat::kFp16: return body(SmallTable<Fp16>(rows, rows.rounding));
    case RowFormat::kInt8: return body(ScaledTable(rows));
    case RowFormat::kInt8Groups:
    case RowFormat::kInt4Groups: break;
  }
  refuse_groups();
}

/// Calls body(table) with the access to the states of rows that are rounded by `rounding`.
template <Space kSpace, class Body>
void with_state(BasicStoredState<kSpace> state, const Rounding& rounding, const Body& body) {
  if (state.is_fp32()) return body(Table(state.matrix()));
  body(SmallTable<Log8>(state, rounding.of_state()));
}

}  // namespace tessera::kernels::detail
